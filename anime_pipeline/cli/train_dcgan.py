"""`anime-pipeline train-dcgan`."""

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
from anime_pipeline.core.config import DCGAN_PRESETS, LOSSES, DcganConfig

if TYPE_CHECKING:
    from anime_pipeline.training.loop import Progress

STAGE = "dcgan"


@click.command("train-dcgan")
@training_options
@click.option("--loss", type=click.Choice(LOSSES), help="Adversarial loss.")
@click.option("--d-steps", type=click.IntRange(min=1), help="Discriminator updates per step.")
@click.option("--width", type=click.IntRange(min=4), help="Channels at full resolution.")
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
    **overrides: Any,
) -> None:
    """Train stage one: a DCGAN that draws 32x32 faces.

    Every run has its own folder with samples after each epoch, metrics, curves, and a state that
    --resume continues exactly. Ctrl-C saves first.
    """
    require_one_length(steps, epochs, minutes)
    chosen = {name: value for name, value in overrides.items() if value is not None}
    chosen |= parse_assignments(assignments, DcganConfig())
    if precision not in (None, "auto"):
        chosen["precision"] = precision
    if steps is not None:
        chosen["steps"] = steps
    if resume:
        if epochs is not None or minutes is not None:
            raise click.UsageError("--resume keeps the run's length: leave it out.")
        summary = _resume(checkpoints / STAGE, resume, preset, data, chosen)
    else:
        roots = single_kind(data or (Path(DEFAULT_DATA),))
        summary = _start(checkpoints / STAGE, roots, preset or "auto", chosen, epochs, minutes)
    if as_json:
        print_json(summary)


def _start(
    stage_folder: Path,
    roots: list[Path],
    preset: str,
    chosen: dict[str, Any],
    epochs: int | None,
    minutes: float | None,
) -> dict[str, Any]:
    base = DCGAN_PRESETS["cpu" if preset == "auto" else preset]
    config = replace(base, **chosen)
    store = open_store(roots, config.image_size, config.fit)

    from anime_pipeline.models import backend
    from anime_pipeline.models.precision import best_precision
    from anime_pipeline.training.dcgan_task import DcganTask
    from anime_pipeline.training.session import (
        create_run,
        plan_steps,
        seconds_per_step,
        split_store,
    )

    backend.make_deterministic()
    if preset == "auto":
        preset = "gpu" if backend.has_gpu() else "cpu"
        config = replace(DCGAN_PRESETS[preset], **chosen)
    if "precision" not in chosen and preset != "reference":
        config = replace(config, precision=best_precision())
    split = split_store(store, config.train_count)
    task = DcganTask(config, store.images[split.train])
    if epochs is not None:
        config = replace(config, steps=epochs * task.steps_per_epoch)
    elif minutes is not None:
        config = replace(config, steps=plan_steps(minutes, seconds_per_step(task)))
    run = create_run(stage_folder, preset, config, roots, store)
    task = DcganTask(config, task.images)
    return _train(run, task, store.images[split.val], 0, task.initial_state())


def _resume(
    stage_folder: Path,
    wanted: str,
    preset: str | None,
    data: tuple[Path, ...],
    chosen: dict[str, Any],
) -> dict[str, Any]:
    from anime_pipeline.models import backend
    from anime_pipeline.training import session
    from anime_pipeline.training.dcgan_task import DcganTask

    backend.make_deterministic()
    run = session.open_run(stage_folder, wanted, DcganConfig)
    session.check_unchanged(run, preset, data, chosen)
    store = open_store([Path(root) for root in run.data], run.config.image_size, run.config.fit)
    session.check_same_data(run, store)
    split = session.split_store(store, run.config.train_count)
    task = DcganTask(run.config, store.images[split.train])
    start, state = session.restore(run, task, lambda text: stderr().print(text, markup=False))
    stderr().print(f"Resuming at step {start} of {task.total_steps}.", markup=False)
    return _train(run, task, store.images[split.val], start, state)


def _train(run: Any, task: Any, val_images: Any, start: int, state: Any) -> dict[str, Any]:
    from anime_pipeline.reports.curves import Curves
    from anime_pipeline.training.callbacks import Checkpoints, MetricsLog, NanGuard
    from anime_pipeline.training.dcgan_callbacks import (
        DiscriminatorAccuracy,
        ExportGenerator,
        SampleGrid,
    )

    config = run.config
    callbacks = [
        NanGuard(),
        SampleGrid(task),
        DiscriminatorAccuracy(task, val_images),
        MetricsLog(50, config.batch_size * config.d_steps),
        Curves(),
        ExportGenerator(task),
        Checkpoints(config.save_every, config.keep_checkpoints),
    ]
    return drive(task, run, start, state, callbacks, _describe)


def _describe(progress: Progress) -> str:
    metrics = progress.metrics
    return (
        f"step {progress.step}/{progress.total_steps}  epoch {progress.epoch}  "
        f"D {metrics['loss_d']:.3f}  G {metrics['loss_g']:.3f}"
    )
