"""What a step takes of a device's memory, and so which batch would fit where one did not."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from anime_pipeline.core import platform
from anime_pipeline.core.errors import PipelineError, is_out_of_memory
from anime_pipeline.models import backend

if TYPE_CHECKING:
    from anime_pipeline.training.gan.task import Task

USABLE_SHARE = 0.9  # of a device's memory; the rest goes to its libraries


@contextmanager
def saying_what_fits(task: Task[Any]) -> Iterator[None]:
    """Say, where a step finds no memory on JAX, which batch would.

    Raises:
        PipelineError: With the batch that would fit, instead of the library's error.
    """
    try:
        yield
    except Exception as error:
        limit = device_bytes() if backend.name() == "jax" and is_out_of_memory(error) else None
        if limit is None:
            raise
        text = words(task, limit)
        raise PipelineError(f"{text}") from error


def words(task: Task[Any], limit: int) -> str:
    """Return in words what a step needs, what is there, and what to do.

    Args:
        task: What is trained.
        limit: Bytes of a device.
    """
    batch, unit, devices = task.config.batch_size, unit_of(task), devices_of(task)
    small, large = step_bytes(task, 2 * unit), step_bytes(task, 4 * unit)
    each = max(1.0, (large - small) / (2 * unit))  # bytes of a picture; the networks' don't grow
    fixed = small - 2 * unit * each
    fits = math.floor((limit * USABLE_SHARE - fixed) / each / unit) * unit
    needed = (fixed + each * batch) / 1e9
    on = f"each of {devices} devices" if devices > 1 else "the device"
    begin = f"Out of memory: --batch-size {batch} needs about {needed:.1f} GB on {on}, which has "
    begin += f"{limit / 1e9:.1f} GB. "
    if fits < unit:
        return f"{begin}No batch would fit. Give a smaller --width or --crop-size."
    if fits >= batch:
        return f"{begin}Other programs use it. Close them, or give a smaller --batch-size."
    more = max(1, task.parts) * 2
    return (
        f"{begin}Give --batch-size {fits}, which would fit, or --accumulate {more}, which computes "
        "the same batch in parts."
    )


def devices_of(task: Task[Any]) -> int:
    """Return how many devices share a batch."""
    return task.mesh.size if task.mesh else 1


def unit_of(task: Task[Any]) -> int:
    """Return what a batch must be a multiple of."""
    return devices_of(task) * task.group_size * max(1, task.parts)


def step_bytes(task: Task[Any], batch: int) -> int:
    """Return the bytes that a step takes on each device, as the compiler counts them.

    Args:
        task: What is trained.
        batch: Pictures of a step in all; nothing of it is run.
    """
    import jax

    whole = task.own_rows(task.config.batch_size)
    share = batch // devices_of(task)
    axis, rows = task.batch_axis, whole.stop - whole.start

    def shape(leaf: Any) -> Any:
        sides = list(np.shape(leaf))
        if len(sides) > axis and sides[axis] == rows:
            sides[axis] = share
        return jax.ShapeDtypeStruct(sides, np.asarray(leaf).dtype)

    # The form that takes more, of those that the run has.
    first, last = 0, task.total_steps - 1
    form = task.form(first) or task.form(last)
    inputs = keras.tree.map_structure(shape, task.inputs(first))
    state = keras.tree.map_structure(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), task.initial_state()
    )
    compiled = jax.jit(task.make_step(form), donate_argnums=0).lower(state, inputs).compile()
    used = compiled.memory_analysis()
    return int(
        used.temp_size_in_bytes
        + used.argument_size_in_bytes
        + used.output_size_in_bytes
        - used.alias_size_in_bytes
    )


def device_bytes() -> int | None:
    """Return the memory of a device; on a CPU the machine's, None where it does not tell."""
    import jax

    stats = jax.local_devices()[0].memory_stats() or {}
    return stats.get("bytes_limit") or platform.memory_bytes()
