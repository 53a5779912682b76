"""Side effects of stage one: sample grids, measurements of both players, the best snapshot."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anime_pipeline.core.measurements import TRAINING, of_kind
from anime_pipeline.images.rows import Pictures
from anime_pipeline.images.writing.grid import make_grid, spread
from anime_pipeline.metrics.features import (
    ALEXNET,
    SIZE_PX,
    SMALLEST_PX,
    TITLES,
    VGG16,
    Features,
    common_scale,
    why_missing,
)
from anime_pipeline.metrics.kid import kid
from anime_pipeline.training.callbacks.common import GridSchedule, logged_before, write_grid
from anime_pipeline.training.dcgan.task import DcganTask
from anime_pipeline.training.gan.losses import LOSSES
from anime_pipeline.training.loop import Callback, Progress

GRID_COUNT = 64
MOST_COMPARED = 10_000
WEIGHTS_FILE = "generator.npz"
BEST_FILE = "best.npz"


class SampleGrid(Callback):
    """Writes seeds 0..63 of the averaged generator after each epoch, and once near the start."""

    def __init__(self, task: DcganTask) -> None:
        self.task = task
        self.schedule = GridSchedule()

    def after_step(self, progress: Progress) -> None:
        """Write a grid when it is time."""
        epoch = self.schedule.due(progress)
        if epoch is not None:
            grid = make_grid(self.task.sample(progress.state, GRID_COUNT), 8, magnify=3)
            write_grid(progress, epoch, grid)


class DiscriminatorAccuracy(Callback):
    """Measures how well D tells real from fake on train, held-out and generated pictures.

    All three without augmentation, and the area under the curve of the first against the last. A
    growing gap between train and held-out means that D memorises; all near 100% means that G no
    longer learns from it.
    """

    def __init__(self, task: DcganTask, val_images: Pictures, count: int = 256) -> None:
        self.task = task
        self.train_images = spread(task.images, count)
        self.val_images = spread(val_images, count)
        self.count = count

    def after_epoch(self, progress: Progress) -> None:
        """Measure at each epoch's end."""
        state, logits = progress.state, self.task.logits
        train = logits(state, self.train_images)
        fake = logits(state, self.task.fakes(state, self.count))
        boundary = LOSSES[self.task.config.loss].boundary
        if boundary is None:
            boundary = float(train.mean() + fake.mean()) / 2
        progress.logged["accuracy_real_train"] = float((train > boundary).mean())
        if len(self.val_images):
            val = logits(state, self.val_images)
            progress.logged["accuracy_real_val"] = float((val > boundary).mean())
            progress.logged["val_images"] = len(val)
        progress.logged["accuracy_fake"] = float((fake <= boundary).mean())
        # How often a real picture ranks above a drawn one: no boundary that could be off.
        progress.logged["auc_real_fake"] = rank_share(train, fake)


def rank_share(above: np.ndarray, below: np.ndarray) -> float:
    """Return the share of pairs in which the first is the greater; of equals it counts half.

    Mann and Whitney's U over the number of pairs; importing scipy.stats for it alone takes longer
    than all calls of a run.
    """
    ordered = np.sort(below)
    smaller = [np.searchsorted(ordered, above, side=side).mean() for side in ("left", "right")]
    return float(np.mean(smaller) / len(below))


class FaceMeasurements(Callback):
    """Measures drawn faces beside training pictures by each function that the registry names."""

    def __init__(self, task: DcganTask, count: int = 128) -> None:
        self.task = task
        self.count = count
        self.real = spread(task.images, count)
        self.functions = {m.key: m.load() for m in of_kind(TRAINING) if m.function}

    def after_epoch(self, progress: Progress) -> None:
        """Measure at each epoch's end."""
        fake = self.task.fakes(progress.state, self.count)
        for key, measure in self.functions.items():
            progress.logged[key] = measure(self.real, fake)


def snapshot_network() -> str:
    """Return the feature network that chooses a run's best snapshot.

    A snapshot that pleases the critic's own VGG16 need not be the best: AlexNet where it is there.
    """
    return VGG16 if why_missing(ALEXNET) else ALEXNET


def chosen_by(network: str) -> str:
    """Return in words how a run's best snapshot is chosen."""
    return f"KID on {TITLES[network]} against the val side"


@dataclass
class ExportGenerator(Callback):
    """Writes the averaged generator as a weights file at each epoch's end and when stopping."""

    task: DcganTask

    def after_epoch(self, progress: Progress) -> None:
        """Write the present weights."""
        self.task.save(progress.folder / WEIGHTS_FILE, progress.state, progress.step)

    on_stop = after_epoch


class KidOnVal(Callback):
    """Measures each epoch how far drawn faces are from held-out ones, and keeps the best weights.

    KID on AlexNet by the report's protocol (`metrics.features`); or on VGG16's features of the
    32 px pictures as they are, sixteen times cheaper than by that protocol and as cheap as AlexNet,
    for comparing snapshots of one run only. The test side stays unseen, so that reports on it are
    not of a snapshot that was chosen by it.
    """

    def __init__(self, task: DcganTask, val_images: Pictures, network: str = VGG16) -> None:
        """Compute the held-out side's features once.

        Args:
            task: The run's task.
            val_images: uint8 [N, S, S, 3], N >= 2; for VGG16 S >= 32. Of more than 10,000, as many
                at even distances: each costs a drawn face an epoch.
            network: See `snapshot_network`.
        """
        self.task = task
        small = max(SMALLEST_PX, val_images.shape[1])
        self.features = Features(network, SIZE_PX if network == ALEXNET else small)
        real = self.features(spread(val_images, MOST_COMPARED))
        self.scale = common_scale(real)
        self.real = real / self.scale
        self._best = float("inf")

    def on_start(self, progress: Progress) -> None:
        """Read how good the best snapshot before this process was."""
        self._best = min(logged_before(progress, "kid_val"), default=float("inf"))

    def after_epoch(self, progress: Progress) -> None:
        """Measure at each epoch's end."""
        faces = self.task.sample(progress.state, len(self.real))
        distance = kid(self.real, self.features(faces) / self.scale).mean
        progress.logged["kid_val"] = distance
        if distance <= self._best:
            self._best = distance
            path, chosen = progress.folder / BEST_FILE, chosen_by(self.features.network)
            self.task.save(path, progress.state, progress.step, chosen_by=chosen)
