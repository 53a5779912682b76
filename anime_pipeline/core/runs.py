"""Run folders: numbered, locked while trained in, and read without any machine-learning library."""

import contextlib
import json
import os
import re
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from anime_pipeline.core import platform
from anime_pipeline.core.errors import CheckpointError, NotAFileError, UsageError
from anime_pipeline.core.files import MAX_DOCUMENT_BYTES, open_lock, open_regular, read_regular
from anime_pipeline.core.storage import refuse_link

RUN_CONFIG = "config.json"
METRICS_FILE = "metrics.jsonl"
CHECKPOINT_FOLDER = "state"
SAMPLES_FOLDER = "samples"
TENSORBOARD_FOLDER = "tensorboard"
WARNINGS_FILE = "warnings.log"
STAGES = ("dcgan", "srgan")

# A log takes 300 bytes a line, and a run some ten thousand lines. What is read is kept in memory.
MAX_LOG_BYTES, MAX_LINE, MAX_ROWS = 2**26, 2**16, 300_000
SURROUNDINGS = ("data", "images", "data_fingerprint", "backend", "version")


def list_runs(stage_folder: Path) -> list[Path]:
    """Return the run folders `<n>-<preset>` of one stage, oldest first."""
    if not stage_folder.is_dir():
        return []
    numbered = [
        (int(match[1]), path)
        for path in stage_folder.iterdir()
        # A folder without its configuration was killed while it was made: it holds nothing.
        if (match := re.match(r"(\d+)-", path.name)) and os.path.isfile(path / RUN_CONFIG)
    ]
    return [path for _, path in sorted(numbered)]


def new_run_folder(stage_folder: Path, preset: str) -> Path:
    """Make the next free run folder `<n>-<preset>`; two processes never get one number."""
    stage_folder.mkdir(parents=True, exist_ok=True)
    with _lock_file(stage_folder) as file:
        platform.lock(file.fileno())
        names = (re.match(r"(\d+)-", path.name) for path in stage_folder.iterdir())
        number = max((int(match[1]) for match in names if match), default=0) + 1
        folder = stage_folder / f"{number}-{preset}"
        folder.mkdir()
        return folder


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the run folder's lock; the kernel drops it if the process dies.

    Raises:
        UsageError: If another process is training in this folder, or a link is where it would
            write: to be known before the work, not after it.
    """
    for name in (CHECKPOINT_FOLDER, SAMPLES_FOLDER, TENSORBOARD_FOLDER):
        refuse_link(folder / name)
    with _lock_file(folder) as file:
        for patience_s in (0.1, 0.3, 0.6, 0):
            with contextlib.suppress(BlockingIOError):
                platform.lock(file.fileno(), wait=False)
                break
            time.sleep(patience_s)  # `runs list` holds it for a moment, to see whether it is held
        else:
            raise UsageError(
                f"Another process is already training in {folder}. "
                "Wait for it, stop it, or start a new run without --resume."
            )
        yield


def _lock_file(folder: Path) -> IO[bytes]:
    try:
        return open_lock(folder / ".lock")
    except NotAFileError as error:
        raise UsageError(
            f"{folder / '.lock'} is {error.strerror}. Expected a file of this program, or nothing: "
            "Rename what is there."
        ) from None


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Read a JSON-lines log; torn lines and what is no finite number are left out.

    Raises:
        CheckpointError: If something else than a log of possible size is there; a link, too.
    """
    if not os.path.lexists(path):
        return []
    rows = []
    for line in _text_inside(path, MAX_LOG_BYTES).splitlines():
        try:
            row = json.loads(line) if len(line) <= MAX_LINE else None
        except (ValueError, RecursionError):
            continue
        if isinstance(row, dict) and isinstance(row.get("step"), int) and _is_number(row["step"]):
            rows.append({name: value for name, value in row.items() if _is_number(value)})
            if len(rows) > MAX_ROWS:
                raise CheckpointError(
                    f"{path} has more than {MAX_ROWS:,} lines. Expected a run's log: Rename it."
                )
    return rows


def _text_inside(path: Path, most_bytes: int) -> str:
    """Read a file of a run folder, which may have come from anybody; a link is refused."""
    try:
        content = read_regular(path, most_bytes, follow=False)
    except NotAFileError as error:
        raise CheckpointError(
            f"{path} is {error.strerror}. Expected what training writes: Rename what is there."
        ) from None
    except OSError as error:
        raise _unreadable(path, error) from None
    return content.decode("utf-8", "replace")


def _unreadable(path: Path, error: OSError) -> CheckpointError:
    return CheckpointError(
        f"{path} cannot be read ({error.strerror}). Expected what training writes: Check the "
        "path and its permissions."
    )


def last_values(rows: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Return the last value of everything that was logged."""
    values: dict[str, Any] = {}
    for row in rows:
        values |= row
    return values


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and abs(value) <= sys.float_info.max


@dataclass(frozen=True)
class RunSummary:
    """What a run folder says of itself.

    Attributes:
        folder: The run folder.
        stage: ``"dcgan"`` or ``"srgan"``.
        preset: The preset it began from.
        config: Its configuration, as JSON values.
        surroundings: What else decided it: pictures, backend, package version.
        step: Steps that are saved, or logged where none is saved yet.
        total_steps: Steps planned.
        state: ``"training"`` (a process holds it), ``"complete"``, ``"stopped"`` or ``"new"``.
        metrics: The last value of everything that was logged.
        warnings: Warnings given while it trained.
        bytes: Size of its files.
    """

    folder: Path
    stage: str
    preset: str
    config: dict[str, Any]
    surroundings: dict[str, Any]
    step: int
    total_steps: int
    state: str
    metrics: dict[str, Any]
    warnings: list[str]
    bytes: int

    @property
    def name(self) -> str:
        """Stage and folder name, such as ``dcgan/1-cpu``."""
        folder = self.folder.resolve()
        return f"{folder.parent.name}/{folder.name}"


def read_facts(folder: Path) -> dict[str, Any]:
    """Return what a run's `config.json` says, whatever that is.

    Raises:
        CheckpointError: If something else than a small regular file is there; a link, too.
        ValueError: If it is no JSON object; a `RecursionError` where it is nested too deeply.
    """
    facts = json.loads(_text_inside(folder / RUN_CONFIG, MAX_DOCUMENT_BYTES))
    if not isinstance(facts, dict):
        raise ValueError(f"{RUN_CONFIG} holds no object")
    return facts


def read_run(folder: Path, metrics: dict[str, Any] | None = None) -> RunSummary:
    """Summarise a run folder without loading its weights.

    Args:
        folder: The run folder.
        metrics: The last value of everything that was logged, where that is known already.

    Raises:
        CheckpointError: If it is no run folder, or its `config.json` cannot be read.
    """
    try:
        facts = read_facts(folder)
        config, preset = dict(facts["config"]), str(facts["preset"])
        stage = "srgan" if "fidelity_steps" in config else "dcgan"
        phases = ("fidelity_steps", "adversarial_steps") if stage == "srgan" else ("steps",)
        total = sum(int(config[name]) for name in phases)
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise CheckpointError(
            f"{folder} is no run folder ({error}). Expected one that train-dcgan or train-srgan "
            "made; anime-pipeline runs list shows them."
        ) from None
    if metrics is None:
        metrics = last_values(read_metrics(folder / METRICS_FILE))
    from anime_pipeline.core import checkpoint  # here: it loads NumPy, which --help can do without

    try:
        saved = checkpoint.steps_in(folder / CHECKPOINT_FOLDER)
    except OSError as error:
        raise _unreadable(folder / CHECKPOINT_FOLDER, error) from None
    step = saved[-1] if saved else metrics.get("step", 0)
    around = {name: facts.get(name) for name in SURROUNDINGS}
    state, said, size = _state(folder, step, total), read_warnings(folder), _bytes_below(folder)
    return RunSummary(
        folder, stage, preset, config, around, step, total, state, metrics, said, size
    )


def read_warnings(folder: Path) -> list[str]:
    """Return the warnings of a run; where their file is none of its own, one line that says so."""
    path = folder / WARNINGS_FILE
    if not os.path.lexists(path):
        return []
    try:
        return _text_inside(path, MAX_DOCUMENT_BYTES).splitlines()
    except (CheckpointError, OSError) as error:
        return [f"The warnings are left out: {error}"]


def _bytes_below(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):  # a run in progress replaces its files
            total += path.lstat().st_size
    return total


def find_run(checkpoints: Path, wanted: str) -> Path:
    """Return the run folder that a path, or a name such as ``dcgan/1-cpu``, stands for.

    Raises:
        CheckpointError: If there is none; says which there are.
    """
    for folder in (Path(wanted), checkpoints / wanted):
        if (folder / RUN_CONFIG).is_file():
            return folder
    known = [f"{s}/{run.name}" for s in STAGES for run in list_runs(checkpoints / s)]
    raise CheckpointError(
        f"No run called {wanted!r}. Expected a run folder or a name below {checkpoints}: "
        f"{', '.join(known) or 'there is none yet'}."
    )


def _state(folder: Path, step: int, total: int) -> str:
    # Whatever lies there under that name, a pipe for one, must not keep anybody waiting.
    with contextlib.suppress(OSError), open_regular(folder / ".lock", follow=False) as file:
        try:
            platform.lock(file.fileno(), shared=True, wait=False)
        except BlockingIOError:
            return "training"
    if step >= total:
        return "complete"
    return "stopped" if step else "new"
