"""What a training run will take: settings, parameters, memory, time and disk, before it begins."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from anime_pipeline.core.checkpoint import flatten
from anime_pipeline.core.config import to_dict
from anime_pipeline.core.platform import peak_memory_bytes
from anime_pipeline.core.storage import require_free
from anime_pipeline.data.splits import Split
from anime_pipeline.data.store import Store
from anime_pipeline.models import backend
from anime_pipeline.training.gan.state import State
from anime_pipeline.training.gan.task import Task
from anime_pipeline.training.loop import dispatches

SMALL_FILES_BYTES = 20_000_000  # curves, logs and the exported weights
TIMED_STEPS = 8
PLANNED_SHARE = 0.85  # of the time; the rest is for grids and saving


def seconds_per_step(task: Task[Any], first_step: int = 0) -> float:
    """Time a few steps from `first_step` on a scratch state; steps are pure and leave no trace."""
    state = task.initial_state()
    # The first ones compile: two forms of the step, each alone and in a row.
    timed_from = first_step + max(2, task.steps_per_dispatch)
    stop = timed_from + max(TIMED_STEPS, task.steps_per_dispatch, task.steps_per_round)
    seconds, count = 0.0, 0
    for steps in dispatches(task, first_step, stop):
        begin = time.perf_counter()
        inputs = [task.inputs(step) for step in steps]
        state, metrics = task.advance(state, steps.start, *inputs)
        backend.to_numpy(metrics)
        if steps.start >= timed_from:
            seconds += time.perf_counter() - begin
            count += len(steps)
    return seconds / count


def phase_seconds(task: Task[Any]) -> list[float]:
    """Time a step of each phase; 0 of one that the run does without."""
    return [seconds_per_step(task, first) if count else 0.0 for first, count in task.phases]


def seconds_of(task: Task[Any], each: Sequence[float]) -> float:
    """Return about how many seconds all steps of a run will take.

    Args:
        task: The run.
        each: See `phase_seconds`.
    """
    pairs = zip(task.phases, each, strict=True)
    return sum(count * seconds for (_, count), seconds in pairs)


def steps_within(minutes: float, task: Task[Any], each: Sequence[float]) -> int:
    """Return how many steps of a run fit into `minutes`, its phases in the same proportion."""
    step = seconds_of(task, each) / task.total_steps
    return max(1, int(minutes * 60 * PLANNED_SHARE / step))


def needed_bytes(task: Task[Any], state: State) -> int:
    """Return the disk space of a run: one checkpoint more than are kept, and a grid an epoch."""
    config = task.config
    checkpoint = sum(array.nbytes for array in flatten(state).values())
    grids = task.total_steps // max(task.steps_per_epoch, task.evaluate_every) + 2
    # Pixels of a sample grid; its PNG takes less than a byte for each.
    side = getattr(config, "hr_size", 0)
    pixels = 24 * side**2 if side else 64 * (3 * config.image_size) ** 2
    return (config.keep_checkpoints + 1) * checkpoint + grids * pixels + SMALL_FILES_BYTES


def require_room(folder: Path, task: Task[Any], state: State) -> None:
    """Refuse to train where checkpoints and grids would not fit."""
    require_free(folder, needed_bytes(task, state), "the run's checkpoints and grids")


def describe(
    task: Task[Any], preset: str, store: Store, split: Split, each: Sequence[float]
) -> dict[str, Any]:
    """Say what the whole run would take; nothing is written.

    Args:
        task: The run.
        preset: Its preset's name.
        store: Its pictures.
        split: Their sides.
        each: See `phase_seconds`.

    Returns:
        JSON values; memory is the peak of this process.
    """
    state, config = task.initial_state(), task.config
    minutes = seconds_of(task, each) / 60 / PLANNED_SHARE
    seen = task.total_steps * task.images_per_step * 60 / minutes
    return {
        "preset": preset,
        "backend": backend.name(),
        "images": {"train": len(split.train), "val": len(split.val), "test": len(split.test)},
        "skipped": len(store.skipped),
        "steps": task.total_steps,
        "steps_per_epoch": task.steps_per_epoch,
        "parameters": {
            player: sum(array.size for array in backend.to_numpy(state[player]["params"]).values())
            for player in ("generator", "discriminator", "critic")
            if player in state
        },
        "minutes": minutes,
        "an_hour": {"images_seen": round(seen), "passes": seen / max(1, len(split.train))},
        "peak_memory_bytes": peak_memory_bytes() or 0,
        "disk_bytes": needed_bytes(task, state),
        "config": to_dict(config),
    }
