"""A run folder: made, opened again, checked against what is asked now, and its state restored."""

from __future__ import annotations

import importlib.metadata
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Generic

import numpy as np

from anime_pipeline import __version__
from anime_pipeline.core import checkpoint
from anime_pipeline.core.config import Config, differences, from_dict, to_dict
from anime_pipeline.core.errors import CheckpointError, DataError, PipelineError, UsageError
from anime_pipeline.core.machine import cpu_name
from anime_pipeline.core.progress import Say
from anime_pipeline.core.runs import (
    CHECKPOINT_FOLDER,
    RUN_CONFIG,
    find_run,
    list_runs,
    new_run_folder,
    read_facts,
)
from anime_pipeline.core.storage import atomic_write_json
from anime_pipeline.data.store import Store
from anime_pipeline.models import backend
from anime_pipeline.training import pictures
from anime_pipeline.training.gan.state import State
from anime_pipeline.training.gan.task import Task
from anime_pipeline.training.parallel.hosts import Hosts
from anime_pipeline.training.request import Request

# Facts of stage two's phase for drawn faces: of which kind an error is, and how it is told.
FACES_FACTS: dict[str, tuple[type[PipelineError], str]] = {
    "faces": (DataError, "other faces, or other labels of them, than --faces finds now"),
    "generator": (CheckpointError, "another generator than the weights of --generator are now"),
}
RECORDED = ("preset", "data", "data_fingerprint", "task", "libraries", "backend")  # by 0.5 too


@dataclass(frozen=True)
class Run(Generic[Config]):
    """A run folder and what its `config.json` says.

    Attributes:
        folder: The run folder.
        config: Its configuration.
        recorded: The whole document: ``data`` are the folders of pictures, ``task`` is what a
            resumed run must find again (see `Task.facts`), ``libraries`` are versions;
            ``labels_fingerprint``, ``annotated``, ``init``, ``faces`` and ``generator`` are
            missing in runs from before 0.6.
    """

    folder: Path
    config: Config
    recorded: Mapping[str, Any]


def create_run(
    stage_folder: Path,
    preset: str,
    task: Task[Config],
    store: Store,
    train: np.ndarray,
    request: Request,
) -> Run[Config]:
    """Make a run folder and record everything that decides the run.

    Args:
        stage_folder: Where runs of this stage are.
        preset: Name of the preset.
        task: What is to be trained.
        store: The pictures, with the labels that the run uses.
        train: The store's rows on the training side.
        request: What was asked for.
    """
    folder = new_run_folder(stage_folder, preset)
    found = pictures.pictures_of(store, train, pictures.condition_of(task.config), request.data)
    # Before the configuration, without which a folder counts as no run.
    pictures.write_pictures(folder, found)
    recorded = {
        "version": __version__,
        "preset": preset,
        "config": to_dict(task.config),
        "data": [str(root.resolve()) for root in request.data],
        "data_fingerprint": pictures.pictures_fingerprint(store),
        "labels_fingerprint": pictures.labels_fingerprint(found),
        "annotated": request.annotate,
        "init": _found_from_anywhere(request.init),
        "faces": [str(root.resolve()) for root in request.faces],
        "generator": _found_from_anywhere(request.generator),
        "images": len(store.images),
        "backend": backend.name(),
        "task": task.facts,
        "libraries": library_versions(),
        "cpu": cpu_name(),
    }
    atomic_write_json(folder / RUN_CONFIG, recorded)
    return Run(folder, task.config, recorded)


def _found_from_anywhere(weights: str | None) -> str | None:
    """Return weights as a run records them: a path in full, a name as it is."""
    return str(Path(weights).resolve()) if weights and Path(weights).exists() else weights


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
        recorded = read_facts(folder)
        run = Run(folder, from_dict(kind, recorded["config"]), recorded)
        *_, made_on = (recorded[name] for name in RECORDED)
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


@contextmanager
def opened(
    stage_folder: Path, wanted: str, kind: type[Config], hosts: Hosts
) -> Iterator[Run[Config]]:
    """Open the run to resume, see `open_run`.

    Only host 0 needs its folder. The others get copies of what decides the run, in a folder of
    their own that ends with the block.
    """
    if hosts.count == 1:
        yield open_run(stage_folder, wanted, kind)
        return
    with TemporaryDirectory(prefix="anime-pipeline-") as own:
        run = open_run(stage_folder, wanted, kind) if hosts.is_first else None
        folder = run.folder if run else Path(own)

        def read() -> dict[str, str]:
            paths = [folder / name for name in (RUN_CONFIG, pictures.PICTURES_FILE)]
            return {p.name: b64encode(p.read_bytes()).decode() for p in paths if p.is_file()}

        for name, content in hosts.decided(read).items():
            if run is None:
                (folder / name).write_bytes(b64decode(content))
        yield run or open_run(folder.parent, str(folder), kind)


def check_unchanged(run: Run[Config], preset: str | None, overrides: Mapping[str, Any]) -> None:
    """Refuse options that contradict the run being resumed.

    Raises:
        UsageError: Listing each difference.
    """
    wanted, lines = dict(overrides), []
    begun_from = run.recorded["preset"]
    if preset not in (None, "auto", begun_from):
        lines.append(f"preset: the run has {begun_from!r}, you asked for {preset!r}")
    # An SRGAN's steps are the sum of its phases, not a field.
    steps = wanted.pop("steps", run.config.steps)
    if steps != run.config.steps:
        lines.append(f"steps: the run has {run.config.steps}, you asked for {steps}")
    lines += differences(run.config, replace(run.config, **wanted))
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


def check_same_surroundings(run: Run[Config], task_facts: dict[str, str], warn: Say) -> None:
    """Refuse to resume with another loss network; warn where libraries have changed.

    Raises:
        UsageError: If, say, VGG16's weights come from another source than before, or AlexNet's,
            which chose the best snapshot, are gone.
        DataError: If the faces of stage two's last phase are others.
        CheckpointError: If the generator that drew for it is another.
    """
    before, versions = run.recorded["task"], run.recorded["libraries"]
    for fact, (error, found) in FACES_FACTS.items():
        if before.get(fact) != task_facts.get(fact):
            raise error(f"{run.folder} was started with {found}. Restore them, or start it anew.")
    # Runs begun before 0.6 recorded nothing of how their snapshots are chosen.
    ignored = {"snapshots"} - before.keys()
    if before != {k: v for k, v in task_facts.items() if k not in ignored}:
        raise UsageError(
            f"{run.folder} was started with {before or 'nothing'}; now there is "
            f"{task_facts or 'nothing'}. Restore $ANIME_PIPELINE_ASSETS as it was then."
        )
    now = library_versions()
    changed = [f"{n} {versions.get(n)} -> {now[n]}" for n in now if versions.get(n) != now[n]]
    if changed:
        warn(
            f"Warning: {', '.join(changed)} since the run began; it continues, but not bit for bit."
        )


def restore(run: Run[Config], task: Task[Config], warn: Say) -> tuple[int, State]:
    """Load the newest whole checkpoint of a run (or the initial state if it had none yet)."""
    folder = run.folder / CHECKPOINT_FOLDER
    initial = task.initial_state()
    if not checkpoint.steps_in(folder):
        if getattr(run.config, "init_sha256", ""):
            again = f"train-{task.stage} --config {run.folder}"
            raise CheckpointError(
                f"{run.folder} began from other weights and has no checkpoint yet. Start it again: "
                f"anime-pipeline {again}"
            )
        warn(f"{run.folder} has no checkpoint yet; starting it from step 0.")
        return 0, initial
    step, arrays = checkpoint.load_latest(folder, warn, initial)
    return step, task.placed(checkpoint.rebuild(arrays, initial))
