"""The training log as TensorBoard event files, written by tensorboardX: no TensorFlow needed."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from anime_pipeline.core.errors import PipelineError
from anime_pipeline.core.runs import METRICS_FILE, read_metrics
from anime_pipeline.images.codec import read_rgb
from anime_pipeline.training.loop import Callback, Progress

FOLDER = "tensorboard"


class TensorBoard(Callback):
    """Copies each new line of `metrics.jsonl` and each new sample grid.

    Stands after the callback that writes the log. At a resume everything is written anew from the
    log, which holds no line beyond the resumed step.
    """

    def __init__(self) -> None:
        """Load the writer.

        Raises:
            PipelineError: If it is not installed.
        """
        try:
            from tensorboardX import SummaryWriter
        except ImportError as error:
            raise PipelineError(
                f"--tensorboard needs tensorboardX to write and tensorboard to look ({error}). "
                "Install them: pip install tensorboardX tensorboard."
            ) from None
        self._make_writer = SummaryWriter
        self._writer: Any = None
        self._rows = 0
        self._grids: set[str] = set()

    def on_start(self, progress: Progress) -> None:
        """Begin with what is logged already."""
        folder = progress.folder / FOLDER
        shutil.rmtree(folder, ignore_errors=True)
        self._writer = self._make_writer(str(folder))
        self._copy(progress)

    def after_step(self, progress: Progress) -> None:
        """Copy at each epoch's end."""
        if progress.ends_epoch:
            self._copy(progress)

    def on_stop(self, progress: Progress) -> None:
        """Copy a last time."""
        self._copy(progress)
        self._writer.close()

    def _copy(self, progress: Progress) -> None:
        rows = read_metrics(progress.folder / METRICS_FILE)
        for row in rows[self._rows :]:
            for name, value in row.items():
                if name != "step" and isinstance(value, int | float):
                    self._writer.add_scalar(name, value, row["step"])
        self._rows = len(rows)
        for path in sorted((progress.folder / "samples").glob("*.png")):
            if path.name not in self._grids:
                self._grids.add(path.name)
                grid = read_rgb(path)
                self._writer.add_image("samples", grid, _epoch(path), dataformats="HWC")
        self._writer.flush()


def _epoch(path: Path) -> int:
    return int(path.stem.rpartition("_")[2])
