"""From a request to a training run: data, run folder, step plan, resume."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic

import numpy as np

from anime_pipeline import __version__
from anime_pipeline.core import checkpoint
from anime_pipeline.core.config import Config, differences, from_dict, to_dict
from anime_pipeline.core.errors import CheckpointError, DataError, UsageError
from anime_pipeline.core.machine import cpu_name
from anime_pipeline.core.runs import (
    CHECKPOINT_FOLDER,
    RUN_CONFIG,
    find_run,
    list_runs,
    new_run_folder,
    read_facts,
)
from anime_pipeline.core.storage import atomic_write_json
from anime_pipeline.data import splits
from anime_pipeline.data.store import Store, split_store
from anime_pipeline.models import backend
from anime_pipeline.training import run_data
from anime_pipeline.training.dispatch import calls
from anime_pipeline.training.loop import Task
from anime_pipeline.training.state import State

TIMED_STEPS = 8
PLANNED_SHARE = 0.85


@dataclass(frozen=True)
class Run(Generic[Config]):
    """A run folder and what its `config.json` says.

    Attributes:
        folder: The run folder.
        preset: The preset it began from.
        config: Its configuration.
        data: Folders of pictures.
        data_fingerprint: Of the pictures.
        task_facts: What a resumed run must find again, see `training.loop.Task`.
        libraries: Versions it began with.
        labels_fingerprint: Of the labels it uses; None in runs from before 0.6.
        annotated: Whether missing colours are estimated.
    """

    folder: Path
    preset: str
    config: Config
    data: list[str]
    data_fingerprint: str
    task_facts: dict[str, str]
    libraries: dict[str, str]
    labels_fingerprint: str | None = None
    annotated: bool = False


def training_split(store: Store, train_count: int) -> splits.Split:
    """Split a store, refusing sets without a training picture.

    Raises:
        DataError: If the training side would be empty.
        UsageError: If `train_count` is more than there are pictures.
    """
    if train_count > len(store.images):
        raise UsageError(
            f"Invalid value for --train-count. Expected at most {len(store.images)} (the usable "
            f"pictures). Received: {train_count}"
        )
    split = split_store(store, train_count)
    if not len(split.train):
        raise DataError(
            f"{len(store.images)} usable picture(s), and none falls on the training side of the "
            "80/5/15 split: there are too few, or they are near-duplicates of each other, which "
            "share a side (anime-pipeline inspect draws them). Add other pictures, a few "
            "hundred at least, or give --train-count."
        )
    return split


def create_run(
    stage_folder: Path,
    preset: str,
    config: Config,
    data: list[Path],
    store: Store,
    train: np.ndarray,
    task_facts: dict[str, str],
    annotated: bool = False,
) -> Run[Config]:
    """Make a run folder and record everything that decides the run.

    Args:
        stage_folder: Where runs of this stage are.
        preset: Name of the preset.
        config: The resolved configuration.
        data: Folders of pictures.
        store: The pictures, with the labels that the run uses.
        train: The store's rows on the training side.
        task_facts: What a resumed run must find again.
        annotated: Whether missing colours were estimated.
    """
    folder = new_run_folder(stage_folder, preset)
    roots = [str(root.resolve()) for root in data]
    condition = str(getattr(config, "condition", ""))  # stage two has none
    pictures = run_data.pictures_of(store, train, condition, data)
    content = run_data.pictures_fingerprint(store)
    labels = run_data.labels_fingerprint(pictures)
    run = Run(folder, preset, config, roots, content, task_facts, {}, labels, annotated)
    # Before the configuration, without which a folder counts as no run.
    run_data.write_pictures(folder, pictures)
    atomic_write_json(
        folder / RUN_CONFIG,
        {
            "version": __version__,
            "preset": preset,
            "config": to_dict(config),
            "data": roots,
            "data_fingerprint": content,
            "labels_fingerprint": labels,
            "annotated": annotated,
            "images": len(store.images),
            "backend": backend.name(),
            "task": task_facts,
            "libraries": library_versions(),
            "cpu": cpu_name(),
        },
    )
    return run


def open_run(stage_folder: Path, wanted: str, kind: type[Config]) -> Run[Config]:
    """Open the run to resume: a folder, a name such as ``dcgan/1-cpu``, or ``"latest"``.

    Raises:
        CheckpointError: If there is no such run or its `config.json` cannot be read.
        UsageError: If it was made on another backend, which cannot continue it exactly.
    """
    if wanted == "latest":
        runs = list_runs(stage_folder)
        if not runs:
            raise CheckpointError(f"No run to resume in {stage_folder}. Start without --resume.")
        folder = runs[-1]
    else:
        folder = find_run(stage_folder.parent, wanted)
    try:
        facts = read_facts(folder)
        config = from_dict(kind, facts["config"])
        run = Run(
            folder,
            facts["preset"],
            config,
            facts["data"],
            facts["data_fingerprint"],
            facts["task"],
            facts["libraries"],
            facts.get("labels_fingerprint"),
            bool(facts.get("annotated")),
        )
        made_on = facts["backend"]
    except (ValueError, KeyError, TypeError, RecursionError, UsageError) as error:
        raise CheckpointError(
            f"{folder} is no run folder of this stage ({error}). Expected one "
            "of those that anime-pipeline runs list shows."
        ) from None
    if made_on != backend.name():
        raise UsageError(
            f"{folder} was trained on {made_on}; this is {backend.name()}. Set "
            f"KERAS_BACKEND={made_on} to continue it exactly."
        )
    return run


def check_unchanged(run: Run[Config], preset: str | None, overrides: Mapping[str, Any]) -> None:
    """Refuse options that contradict the run being resumed.

    Raises:
        UsageError: Listing each difference.
    """
    wanted = dict(overrides)
    lines = []
    # An SRGAN's steps are the sum of its phases, not a field.
    if "steps" in wanted and wanted["steps"] == run.config.steps:
        del wanted["steps"]
    elif "steps" in wanted:
        asked = wanted.pop("steps")
        lines.append(f"steps: the run has {run.config.steps}, you asked for {asked}")
    lines += differences(run.config, dataclasses.replace(run.config, **wanted))
    if preset not in (None, "auto", run.preset):
        lines.insert(0, f"preset: the run has {run.preset!r}, you asked for {preset!r}")
    if lines:
        raise UsageError(
            f"{run.folder} was started with other settings:\n  "
            + "\n  ".join(lines)
            + "\nResume without these options, or start a new run without --resume."
        )


def library_versions() -> dict[str, str]:
    """Return the versions that a bit-exact resume depends on."""
    names = ("numpy", "keras", backend.name())
    return {name: importlib.metadata.version(name) for name in names}


def check_same_surroundings(
    run: Run[Config], task_facts: dict[str, str], warn: Callable[[str], None]
) -> None:
    """Refuse to resume with another loss network; warn where libraries have changed.

    Raises:
        UsageError: If, say, VGG16's weights come from another source than before, or AlexNet's,
            which chose the best snapshot, are gone.
    """
    # Runs begun before 0.6 recorded nothing of how their snapshots are chosen.
    ignored = {"snapshots"} - run.task_facts.keys()
    if run.task_facts != {k: v for k, v in task_facts.items() if k not in ignored}:
        raise UsageError(
            f"{run.folder} was started with {run.task_facts or 'nothing'}; now there is "
            f"{task_facts or 'nothing'}. Set $ANIME_PIPELINE_ASSETS as it was then."
        )
    now = library_versions()
    changed = [
        f"{n} {run.libraries.get(n)} -> {now[n]}" for n in now if run.libraries.get(n) != now[n]
    ]
    if changed:
        warn(
            f"Warning: {', '.join(changed)} since the run began; it continues, but not bit for bit."
        )


def restore(run: Run[Config], task: Task, warn: Callable[[str], None]) -> tuple[int, State]:
    """Load the newest whole checkpoint of a run (or the initial state if it had none yet)."""
    folder = run.folder / CHECKPOINT_FOLDER
    initial = task.initial_state()
    if not checkpoint.steps_in(folder):
        if getattr(run.config, "init_sha256", ""):
            raise CheckpointError(
                f"{run.folder} began from other weights and has no checkpoint yet. Start it again "
                "with --init."
            )
        warn(f"{run.folder} has no checkpoint yet; starting it from step 0.")
        return 0, initial
    step, arrays = checkpoint.load_latest(folder, warn, initial)
    return step, backend.to_device(checkpoint.rebuild(arrays, initial))


def seconds_per_step(task: Task, first_step: int = 0) -> float:
    """Time a few steps from `first_step` on a scratch state; steps are pure and leave no trace."""
    state = task.initial_state()
    # The first ones compile: two forms of the step, each alone and in a row.
    timed_from = first_step + max(2, task.steps_per_dispatch)
    stop = timed_from + max(TIMED_STEPS, task.steps_per_dispatch)
    seconds, count = 0.0, 0
    for steps in calls(task, first_step, stop):
        begin = time.perf_counter()
        inputs = [task.inputs(step) for step in steps]
        state, metrics = task.advance(state, steps.start, *inputs)
        backend.to_numpy(metrics)
        if steps.start >= timed_from:
            seconds += time.perf_counter() - begin
            count += len(steps)
    return seconds / count


def plan_steps(minutes: float, seconds: float) -> int:
    """Return how many steps fit into `minutes`; a part is kept back for grids and saving."""
    return max(1, int(minutes * 60 * PLANNED_SHARE / seconds))
