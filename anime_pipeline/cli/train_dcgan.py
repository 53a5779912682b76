"""`anime-pipeline train-dcgan`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from anime_pipeline.cli.common import waiting
from anime_pipeline.cli.complete import weights_names
from anime_pipeline.cli.training import open_store, report, say, train
from anime_pipeline.cli.training_options import Request, read_request, training_options
from anime_pipeline.core.config import LOSSES, DcganConfig
from anime_pipeline.core.errors import DataError, PipelineError, UsageError
from anime_pipeline.core.presets import AUTO, DCGAN_PRESETS

if TYPE_CHECKING:
    import numpy as np

    from anime_pipeline.data.store import Store
    from anime_pipeline.training.beginning import Beginning
    from anime_pipeline.training.dcgan_task import DcganTask
    from anime_pipeline.training.loop import Callback


@click.command("train-dcgan")
@training_options
@click.option("--loss", type=click.Choice(LOSSES), help="Adversarial loss.")
@click.option("--d-steps", type=click.IntRange(min=1), help="Discriminator updates per step.")
@click.option("--width", type=click.IntRange(min=1), help="Channels at full resolution.")
@click.option(
    "--condition",
    help="What faces can be asked for: hair, skin, tags such as Blond_Hair, with commas between; "
    "'' for nothing [default: hair and skin where color.csv has them].",
)
@click.option(
    "--feature-critic/--no-feature-critic",
    default=None,
    help="Let the discriminator look at VGG16's features too [default: on].",
)
@click.option(
    "--annotate",
    is_flag=True,
    help="Estimate hair and skin of pictures without a row in color.csv; nothing is written there.",
)
@click.option(
    "--init",
    shell_complete=weights_names,
    help="Start from weights: a shipped name, a .npz file or a run, whose discriminator is taken "
    "on too.",
)
def command(as_json: bool, init: str | None, **values: Any) -> None:
    """Train stage one: a DCGAN that draws 32x32 faces.

    Every run has its own folder with samples after each epoch (several at once for small sets),
    metrics, curves, and a state that --resume continues exactly. Ctrl-C saves first.
    """
    request = read_request(values, DcganConfig())
    if request.resume and init:
        raise UsageError(f"--resume keeps the run's weights. Leave --init {init} out.")
    summary = train(DcganStage(_find_beginning(init)), request)
    report(summary, request, as_json)


class DcganStage:
    """Stage one, as `cli.training` drives it."""

    name = "dcgan"
    config_type = DcganConfig

    def __init__(self, beginning: Beginning | None = None) -> None:
        """Remember --init; None starts from noise."""
        self.beginning = beginning

    def new_config(self, request: Request) -> tuple[str, DcganConfig]:
        """Resolve the preset, the arithmetic, and whether the critic can have its features."""
        from anime_pipeline.models.precision import best_precision, resolve_preset

        preset = resolve_preset(request.preset)
        if self.beginning:
            config = self.beginning.fit_config(DCGAN_PRESETS[preset], request.overrides)
        else:
            config = replace(DCGAN_PRESETS[preset], **request.overrides)
        if "precision" not in request.overrides and preset != "reference":
            config = replace(config, precision=best_precision())
        if "feature_critic" not in request.overrides:
            config = replace(config, feature_critic=config.feature_critic and _has_vgg())
        is_open = request.preset in (None, AUTO) and "feature_px" not in request.overrides
        if is_open and not self.beginning:  # whose critic is made for its size
            config = _at_the_size_for_this_machine(config)
        return preset, config

    def open_pictures(self, roots: Sequence[Path], config: DcganConfig) -> Store:
        """Decode the pictures at the generator's size."""
        return open_store(roots, config.image_size, config.fit, labels=True)

    def with_data(self, config: DcganConfig, store: Store) -> DcganConfig:
        """Decide what faces can be asked for: what the pictures' tables know."""
        from anime_pipeline.data.conditions import parse_names, resolve, silent_names

        if self.beginning:  # its networks are made for a condition
            silent = silent_names(parse_names(config.condition), store.records)
            if silent:
                say(
                    f"No picture says anything about {', '.join(silent)}, which the weights of "
                    "--init can be asked for: the new ones will forget what it means."
                )
            return config
        condition = resolve(config.condition, store.records)
        if config.condition == AUTO and not condition:
            say(
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
        from anime_pipeline.data.conditions import of_records, parse_names
        from anime_pipeline.training.dcgan_task import DcganTask

        records = [store.records[row] for row in train]
        condition = of_records(parse_names(config.condition), records)
        if config.condition and not condition.any():
            raise DataError(
                f"None of {len(train)} training pictures says anything about {config.condition}, "
                "which the networks are to be asked for. Add rows to color.csv or tags.csv, give "
                "--annotate for hair and skin, or start a run without --init and with "
                "--condition ''."
            )
        task = DcganTask(config, store.images[train], condition, self.beginning)
        network = _snapshot_network(task)
        # Part of what a resumed run must find again: another network would choose by other figures.
        task.facts = task.facts | ({"snapshots": network} if network else {})
        return task

    def with_length(self, task: Any, config: DcganConfig, request: Request) -> DcganConfig:
        """Fix the number of steps."""
        from anime_pipeline.training.session import plan_steps, seconds_per_step

        if request.minutes is not None:
            steps = plan_steps(request.minutes, seconds_per_step(task))
        elif request.epochs is not None:
            steps = request.epochs * task.steps_per_epoch
        else:
            steps = request.steps or config.steps
        return replace(config, steps=steps)

    def callbacks(self, task: DcganTask, val_images: np.ndarray) -> list[Callback]:
        """Return grids, accuracies, the log and the exported generator."""
        from anime_pipeline.training.callbacks import MetricsLog
        from anime_pipeline.training.dcgan_callbacks import (
            DiscriminatorAccuracy,
            ExportGenerator,
            FaceMeasurements,
            KidOnVal,
            SampleGrid,
            chosen_by,
        )
        from anime_pipeline.training.watch import Watch

        if self.beginning:
            other = "and the run's" if task.discriminator_is_trained else "from noise the"
            say(f"Starting from {self.beginning.weights.path}, {other} discriminator.")
        measured: list[Callback] = []
        network = _snapshot_network(task)
        if network and len(val_images) > 1:
            say(f"best.npz will be the best snapshot by {chosen_by(network)}.")
            measured.append(KidOnVal(task, val_images, network))
        return [
            *measured,
            SampleGrid(task),
            DiscriminatorAccuracy(task, val_images),
            FaceMeasurements(task),
            Watch(say),
            MetricsLog(50, task.config.batch_size * task.config.d_steps),
            ExportGenerator(task),
        ]


def _at_the_size_for_this_machine(config: DcganConfig) -> DcganConfig:
    """Let the critic see pictures as large as a timing allows; says what was found."""
    from anime_pipeline.training.critic_size import LARGE_PX, WORTHWHILE_AN_HOUR, choose_feature_px

    if not config.feature_critic or config.image_size >= LARGE_PX:
        return config
    with waiting("Timing the feature critic"):
        side, an_hour = choose_feature_px(config)
    found = f"{side} px" if side else "their own size"
    say(
        f"The critic sees pictures at {found}: at {LARGE_PX} px this machine could show it "
        f"{an_hour:,.0f} an hour at most, and {WORTHWHILE_AN_HOUR:,} are worth it."
    )
    return replace(config, feature_px=side)


def _find_beginning(wanted: str | None) -> Beginning | None:
    if wanted is None:
        return None
    with waiting("Loading the libraries"):
        from anime_pipeline.training.beginning import find_beginning

    return find_beginning(wanted)


def _snapshot_network(task: DcganTask) -> str | None:
    """Return the feature network that chooses the best snapshot; None where there is none."""
    from anime_pipeline.training.dcgan_callbacks import VGG16, snapshot_network

    network = snapshot_network()
    # Where the critic has no VGG16, its weights may not be there at all.
    return None if network == VGG16 and task.features is None else network


def _has_vgg() -> bool:
    """Tell whether VGG16 can be had; if not, say aloud what the run will do without."""
    from anime_pipeline.models.vgg import load_vgg

    try:
        load_vgg(["block1_conv2"])
    except PipelineError as error:
        say(f"Warning: training without the feature critic, which learns faster. {error}")
        return False
    return True
