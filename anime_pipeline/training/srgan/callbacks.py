"""Side effects of stage two: PSNR on held-out pairs, comparison grids, exported weights."""

from __future__ import annotations

import cv2
import numpy as np

from anime_pipeline.core.advice import has_dropped
from anime_pipeline.core.randomness import stream
from anime_pipeline.data.degrade import degrade
from anime_pipeline.images.rows import Pictures
from anime_pipeline.images.writing.grid import make_grid, spread
from anime_pipeline.metrics.psnr import psnr_rgb
from anime_pipeline.training.callbacks.common import GridSchedule, logged_before, write_grid
from anime_pipeline.training.loop import Callback, Progress
from anime_pipeline.training.srgan.task import SrganTask

VAL_COUNT = 32
GRID_ROWS = 6


class HeldOutPairs(Callback):
    """Upscales held-out pictures after each epoch: PSNR beside bicubic, and a grid to look at.

    Grid columns: LR (nearest), bicubic, ours, original.
    """

    def __init__(self, task: SrganTask, val_images: Pictures) -> None:
        """Degrade the pictures once with the benchmark's default, Pillow bicubic."""
        self.task = task
        self.schedule = GridSchedule()
        self.hr_images = spread(val_images, VAL_COUNT)
        unused = stream(0, "held-out")
        scale = task.config.scale
        self.lr_images = [degrade(hr, scale, "bicubic", unused) for hr in self.hr_images]
        size = (task.config.hr_size, task.config.hr_size)
        self.bicubic = [
            cv2.resize(lr, size, interpolation=cv2.INTER_CUBIC) for lr in self.lr_images
        ]

    def after_step(self, progress: Progress) -> None:
        """Measure and draw when it is time."""
        epoch = self.schedule.due(progress)
        if epoch is None or not len(self.hr_images):
            return
        ours = self.task.upscale(progress.state, np.stack(self.lr_images))
        for name, images in (("val_psnr_db", ours), ("val_psnr_bicubic_db", self.bicubic)):
            scores = [psnr_rgb(hr, sr) for hr, sr in zip(self.hr_images, images, strict=True)]
            progress.logged[name] = float(np.mean(scores))
        size = self.hr_images.shape[1:3]
        rows = []
        for index in range(min(GRID_ROWS, len(ours))):
            blocky = cv2.resize(self.lr_images[index], size, interpolation=cv2.INTER_NEAREST)
            rows += [blocky, self.bicubic[index], ours[index], self.hr_images[index]]
        write_grid(progress, epoch, make_grid(np.stack(rows), 4))


class ExportUpscaler(Callback):
    """Writes `fidelity.npz` during the first phase and `perceptual.npz` during the second.

    Of a second phase that has fallen too far below the run's best held-out PSNR nothing is
    exported any more: the last good weights stay.
    """

    def __init__(self, task: SrganTask) -> None:
        self.task = task
        self._psnr_db: list[float] = []

    def on_start(self, progress: Progress) -> None:
        """Read what was measured before this process began."""
        self._psnr_db = logged_before(progress, "val_psnr_db")

    def after_step(self, progress: Progress) -> None:
        """Export at each epoch's end and at the end of the first phase."""
        if "val_psnr_db" in progress.logged:
            self._psnr_db.append(progress.logged["val_psnr_db"])
        if progress.ends_epoch or progress.step == self.task.config.fidelity_steps:
            self.on_stop(progress)

    def on_stop(self, progress: Progress) -> None:
        """Export the last state."""
        if not progress.step:
            return
        phase, known = self.task.phase_after(progress.step), self._psnr_db
        if phase == "perceptual" and known and has_dropped(known[-1], known):
            return  # `Watch` says so
        self.task.save(progress.folder / f"{phase}.npz", progress.state, progress.step)
