"""`anime-pipeline train-srgan`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from anime_pipeline.cli.common import FiniteRange, stderr
from anime_pipeline.cli.complete import weights_names
from anime_pipeline.cli.training import open_store, report, say, train
from anime_pipeline.cli.training_options import Request, read_request, training_options
from anime_pipeline.core.config import SrganConfig
from anime_pipeline.core.errors import PipelineError, UsageError
from anime_pipeline.core.presets import SRGAN_PRESETS

if TYPE_CHECKING:
    import numpy as np

    from anime_pipeline.data.store import Store
    from anime_pipeline.models.weights import Weights
    from anime_pipeline.training.loop import Callback
    from anime_pipeline.training.srgan_task import SrganTask


@click.command("train-srgan")
@training_options
@click.option("--hr-size", type=click.Choice(["128", "96", "64"]), help="[default: by the data]")
@click.option("--crop-size", type=click.IntRange(min=0), help="HR window in px; 0: whole pictures.")
@click.option("--degradations", help="Mixture such as bicubic:6,area:2,jpeg:1.")
@click.option(
    "--adversarial-share",
    type=FiniteRange(0, 1),
    help="Part of the steps spent in the adversarial phase [default: the preset's].",
)
@click.option(
    "--init",
    shell_complete=weights_names,
    help="Start the generator from weights: a shipped name, a .npz file or a run folder.",
)
@click.option("--perceptual-weight", type=FiniteRange(min=0), help="0 needs no VGG16.")
def command(
    as_json: bool,
    hr_size: str | None,
    adversarial_share: float | None,
    init: str | None,
    **values: Any,
) -> None:
    """Train stage two: an SRGAN that upscales 4x, first for fidelity, then adversarially.

    The run's folder gets fidelity.npz after the first phase and perceptual.npz after the second;
    either serves `upscale --weights` and `generate --upscaler`.
    """
    size = int(hr_size) if hr_size else None
    shared = {**values, "hr_size": size, "adversarial_share": adversarial_share}
    request = read_request(shared, SrganConfig())
    if request.resume and (adversarial_share is not None or init):
        given = "--init" if init else "--adversarial-share"
        raise UsageError(f"--resume keeps the run's phases and weights. Leave {given} out.")
    summary = train(SrganStage(adversarial_share, _load_init(init)), request)
    report(summary, request, as_json)


class SrganStage:
    """Stage two, as `cli.training` drives it."""

    name = "srgan"
    config_type = SrganConfig

    def __init__(self, share: float | None, init: Weights | None) -> None:
        """Remember which part of the steps is adversarial (None: as in the preset) and --init."""
        self.share = share
        self.init = init

    def new_config(self, request: Request) -> tuple[str, SrganConfig]:
        """Resolve the preset, the HR size, the arithmetic and the perceptual loss."""
        from anime_pipeline.data.dataset import open_dataset
        from anime_pipeline.data.sizes import choose_hr_size
        from anime_pipeline.models.precision import best_precision, resolve_preset

        preset = resolve_preset(request.preset)
        config = replace(SRGAN_PRESETS[preset], **request.overrides)
        if "hr_size" not in request.overrides:
            size = choose_hr_size([open_dataset(root) for root in request.roots_or_default])
            if size != config.hr_size:
                stderr().print(f"The pictures are small: training on {size} px crops.")
            config = replace(config, hr_size=size)
        config = replace(config, crop_size=min(config.crop_size, config.hr_size))
        if "precision" not in request.overrides and preset != "reference":
            config = replace(config, precision=best_precision())
        if self.share is not None:
            config = _divide(config, config.steps, self.share)
        if self.init:
            config = replace(config, init_sha256=self.init.sha256)
        if "perceptual_weight" not in request.overrides:
            config = _without_missing_vgg(config)
        return preset, config

    def open_pictures(self, roots: Sequence[Path], config: SrganConfig) -> Store:
        """Decode the pictures that are large enough to be HR."""
        return open_store(roots, config.hr_size, config.fit, min_side=config.hr_size)

    def with_data(self, config: SrganConfig, store: Store) -> SrganConfig:
        """Nothing but the HR size, which is known already, depends on the pictures."""
        return config

    def make_task(self, config: SrganConfig, store: Store, train: np.ndarray) -> SrganTask:
        """Build the networks."""
        from anime_pipeline.training.srgan_task import SrganTask

        return SrganTask(config, store.images[train], self.init)

    def with_length(self, task: Any, config: SrganConfig, request: Request) -> SrganConfig:
        """Fix the number of steps and divide them between the phases."""
        if {"fidelity_steps", "adversarial_steps"} & set(request.overrides):
            lengths = (request.steps, request.epochs, request.minutes, self.share)
            if any(value is not None for value in lengths):
                phases = f"{config.fidelity_steps} + {config.adversarial_steps} steps"
                raise UsageError(
                    f"Received the phases ({phases}) and a length too. Give either the phases with "
                    "--set fidelity_steps=N and --set adversarial_steps=N, or a length with "
                    "--steps, --epochs, --minutes and --adversarial-share."
                )
            return config
        share = config.adversarial_steps / config.steps
        if request.minutes is not None:
            steps = _timed_steps(task, request.minutes, share)
        elif request.epochs is not None:
            steps = request.epochs * task.steps_per_epoch
        else:
            steps = request.steps or config.steps
        return _divide(config, steps, share)

    def callbacks(self, task: SrganTask, val_images: np.ndarray) -> list[Callback]:
        """Return PSNR on held-out pairs, the log and the exported weights."""
        from anime_pipeline.training.callbacks import MetricsLog
        from anime_pipeline.training.srgan_callbacks import ExportUpscaler, HeldOutPairs
        from anime_pipeline.training.watch import Watch

        if not len(val_images):
            say("No picture falls on the val side: no PSNR and no grids during this run.")
        return [
            HeldOutPairs(task, val_images),
            Watch(say),
            MetricsLog(20, task.config.batch_size),
            ExportUpscaler(task),
        ]


def _divide(config: SrganConfig, steps: int, share: float) -> SrganConfig:
    """Divide `steps` between the phases; `share` of them are adversarial."""
    adversarial = round(steps * share)
    return replace(config, fidelity_steps=steps - adversarial, adversarial_steps=adversarial)


def _load_init(wanted: str | None) -> Weights | None:
    if wanted is None:
        return None
    from anime_pipeline.models.weights import SRGAN_KIND, load_weights
    from anime_pipeline.models.zoo import find_weights

    return load_weights(find_weights(wanted, SRGAN_KIND, prefer="fidelity"), SRGAN_KIND)


def _without_missing_vgg(config: SrganConfig) -> SrganConfig:
    """Drop the perceptual loss, aloud, where VGG16 can neither be found nor downloaded."""
    from anime_pipeline.models.vgg import load_vgg

    if not config.adversarial_steps or not config.perceptual_weight:
        return config
    try:
        load_vgg(["block1_conv2"])
    except PipelineError as error:
        stderr().print(f"Warning: training without the perceptual loss. {error}", markup=False)
        return replace(config, perceptual_weight=0.0)
    return config


def _timed_steps(task: SrganTask, minutes: float, share: float) -> int:
    """Return the total steps that fill `minutes`; adversarial steps take several times longer."""
    from anime_pipeline.training.session import plan_steps, seconds_per_step

    seconds = 0.0
    if share < 1:
        seconds += (1 - share) * seconds_per_step(task)
    if share > 0:
        seconds += share * seconds_per_step(task, task.config.fidelity_steps)
    return plan_steps(minutes, seconds)
