"""Side effects that every stage shares: logs, checkpoints, the NaN guard."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from anime_pipeline.core import checkpoint
from anime_pipeline.core.errors import PipelineError
from anime_pipeline.core.files import append_line
from anime_pipeline.core.runs import CHECKPOINT_FOLDER, METRICS_FILE, SAMPLES_FOLDER, read_metrics
from anime_pipeline.core.samples import sample_name
from anime_pipeline.core.storage import atomic_write_bytes, atomic_write_text, refuse_link
from anime_pipeline.images.codec import write_png
from anime_pipeline.training.loop import Callback, Progress


class GridSchedule:
    """Says when a sample grid is due: at each epoch's end, and once soon after the start.

    The early grid shows that the run does something: after a few steps, or half a minute where
    steps are slow.
    """

    early_steps = 10
    early_s = 30.0

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self._early_done = False

    def due(self, progress: Progress) -> int | None:
        """Return the epoch to name the grid after (0 for the early one), or None."""
        if progress.ends_epoch:
            return progress.epoch
        late = time.monotonic() - self._begun >= self.early_s
        if progress.epoch == 1 and progress.is_current and not self._early_done:
            if progress.step >= self.early_steps or late:
                self._early_done = True
                return 0
        return None


def write_grid(progress: Progress, epoch: int, grid: np.ndarray) -> None:
    """Write a sample grid into the run folder; epoch 0 is the early one.

    Raises:
        UsageError: If a link is in place of the folder of samples.
    """
    folder = progress.folder / SAMPLES_FOLDER
    refuse_link(folder)
    write_png(folder / sample_name(epoch), grid)


def logged_before(progress: Progress, name: str) -> list[float]:
    """Return what was measured under a name up to this step, in earlier processes too."""
    rows = read_metrics(progress.folder / METRICS_FILE)
    return [row[name] for row in rows if name in row and row["step"] <= progress.step]


class NanGuard(Callback):
    """Stops a run whose losses are no longer numbers, before such a state can be saved."""

    def after_step(self, progress: Progress) -> None:
        """Check this step's scalars.

        Raises:
            PipelineError: Naming the values and the last good checkpoint.
        """
        bad = {k: v for k, v in progress.metrics.items() if not np.isfinite(v)}
        if not bad:
            return
        saved = checkpoint.steps_in(progress.folder / CHECKPOINT_FOLDER)
        last = f"The last good state is step {saved[-1]}." if saved else "Nothing was saved yet."
        raise PipelineError(
            f"Training diverged at step {progress.step}: {bad}. Stopped without saving this step. "
            f"{last} Start again with a smaller learning rate or another --loss."
        )


class Checkpoints(Callback):
    """Saves the state every `save_every` steps, at the end and on Ctrl-C."""

    def __init__(self, save_every: int, keep: int) -> None:
        self.save_every = save_every
        self.keep = keep
        self._saved_step = 0

    def on_start(self, progress: Progress) -> None:
        """Remember what is on disk already."""
        self._saved_step = progress.step

    def after_step(self, progress: Progress) -> None:
        """Save when it is time, or at the first whole state after that."""
        due = progress.step - progress.step % self.save_every
        if due > self._saved_step and progress.is_current:
            self.on_stop(progress)

    def on_stop(self, progress: Progress) -> None:
        """Save this state, unless it is saved already.

        Raises:
            PipelineError: If it cannot be; names the last state that is whole.
        """
        if progress.step != self._saved_step:
            folder = progress.folder / CHECKPOINT_FOLDER
            try:
                checkpoint.save(folder, progress.step, progress.state, self.keep)
            except OSError as error:
                saved = checkpoint.steps_in(folder)
                last = f"the state of step {saved[-1]} is whole" if saved else "nothing is saved"
                raise PipelineError(
                    f"Step {progress.step} could not be saved: {error.strerror} "
                    f"({error.filename}); {last}. Make room, then continue with --resume."
                ) from error
            self._saved_step = progress.step


class MetricsLog(Callback):
    """Writes averaged scalars as JSON lines, and the same as `metrics.csv` at each epoch's end."""

    def __init__(self, every: int, images_per_step: int) -> None:
        self.every = every
        self.images_per_step = images_per_step
        self._sums: dict[str, list[float]] = defaultdict(list)
        self._since = 0.0
        self._steps = 0
        self._written = 0

    def on_start(self, progress: Progress) -> None:
        """Drop lines after the resumed step: those steps will be logged again."""
        path = progress.folder / METRICS_FILE
        kept = [row for row in read_metrics(path) if row["step"] <= progress.step]
        atomic_write_text(path, "".join(json.dumps(row) + "\n" for row in kept))
        self._since = time.perf_counter()
        self._written = progress.step

    def after_step(self, progress: Progress) -> None:
        """Collect, and write a line when it is time."""
        self._steps += 1
        for name, value in progress.metrics.items():
            self._sums[name].append(value)
        # Within a dispatch of several steps the clock has run for all: its end is waited for.
        due = progress.step - progress.step % self.every > self._written
        if (due and progress.is_current) or progress.logged or progress.ends_epoch:
            self._write(progress)
        if progress.ends_epoch:
            self._write_csv(progress)

    def on_stop(self, progress: Progress) -> None:
        """Write what has been collected."""
        if self._steps:
            self._write(progress)
        self._write_csv(progress)

    def _write(self, progress: Progress) -> None:
        now = time.perf_counter()
        row: dict[str, Any] = {"step": progress.step, "epoch": progress.epoch}
        row |= {name: float(np.mean(values)) for name, values in self._sums.items()}
        row["images_per_second"] = self._steps * self.images_per_step / max(now - self._since, 1e-9)
        row |= progress.logged
        progress.logged = {}
        append_line(progress.folder / METRICS_FILE, json.dumps(row))
        self._sums.clear()
        self._steps = 0
        self._since = now
        self._written = progress.step

    def _write_csv(self, progress: Progress) -> None:
        rows = read_metrics(progress.folder / METRICS_FILE)
        content = pd.DataFrame(rows).to_csv(index=False).encode()
        atomic_write_bytes(progress.folder / "metrics.csv", content)


@dataclass
class Report(Callback):
    """Calls a function after each step; used for progress displays."""

    show: Callable[[Progress], None]

    def after_step(self, progress: Progress) -> None:
        """Pass the progress on."""
        self.show(progress)
