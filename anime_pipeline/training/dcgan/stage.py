"""Stage one's runs: how configuration, pictures, networks and side effects are chosen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from anime_pipeline.core.config import DcganConfig
from anime_pipeline.core.errors import DataError
from anime_pipeline.core.presets import AUTO, DCGAN_PRESETS, with_architecture
from anime_pipeline.core.progress import Say, Show
from anime_pipeline.data.conditions import of_records, parse_names, resolve, silent_names
from anime_pipeline.data.store import Store
from anime_pipeline.images.rows import Pictures, Rows
from anime_pipeline.training.callbacks.common import MetricsLog
from anime_pipeline.training.callbacks.watch import Watch
from anime_pipeline.training.dcgan import callbacks as measured
from anime_pipeline.training.dcgan.start import (
    LARGE_PX,
    WORTHWHILE_AN_HOUR,
    choose_feature_px,
    find_initial_weights,
)
from anime_pipeline.training.dcgan.task import DcganTask
from anime_pipeline.training.loop import Callback
from anime_pipeline.training.request import Request
from anime_pipeline.training.run import Stage

LOG_EVERY = 50  # steps


class DcganStage(Stage[DcganConfig]):
    """Stage one."""

    name = "dcgan"
    config_type = DcganConfig
    presets = DCGAN_PRESETS

    def __init__(self, request: Request, say: Say, progress: Show) -> None:
        """Load the weights that the run starts from, if any."""
        super().__init__(request, say, progress)
        self.init = find_initial_weights(request.init) if request.init else None

    def configure(self, preset: DcganConfig) -> DcganConfig:
        """Return a preset with what was asked for; initial weights bring their architecture."""
        if self.init:
            return self.init.fit_config(preset, self.request.overrides)
        overrides = self.request.overrides
        wanted = overrides.get("architecture", preset.architecture)
        return replace(with_architecture(preset, wanted), **overrides)

    def fit_to_machine(self, config: DcganConfig) -> DcganConfig:
        """Decide whether and at what size the critic sees pictures through VGG16."""
        overrides = self.request.overrides
        if config.feature_critic and "feature_critic" not in overrides:
            wanted = "the feature critic, which learns faster"
            config = replace(config, feature_critic=self.has_vgg(wanted))
        # Of initial weights the critic is made for its size.
        is_open = self.request.preset in (None, AUTO) and "feature_px" not in overrides
        if self.init or not is_open or not config.feature_critic or config.image_size >= LARGE_PX:
            return config
        with self.progress("Timing the feature critic"):
            side, an_hour = choose_feature_px(config)
        found = f"{side} px" if side else "their own size"
        self.say(
            f"The critic sees pictures at {found}: at {LARGE_PX} px this machine could show it "
            f"{an_hour:,.0f} an hour at most, and {WORTHWHILE_AN_HOUR:,} are worth it."
        )
        return replace(config, feature_px=side)

    def picture_options(self, config: DcganConfig) -> dict[str, Any]:
        """Open pictures at the generator's size, and say which labels cannot be used."""
        return {"size": config.image_size, "labels": True}

    def with_data(self, config: DcganConfig, store: Store) -> DcganConfig:
        """Decide what faces can be asked for: what the pictures' tables know."""
        if self.init:  # its networks are made for a condition
            silent = silent_names(parse_names(config.condition), store.records)
            if silent:
                self.say(
                    f"No picture says anything about {', '.join(silent)}, which the weights of "
                    "--init can be asked for: the new ones will forget what it means."
                )
            return config
        condition = resolve(config.condition, store.records)
        if config.condition == AUTO and not condition:
            self.say(
                "No labels for most pictures: the faces cannot be asked for by hair, skin or other "
                "words. --annotate estimates hair and skin."
            )
        return replace(config, condition=condition)

    def make_task(self, config: DcganConfig, store: Store, train: np.ndarray) -> DcganTask:
        """Build the networks.

        Raises:
            DataError: If no training picture says anything about what the faces are to be asked
                for.
        """
        condition = of_records(parse_names(config.condition), store.records.take(train))
        if config.condition and not condition.any():
            raise DataError(
                f"None of {len(train)} training pictures says anything about {config.condition}, "
                "which the networks are to be asked for. Add rows to color.csv or tags.csv, give "
                "--annotate for hair and skin, or start a run without --init and with "
                "--condition ''."
            )
        task = DcganTask(config, Rows(store.images, train), condition, self.init)
        network = measured.snapshot_network()
        # Where the critic has no VGG16, its weights may not be there at all.
        if network != measured.VGG16 or task.features:
            # Another network would choose by other figures: a resumed run must find it again.
            task.facts["snapshots"] = network
        return task

    def with_steps(self, config: DcganConfig, steps: int) -> DcganConfig:
        """Fix the number of steps."""
        return replace(config, steps=steps)

    def callbacks(self, task: DcganTask, val_images: Pictures) -> list[Callback]:
        """Return grids, measurements of both players, the log and the exported generator."""
        if self.init:
            other = "and the run's" if task.discriminator_is_trained else "from noise the"
            self.say(f"Starting from {self.init.weights.path}, {other} discriminator.")
        kid: list[Callback] = []
        network = task.facts.get("snapshots")
        if network and len(val_images) > 1:
            self.say(f"best.npz will be the best snapshot by {measured.chosen_by(network)}.")
            kid.append(measured.KidOnVal(task, val_images, network))
        return [
            *kid,
            measured.SampleGrid(task),
            measured.DiscriminatorAccuracy(task, val_images),
            measured.FaceMeasurements(task),
            Watch(self.say),
            MetricsLog(LOG_EVERY, task.images_per_step),
            measured.ExportGenerator(task),
        ]
