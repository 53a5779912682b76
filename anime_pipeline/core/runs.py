"""Run folders: numbered, locked while trained in, and read without any machine-learning library."""

from __future__ import annotations

import contextlib
import fcntl
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from anime_pipeline.core.errors import UsageError

RUN_CONFIG = "config.json"
METRICS_FILE = "metrics.jsonl"
CHECKPOINT_FOLDER = "state"


def list_runs(stage_folder: Path) -> list[Path]:
    """Return the run folders `<n>-<preset>` of one stage, oldest first."""
    if not stage_folder.is_dir():
        return []
    numbered = [
        (int(match[1]), path)
        for path in stage_folder.iterdir()
        # A folder without its configuration was killed while it was made: it holds nothing.
        if (path / RUN_CONFIG).is_file() and (match := re.match(r"(\d+)-", path.name))
    ]
    return [path for _, path in sorted(numbered)]


def new_run_folder(stage_folder: Path, preset: str) -> Path:
    """Make the next free run folder `<n>-<preset>`; two processes never get one number."""
    stage_folder.mkdir(parents=True, exist_ok=True)
    with (stage_folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        names = (re.match(r"(\d+)-", path.name) for path in stage_folder.iterdir())
        number = max((int(match[1]) for match in names if match), default=0) + 1
        folder = stage_folder / f"{number}-{preset}"
        folder.mkdir()
        return folder


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the run folder's lock; the kernel drops it if the process dies.

    Raises:
        UsageError: If another process is training in this folder.
    """
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(
                f"Another process is already training in {folder}. "
                "Wait for it, stop it, or start a new run without --resume."
            ) from None
        yield


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Read a JSON-lines log; lines that a crash or a damaged disk has torn are left out."""
    if not path.is_file():
        return []
    rows = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue
        if isinstance(row, dict) and isinstance(row.get("step"), int):
            rows.append(row)
    return rows
