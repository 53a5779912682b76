"""Warning early that a run goes wrong: collapse, overfitting, a lost player; see `core.advice`."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable

from anime_pipeline.core import advice
from anime_pipeline.core.files import (
    MAX_DOCUMENT_BYTES,
    append_line,
    read_regular,
    require_regular_if_there,
)
from anime_pipeline.core.runs import METRICS_FILE, WARNINGS_FILE, read_metrics
from anime_pipeline.core.storage import atomic_write_text
from anime_pipeline.training.loop import Callback, Progress


def _step(line: str) -> int:
    """Return the step of a line of the warnings' file; a torn line counts as the last."""
    match = re.match(r"step (\d+): .*\n", line)
    return int(match[1]) if match else sys.maxsize


class Watch(Callback):
    """Says once after an evaluation what goes wrong, again only if it went away between.

    Stands after the callbacks that measure and before the one that writes the log.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say
        self._rows: list[advice.Row] = []
        self._current: set[str] = set()

    def on_start(self, progress: Progress) -> None:
        """Read what was measured before this process began."""
        rows = read_metrics(progress.folder / METRICS_FILE)
        self._rows = [row for row in rows if row["step"] <= progress.step]
        self._current = set(advice.warnings(self._rows))
        path = progress.folder / WARNINGS_FILE
        require_regular_if_there(path)
        if path.exists():
            # Those after the resumed step will be given again.
            text = read_regular(path, MAX_DOCUMENT_BYTES, follow=False).decode("utf-8", "replace")
            lines = text.splitlines(keepends=True)
            atomic_write_text(path, "".join(li for li in lines if _step(li) <= progress.step))

    def after_step(self, progress: Progress) -> None:
        """Look for what goes wrong where something was measured."""
        if not progress.logged:
            return
        self._rows.append({"step": progress.step, **progress.logged})
        found = advice.warnings(self._rows)
        for name in found.keys() - self._current:
            line = f"step {progress.step}: {name}: {found[name]}"
            append_line(progress.folder / WARNINGS_FILE, line)
            self.say(f"Warning: {found[name]}")
        self._current = set(found)
