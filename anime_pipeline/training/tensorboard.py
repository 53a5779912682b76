"""The training log as TensorBoard event files, written by tensorboardX: no TensorFlow needed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from anime_pipeline.core.errors import DataError, PipelineError
from anime_pipeline.core.files import MAX_PICTURE_BYTES, read_inside
from anime_pipeline.core.runs import (
    METRICS_FILE,
    SAMPLES_FOLDER,
    TENSORBOARD_FOLDER,
    read_metrics,
)
from anime_pipeline.core.storage import refuse_link
from anime_pipeline.images.codec import decode
from anime_pipeline.training.loop import Callback, Progress

_OURS = "events.out.tfevents.*"  # as tensorboardX calls what it writes
_EPOCH = re.compile(r"epoch_([0-9]{1,9})\.png")


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
        folder = progress.folder / TENSORBOARD_FOLDER
        refuse_link(folder)
        for path in folder.glob(_OURS):
            if path.is_file() and not path.is_symlink():  # whatever else is there is the user's
                path.unlink()
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
        for path in sorted((progress.folder / SAMPLES_FOLDER).glob("epoch_*.png")):
            epoch = _EPOCH.fullmatch(path.name)
            if epoch and path.name not in self._grids:
                self._grids.add(path.name)
                grid = _grid(progress.folder, path.name)
                if grid is not None:
                    self._writer.add_image("samples", grid, int(epoch[1]), dataformats="HWC")
        self._writer.flush()


def _grid(folder: Path, name: str) -> np.ndarray | None:
    """Read a grid; None where it is damaged or a link, which is no reason to stop training."""
    try:
        content = read_inside(folder, SAMPLES_FOLDER, name, most_bytes=MAX_PICTURE_BYTES)
        return decode(content)
    except (OSError, DataError):
        return None
