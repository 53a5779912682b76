"""What a training run will take: settings, parameters, memory, time and disk, before it begins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anime_pipeline.core.platform import peak_memory_bytes
from anime_pipeline.core.space import require_free

if TYPE_CHECKING:
    from pathlib import Path

    from anime_pipeline.data.splits import Split
    from anime_pipeline.data.store import Store
    from anime_pipeline.training.loop import Task

SMALL_FILES_BYTES = 20_000_000  # curves, logs and the exported weights


def state_bytes(state: Any) -> int:
    """Return the size of a training state, as one checkpoint holds it."""
    from anime_pipeline.core.checkpoint import flatten

    return sum(array.nbytes for array in flatten(state).values())


def needed_bytes(task: Task, state: Any, config: Any) -> int:
    """Return the disk space of a run: one checkpoint more than are kept, and a grid an epoch."""
    checkpoints = (config.keep_checkpoints + 1) * state_bytes(state)
    looks = task.total_steps // max(task.steps_per_epoch, task.evaluate_every) + 2
    # Pixels of a sample grid; its PNG takes less than a byte for each.
    side = getattr(config, "hr_size", 0)
    pixels = 24 * side**2 if side else 64 * (3 * config.image_size) ** 2
    return checkpoints + looks * pixels + SMALL_FILES_BYTES


def require_room(folder: Path, task: Task, state: Any, config: Any) -> None:
    """Refuse to train where checkpoints and grids would not fit."""
    require_free(folder, needed_bytes(task, state, config), "the run's checkpoints and grids")


def describe_plan(
    task: Task, preset: str, config: Any, store: Store, split: Split
) -> dict[str, Any]:
    """Time a few real steps and say what the whole run would take; nothing is written.

    Returns:
        JSON values; memory is the peak of this process.
    """
    from anime_pipeline.core.config import to_dict
    from anime_pipeline.models import backend
    from anime_pipeline.training.session import PLANNED_SHARE, seconds_per_step

    state = task.initial_state()
    phases = [(0, config.steps)]
    if hasattr(config, "fidelity_steps"):
        phases = [(0, config.fidelity_steps), (config.fidelity_steps, config.adversarial_steps)]
    seconds = sum(count * seconds_per_step(task, first) for first, count in phases if count)
    minutes = seconds / 60 / PLANNED_SHARE
    seen = config.steps * config.batch_size * getattr(config, "d_steps", 1) * 60 / minutes
    return {
        "preset": preset,
        "backend": backend.name(),
        "images": {"train": len(split.train), "val": len(split.val), "test": len(split.test)},
        "skipped": len(store.skipped),
        "steps": config.steps,
        "steps_per_epoch": task.steps_per_epoch,
        "parameters": {
            player: sum(array.size for array in _params(state[player]))
            for player in ("generator", "discriminator")
        },
        "minutes": minutes,
        "an_hour": {"images_seen": round(seen), "passes": seen / max(1, len(split.train))},
        "peak_memory_bytes": peak_memory_bytes() or 0,
        "disk_bytes": needed_bytes(task, state, config),
        "config": to_dict(config),
    }


def _params(player: Any) -> list[Any]:
    from anime_pipeline.models import backend

    return list(backend.to_numpy(player["params"]).values())


def plan_lines(plan: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the plan as (name, text) for people; fields of the configuration come last."""
    images, parameters, hour = plan["images"], plan["parameters"], plan["an_hour"]
    lines = [
        ("Preset", f"{plan['preset']} on {plan['backend']}"),
        ("Pictures", f"train {images['train']}, val {images['val']}, test {images['test']}"),
        ("Length", f"{plan['steps']:,} steps of which {plan['steps_per_epoch']:,} make an epoch"),
        (
            "Parameters",
            f"generator {parameters['generator']:,}, discriminator {parameters['discriminator']:,}",
        ),
        ("Time", f"about {plan['minutes']:.1f} minutes, at the speed of a few steps just taken"),
        (
            "An hour",
            f"would show it {hour['images_seen']:,} pictures, {hour['passes']:.1f} times the set",
        ),
        (
            "Memory",
            f"{plan['peak_memory_bytes'] / 1e6:,.0f} MB at most so far, those steps included",
        ),
        ("Disk", f"{plan['disk_bytes'] / 1e6:,.0f} MB"),
        ("", ""),
    ]
    return lines + [(name, str(value)) for name, value in plan["config"].items()]
