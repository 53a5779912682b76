"""The training log as TensorBoard event files, written by tensorboardX: no TensorFlow needed."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from anime_pipeline.core.errors import DataError, PipelineError
from anime_pipeline.core.measurements import measurement
from anime_pipeline.core.runs import METRICS_FILE, TENSORBOARD_FOLDER, read_metrics
from anime_pipeline.core.samples import list_samples, read_sample
from anime_pipeline.core.storage import refuse_link
from anime_pipeline.images.codec import decode
from anime_pipeline.training.loop import Callback, Progress

_OURS = "events.out.tfevents.*"  # as tensorboardX calls what it writes


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
        self._grids: set[int] = set()

    def on_start(self, progress: Progress) -> None:
        """Begin with what is logged already."""
        folder = progress.folder / TENSORBOARD_FOLDER
        refuse_link(folder)
        for path in folder.glob(_OURS):
            if path.is_file() and not path.is_symlink():  # whatever else is there is the user's
                path.unlink()
        self._writer = self._make_writer(str(folder))
        self.after_epoch(progress)

    def after_epoch(self, progress: Progress) -> None:
        """Copy what is new."""
        rows = read_metrics(progress.folder / METRICS_FILE)
        for row in rows[self._rows :]:
            for name, value in row.items():
                if name != "step":
                    one = measurement(name)
                    self._writer.add_scalar(name, value, row["step"], None, one.label, one.meaning)
        self._rows = len(rows)
        for epoch in list_samples(progress.folder):
            if epoch not in self._grids:
                self._grids.add(epoch)
                # A damaged one is no reason to stop training.
                with suppress(OSError, DataError):
                    grid = decode(read_sample(progress.folder, epoch))
                    self._writer.add_image("samples", grid, epoch, dataformats="HWC")
        self._writer.flush()

    def on_stop(self, progress: Progress) -> None:
        """Copy a last time."""
        self.after_epoch(progress)
        self._writer.close()
