"""What both training commands do: open the pictures, start or resume a run, drive the loop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from anime_pipeline.cli.common import (
    print_json,
    print_table,
    progress_bar,
    stderr,
    waiting,
)
from anime_pipeline.cli.live import display
from anime_pipeline.cli.plan import describe_plan, plan_lines, require_room
from anime_pipeline.core.errors import PipelineError, UsageError
from anime_pipeline.core.runs import METRICS_FILE, last_values, locked, read_metrics
from anime_pipeline.core.storage import sweep_temporaries

if TYPE_CHECKING:
    import numpy as np

    from anime_pipeline.cli.training_options import Request
    from anime_pipeline.data.store import Store
    from anime_pipeline.training.loop import Callback, Task
    from anime_pipeline.training.session import Run


class Stage(Protocol):
    """What differs between the two training commands."""

    name: str
    config_type: type[Any]

    def new_config(self, request: Request) -> tuple[str, Any]:
        """Return the preset's name and the configuration of a new run, but for its length."""
        ...

    def open_pictures(self, roots: Sequence[Path], config: Any) -> Store:
        """Decode the pictures that a configuration trains on."""
        ...

    def with_data(self, config: Any, store: Store) -> Any:
        """Return the configuration with what depends on the pictures decided."""
        ...

    def make_task(self, config: Any, store: Store, train: np.ndarray) -> Task:
        """Build the networks; `train` are the store's rows on the training side."""
        ...

    def with_length(self, task: Task, config: Any, request: Request) -> Any:
        """Return the configuration with its number of steps fixed."""
        ...

    def callbacks(self, task: Any, val_images: np.ndarray) -> list[Callback]:
        """Return the stage's own side effects, those that measure first."""
        ...


def train(stage: Stage, request: Request) -> dict[str, Any]:
    """Start or resume a run and train to its end; return a summary."""
    return _resume(stage, request) if request.resume else _start(stage, request)


def report(summary: dict[str, Any], request: Request, as_json: bool) -> None:
    """Print what `train` returned, where it is not on the screen already."""
    if as_json:
        print_json(summary)
    elif request.dry_run:
        print_table(("Plan", ""), plan_lines(summary))


def _start(stage: Stage, request: Request) -> dict[str, Any]:
    with waiting("Loading the libraries"):
        from anime_pipeline.data.expectations import poor_prospects
        from anime_pipeline.models import backend
        from anime_pipeline.models.precision import check_precision
        from anime_pipeline.training.session import create_run, training_split

    backend.make_deterministic()
    extra = _extra_callbacks(request)
    preset, config = stage.new_config(request)
    check_precision(config.precision)
    roots = request.roots_or_default
    store = _open(stage, roots, config, request.annotate)
    config = stage.with_data(config, store)
    split = training_split(store, config.train_count)
    for warning in poor_prospects(store, split.train):
        say(warning)
    with waiting("Building the networks and timing them"):
        task = stage.make_task(config, store, split.train)
        final = stage.with_length(task, config, request)
        task = task.rescheduled(final)  # what was timed is compiled already
    if request.dry_run:
        return describe_plan(task, preset, final, store, split)
    state = task.initial_state()
    require_room(request.checkpoints, task, state, final)
    stderr().print(f"{preset} preset, {final.precision}, {final.steps} steps", markup=False)
    folder = request.checkpoints / stage.name
    facts, annotated = task.facts, request.annotate
    run = create_run(folder, preset, final, roots, store, split.train, facts, annotated)
    with locked(run.folder):
        callbacks = stage.callbacks(task, store.images[split.val])
        return _drive(task, run, 0, state, callbacks, extra)


def _resume(stage: Stage, request: Request) -> dict[str, Any]:
    with waiting("Loading the libraries"):
        from anime_pipeline.models import backend
        from anime_pipeline.models.precision import check_precision
        from anime_pipeline.training import session, unchanged

    backend.make_deterministic()
    folder = request.checkpoints / stage.name
    run = session.open_run(folder, str(request.resume), stage.config_type)
    check_precision(run.config.precision)
    overrides = dict(request.overrides)
    if request.steps is not None:
        overrides["steps"] = request.steps
    session.check_unchanged(run, request.preset, overrides)
    if request.annotate and not run.annotated:
        raise UsageError(
            f"{run.folder} was started without --annotate. Leave it out, or start a new run from "
            f"its weights with --annotate --init {run.folder}."
        )
    with locked(run.folder):
        roots = request.roots or [Path(root) for root in run.data]
        store = _open(stage, roots, run.config, run.annotated)
        store = unchanged.same_pictures(run, store, roots, say)
        split = session.training_split(store, run.config.train_count)
        unchanged.check_same_labels(run, store, split.train, roots)
        task = stage.make_task(run.config, store, split.train)
        session.check_same_surroundings(run, task.facts, say)
        start, state = session.restore(run, task, say)
        require_room(run.folder, task, state, run.config)
        extra = _extra_callbacks(request)
        say(f"Resuming at step {start} of {task.total_steps}.")
        callbacks = stage.callbacks(task, store.images[split.val])
        return _drive(task, run, start, state, callbacks, extra)


def _extra_callbacks(request: Request) -> list[Callback]:
    """Return the callbacks that options ask for; made early, so that they fail early."""
    if not request.tensorboard:
        return []
    from anime_pipeline.training.tensorboard import TensorBoard

    return [TensorBoard()]


def say(text: str) -> None:
    """Print a message for people, beside any progress bar."""
    stderr().print(text, markup=False)


def _open(stage: Stage, roots: Sequence[Path], config: Any, annotate: bool) -> Store:
    """Open a stage's pictures; where wanted, estimate the colours that no table gives."""
    store = stage.open_pictures(roots, config)
    if not annotate:
        return store
    from anime_pipeline.data.annotation import estimate_missing

    bare = sum(record.colors is None for record in store.records)
    with progress_bar("Estimating colours") as update:
        records, skipped = estimate_missing(store.records, update)
    first = f", not of {skipped[0].path}: {skipped[0].reason}" if skipped else ""
    say(f"Estimated hair and skin of {bare - len(skipped)} of {bare} pictures without{first}.")
    return replace(store, records=records)


def open_store(
    roots: Sequence[Path], size: int, fit: Any, min_side: int = 1, labels: bool = False
) -> Store:
    """Open and decode folders of faces with progress, reporting what was skipped.

    Args:
        roots: Folders of faces.
        size: Side of the fitted squares in pixels.
        fit: How pictures become square.
        min_side: Pictures with a shorter side are left out.
        labels: Whether labels matter, so that those which cannot be used are reported too.
    """
    from anime_pipeline.data.dataset import drop_repeated, open_dataset
    from anime_pipeline.data.duplicates import cached_groups
    from anime_pipeline.data.labels import unused_labels
    from anime_pipeline.data.store import load_store, require_pictures

    with waiting("Listing the pictures"):
        datasets = drop_repeated([open_dataset(root) for root in roots])
    with progress_bar(f"Reading {', '.join(str(dataset.root) for dataset in datasets)}") as update:
        store = load_store(datasets, size, fit, min_side, update, warn=say)
    require_pictures(store, roots)
    with progress_bar("Comparing pictures") as update:
        cached_groups(store.thumbnails, update)  # splitting finds them there
    if store.skipped:
        first = store.skipped[0]
        stderr().print(
            f"Skipped {len(store.skipped)} of {len(store.skipped) + len(store.images)} pictures, "
            f"first {first.path}: {first.reason}",
            markup=False,
        )
    if labels and (unused := unused_labels(datasets)):
        say(unused)
    return store


def _drive(
    task: Task,
    run: Run[Any],
    start: int,
    state: Any,
    callbacks: Sequence[Callback],
    extra: Sequence[Callback],
) -> dict[str, Any]:
    """Run the loop with progress; return a summary of the run. The folder's lock is held."""
    from anime_pipeline.reports.curves import write_curves
    from anime_pipeline.training import loop
    from anime_pipeline.training.callbacks import (
        AfterEpoch,
        Checkpoints,
        NanGuard,
        Report,
    )

    console = stderr()
    console.print(f"Run folder: {run.folder}", markup=False)
    if start >= task.total_steps:
        console.print(f"Already complete: {start} of {task.total_steps} steps.", markup=False)
        return {"run": str(run.folder), "steps": start, "metrics": {}}
    per_step = run.config.batch_size * getattr(run.config, "d_steps", 1)
    with display(start, per_step) as show:
        sweep_temporaries(run.folder)
        saving = Checkpoints(run.config.save_every, run.config.keep_checkpoints)
        # Saving comes after measuring, so that a kill in between repeats the measurement.
        everything = [NanGuard(), *callbacks, AfterEpoch(write_curves)]
        everything += extra
        everything += [Report(show), saving]
        try:
            loop.run(task, state, start, run.folder, everything)
        except PipelineError:  # stopped or diverged: worth a look, too
            _leave_report(run.folder)
            raise
    console.print(f"Done: {task.total_steps} steps. Results in {run.folder}", markup=False)
    _leave_report(run.folder)
    last = last_values(read_metrics(run.folder / METRICS_FILE))
    return {"run": str(run.folder), "steps": task.total_steps, "metrics": last}


def _leave_report(folder: Path) -> None:
    """Write the run's page; without room for it the run is a run all the same."""
    from anime_pipeline.reports.training import write_report

    try:
        say(f"Report: {write_report(folder, ended=True)}")
    except OSError as error:
        say(f"Warning: no report could be written ({error.strerror}).")
