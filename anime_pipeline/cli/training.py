"""What both training commands share: options, opening data, driving the loop."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from anime_pipeline.cli.common import Function, json_option, progress_bar, stderr
from anime_pipeline.core.config import FITS, PRESETS, from_dict, to_dict
from anime_pipeline.core.errors import DataError, UsageError
from anime_pipeline.core.storage import locked, sweep_temporaries

if TYPE_CHECKING:
    from anime_pipeline.data.store import Store
    from anime_pipeline.training.loop import Callback, Progress, Task
    from anime_pipeline.training.session import Run

PLAIN_LINE_EVERY_S = 10.0


def training_options(function: Function) -> Function:
    """Add the options that both training commands take."""
    options = [
        click.option(
            "--data",
            multiple=True,
            type=click.Path(path_type=Path),
            help="Folder of faces [default: data/]. May be repeated.",
        ),
        click.option("--preset", type=click.Choice(PRESETS), default=None, help="[default: auto]"),
        click.option("--steps", type=click.IntRange(min=1), help="Length of the run in steps."),
        click.option("--epochs", type=click.IntRange(min=1), help="Length in passes over the set."),
        click.option(
            "--minutes",
            type=click.FloatRange(min=0, min_open=True),
            help="Length by the clock: times a few steps, then fixes the number of steps.",
        ),
        click.option("--fit", type=click.Choice(FITS), help="How pictures become square."),
        click.option("--batch-size", type=click.IntRange(min=4)),
        click.option("--precision", type=click.Choice(["auto", "float32", "bfloat16"])),
        click.option("--seed", type=click.IntRange(min=0), help="Seed of everything random."),
        click.option(
            "--train-count", type=click.IntRange(min=1), help="Train on exactly this many pictures."
        ),
        click.option(
            "--resume",
            is_flag=False,
            flag_value="latest",
            metavar="[RUN]",
            help="Continue a run folder, or the latest run.",
        ),
        click.option(
            "--checkpoints",
            type=click.Path(path_type=Path),
            default="checkpoints/",
            show_default=True,
            help="Where run folders are kept.",
        ),
        click.option(
            "--set",
            "assignments",
            multiple=True,
            metavar="FIELD=VALUE",
            help="Set any field of the configuration (they are listed in a run's config.json).",
        ),
        json_option,
    ]
    for option in reversed(options):
        function = option(function)
    return function


def open_store(roots: Sequence[Path], size: int, fit: Any, min_side: int = 1) -> Store:
    """Open and decode folders of faces with progress, reporting what was skipped."""
    from anime_pipeline.data.dataset import open_dataset
    from anime_pipeline.data.store import load_store, merge_stores

    console, stores = stderr(), []
    for root in roots:
        dataset = open_dataset(root)
        with progress_bar(f"Reading {root}") as update:
            stores.append(load_store(dataset, size, fit, min_side, update))
    store = merge_stores(stores)
    if store.skipped:
        first = store.skipped[0]
        console.print(
            f"Skipped {len(store.skipped)} of {len(store.skipped) + len(store.images)} pictures, "
            f"first {first.path}: {first.reason} (all: anime-pipeline inspect)",
            markup=False,
        )
    return store


def require_one_length(steps: Any, epochs: Any, minutes: Any) -> None:
    """Refuse more than one way to say how long to train."""
    if sum(value is not None for value in (steps, epochs, minutes)) > 1:
        raise click.UsageError("Give only one of --steps, --epochs and --minutes.")


def drive(
    task: Task,
    run: Run[Any],
    start: int,
    state: Any,
    callbacks: Sequence[Callback],
    describe: Callable[[Progress], str],
) -> dict[str, Any]:
    """Run the loop under the folder's lock, with progress; return a summary of the run."""
    from anime_pipeline.training import loop
    from anime_pipeline.training.callbacks import METRICS_FILE, Report, read_metrics

    console = stderr()
    console.print(f"Run folder: {run.folder}", markup=False)
    if start >= task.total_steps:
        console.print(f"Already complete: {start} of {task.total_steps} steps.", markup=False)
        return {"run": str(run.folder), "steps": start, "metrics": {}}
    begun = time.monotonic()
    last_line = 0.0
    with locked(run.folder), progress_bar("Training") as update:
        sweep_temporaries(run.folder)

        def show(progress: Progress) -> None:
            nonlocal last_line
            update(progress.step, progress.total_steps)
            now = time.monotonic()
            if now - last_line >= PLAIN_LINE_EVERY_S or progress.step == progress.total_steps:
                last_line = now
                left_s = (
                    (now - begun) / (progress.step - start) * (progress.total_steps - progress.step)
                )
                console.print(f"{describe(progress)}  ETA {left_s / 60:.1f} min", markup=False)

        loop.run(task, state, start, run.folder, [*callbacks, Report(show)])
    console.print(f"Done: {task.total_steps} steps. Results in {run.folder}", markup=False)
    last: dict[str, Any] = {}
    for row in read_metrics(run.folder / METRICS_FILE):
        last |= row
    return {"run": str(run.folder), "steps": task.total_steps, "metrics": last}


def parse_assignments(texts: Sequence[str], config: Any) -> dict[str, Any]:
    """Parse `--set field=value` options against the fields of a configuration.

    Raises:
        UsageError: If a field is unknown or a value does not fit it.
    """
    values: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"Invalid value for --set: {text!r}. Expected FIELD=VALUE.")
        try:
            values[name.strip()] = json.loads(value)
        except json.JSONDecodeError:
            values[name.strip()] = value.strip()  # plain words need no quotes
    checked = from_dict(type(config), {**to_dict(config), **values})
    return {name: getattr(checked, name) for name in values}


def single_kind(roots: Sequence[Path]) -> list[Path]:
    """Return the data roots, refusing the same folder twice."""
    resolved = [root.resolve() for root in roots]
    if len(set(resolved)) != len(resolved):
        raise DataError("The same folder is given twice with --data.")
    return list(roots)
