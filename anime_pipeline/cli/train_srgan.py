"""`anime-pipeline train-srgan`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from anime_pipeline.cli.common import DEFAULT_DATA, print_json, stderr
from anime_pipeline.cli.training import (
    drive,
    open_store,
    parse_assignments,
    require_one_length,
    single_kind,
    training_options,
)
from anime_pipeline.core.config import SRGAN_PRESETS, SrganConfig

if TYPE_CHECKING:
    from anime_pipeline.training.loop import Progress
    from anime_pipeline.training.srgan_task import SrganTask

STAGE = "srgan"


@click.command("train-srgan")
@training_options
@click.option("--hr-size", type=click.Choice(["128", "96", "64"]), help="[default: by the data]")
@click.option("--crop-size", type=click.IntRange(min=0), help="HR window in px; 0: whole pictures.")
@click.option("--degradations", help="Mixture such as bicubic:6,area:2,jpeg:1.")
@click.option(
    "--adversarial-share",
    type=click.FloatRange(0, 1),
    help="Part of the steps spent in the adversarial phase [default: the preset's].",
)
@click.option("--perceptual-weight", type=click.FloatRange(min=0), help="0 needs no VGG16.")
def command(
    data: tuple[Path, ...],
    preset: str | None,
    steps: int | None,
    epochs: int | None,
    minutes: float | None,
    resume: str | None,
    checkpoints: Path,
    precision: str | None,
    assignments: tuple[str, ...],
    as_json: bool,
    hr_size: str | None,
    adversarial_share: float | None,
    **overrides: Any,
) -> None:
    """Train stage two: an SRGAN that upscales 4x, first for fidelity, then adversarially.

    The run's folder gets fidelity.npz after the first phase and perceptual.npz after the second;
    either serves `upscale --weights` and `generate --upscaler`.
    """
    require_one_length(steps, epochs, minutes)
    chosen = {name: value for name, value in overrides.items() if value is not None}
    chosen |= parse_assignments(assignments, SrganConfig())
    if precision not in (None, "auto"):
        chosen["precision"] = precision
    if hr_size is not None:
        chosen["hr_size"] = int(hr_size)
    if resume:
        if epochs is not None or minutes is not None or adversarial_share is not None:
            raise click.UsageError("--resume keeps the run's length and phases: leave them out.")
        summary = _resume(checkpoints / STAGE, resume, preset, data, chosen, steps)
    else:
        roots = single_kind(data or (Path(DEFAULT_DATA),))
        length = (steps, epochs, minutes)
        summary = _start(
            checkpoints / STAGE, roots, preset or "auto", chosen, length, adversarial_share
        )
    if as_json:
        print_json(summary)


def _with_length(config: SrganConfig, steps: int, share: float | None) -> SrganConfig:
    """Divide `steps` between the phases: by `share`, or as the preset does."""
    if share is None:
        share = config.adversarial_steps / config.steps
    adversarial = round(steps * share)
    return replace(config, fidelity_steps=steps - adversarial, adversarial_steps=adversarial)


def _without_missing_vgg(config: SrganConfig, share: float | None) -> SrganConfig:
    """Drop the perceptual loss, aloud, where VGG16 can neither be found nor downloaded."""
    from anime_pipeline.core.errors import PipelineError
    from anime_pipeline.models.vgg import load_vgg

    if share == 0 or not config.adversarial_steps or not config.perceptual_weight:
        return config
    try:
        load_vgg(["block1_conv2"])
    except PipelineError as error:
        stderr().print(f"Warning: training without the perceptual loss. {error}", markup=False)
        return replace(config, perceptual_weight=0.0)
    return config


def _timed_steps(task: SrganTask, minutes: float, share: float | None) -> int:
    """Return the total steps that fill `minutes`; adversarial steps take several times longer."""
    from anime_pipeline.training.session import plan_steps, seconds_per_step

    config = task.config
    if share is None:
        share = config.adversarial_steps / config.steps
    seconds = 0.0
    if share < 1:
        seconds += (1 - share) * seconds_per_step(task)
    if share > 0:
        seconds += share * seconds_per_step(task, config.fidelity_steps)
    return plan_steps(minutes, seconds)


def _start(
    stage_folder: Path,
    roots: list[Path],
    preset: str,
    chosen: dict[str, Any],
    length: tuple[int | None, int | None, float | None],
    share: float | None,
) -> dict[str, Any]:
    from anime_pipeline.data.dataset import open_dataset
    from anime_pipeline.data.sizes import choose_hr_size

    if "hr_size" not in chosen:
        chosen["hr_size"] = choose_hr_size([open_dataset(root) for root in roots])
        if chosen["hr_size"] != 128:
            stderr().print(
                f"The pictures are small: training on {chosen['hr_size']} px crops instead of 128."
            )
    base = replace(SRGAN_PRESETS["cpu" if preset == "auto" else preset], **chosen)
    store = open_store(roots, base.hr_size, base.fit, min_side=base.hr_size)

    from anime_pipeline.models import backend
    from anime_pipeline.models.precision import best_precision
    from anime_pipeline.training.session import create_run, split_store
    from anime_pipeline.training.srgan_task import SrganTask

    backend.make_deterministic()
    if preset == "auto":
        preset = "gpu" if backend.has_gpu() else "cpu"
    config = replace(SRGAN_PRESETS[preset], **chosen)
    config = replace(config, crop_size=min(config.crop_size, config.hr_size))
    if "precision" not in chosen and preset != "reference":
        config = replace(config, precision=best_precision())
    if "perceptual_weight" not in chosen:
        config = _without_missing_vgg(config, share)
    steps, epochs, minutes = length
    config = _with_length(config, steps or config.steps, share)
    split = split_store(store, config.train_count)
    task = SrganTask(config, store.images[split.train])
    if epochs is not None:
        config = _with_length(config, epochs * task.steps_per_epoch, share)
    elif minutes is not None:
        config = _with_length(config, _timed_steps(task, minutes, share), share)
    run = create_run(stage_folder, preset, config, roots, store)
    if config != task.config:
        task = SrganTask(config, task.images)
    return _train(run, task, store.images[split.val], 0, task.initial_state())


def _resume(
    stage_folder: Path,
    wanted: str,
    preset: str | None,
    data: tuple[Path, ...],
    chosen: dict[str, Any],
    steps: int | None,
) -> dict[str, Any]:
    from anime_pipeline.models import backend
    from anime_pipeline.training import session
    from anime_pipeline.training.srgan_task import SrganTask

    backend.make_deterministic()
    run = session.open_run(stage_folder, wanted, SrganConfig)
    if steps is not None and steps != run.config.steps:
        chosen = {**chosen, "fidelity_steps": steps - run.config.adversarial_steps}
    session.check_unchanged(run, preset, data, chosen)
    config = run.config
    store = open_store(
        [Path(root) for root in run.data], config.hr_size, config.fit, config.hr_size
    )
    session.check_same_data(run, store)
    split = session.split_store(store, config.train_count)
    task = SrganTask(config, store.images[split.train])
    start, state = session.restore(run, task, lambda text: stderr().print(text, markup=False))
    stderr().print(f"Resuming at step {start} of {task.total_steps}.", markup=False)
    return _train(run, task, store.images[split.val], start, state)


def _train(run: Any, task: Any, val_images: Any, start: int, state: Any) -> dict[str, Any]:
    from anime_pipeline.reports.curves import Curves
    from anime_pipeline.training.callbacks import Checkpoints, MetricsLog, NanGuard
    from anime_pipeline.training.srgan_callbacks import ExportUpscaler, HeldOutPairs

    config = run.config
    callbacks = [
        NanGuard(),
        HeldOutPairs(task, val_images),
        MetricsLog(20, config.batch_size),
        Curves(),
        ExportUpscaler(task),
        Checkpoints(config.save_every, config.keep_checkpoints),
    ]
    return drive(task, run, start, state, callbacks, _describe)


def _describe(progress: Progress) -> str:
    losses = "  ".join(f"{k.removeprefix('loss_')} {v:.4f}" for k, v in progress.metrics.items())
    return f"step {progress.step}/{progress.total_steps}  epoch {progress.epoch}  {losses}"
