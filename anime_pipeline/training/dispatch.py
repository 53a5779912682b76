"""Which steps go to the device in one call.

On a GPU a small network's step is shorter than the time that Python needs to ask for it, so several
are compiled into one `lax.scan`. How steps are put together depends on their number alone, never on
where a process began: a resumed run makes the same calls as an uninterrupted one.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any, Protocol, TypeVar

import keras
import numpy as np
from keras import ops

from anime_pipeline.models import backend
from anime_pipeline.training.state import State

Inputs = dict[str, Any]


class CompiledStep:
    """A pure step, compiled once for single steps and once for each number of them in a row."""

    def __init__(self, function: Callable[[State, Inputs], tuple[State, dict[str, Any]]]) -> None:
        self._one = backend.jit(function, donate_first=True)
        self._many = backend.jit(
            lambda state, inputs: ops.scan(function, state, inputs), donate_first=True
        )

    def __call__(
        self, state: State, inputs: Sequence[Inputs]
    ) -> tuple[State, list[dict[str, Any]]]:
        """Run the steps whose host arrays are `inputs`, in order.

        Returns:
            The state after the last, and the scalar metrics of each.
        """
        if len(inputs) == 1:
            state, metrics = self._one(state, inputs[0])
            return state, [metrics]
        stacked = keras.tree.map_structure(lambda *leaves: np.stack(leaves), *inputs)
        state, metrics = self._many(state, stacked)
        columns = {name: np.asarray(values) for name, values in metrics.items()}
        return state, [
            {name: values[row] for name, values in columns.items()} for row in range(len(inputs))
        ]


class Schedule(Protocol):
    """What `calls` needs of a task."""

    @property
    def total_steps(self) -> int:
        """Steps of the whole run."""
        ...

    @property
    def steps_per_epoch(self) -> int:
        """Steps of one pass over the training pictures."""
        ...

    @property
    def evaluate_every(self) -> int:
        """Steps at least between two looks."""
        ...

    @property
    def steps_per_dispatch(self) -> int:
        """Steps that may go to the device together; 1 where that gains nothing."""
        ...

    def form(self, step: int) -> Hashable:
        """Tell which compiled function a step needs; only equal ones go together."""
        ...


class _Configured(Protocol):
    config: Any


Configured = TypeVar("Configured", bound=_Configured)


def rescheduled(task: Configured, config: Any, schedules: frozenset[str]) -> Configured:
    """Return a task under other schedules: networks and compiled steps are shared.

    Args:
        task: The one that has them.
        config: Its configuration but for some of `schedules`.
        schedules: Fields that enter a step as a number or decide only when it comes.

    Raises:
        ValueError: If the configurations differ in other fields.
    """
    changed = {name for name, value in vars(config).items() if value != vars(task.config)[name]}
    if changed - schedules:
        raise ValueError(
            f"Invalid value for argument `config`. Expected changes of {sorted(schedules)} only. "
            f"Received: {sorted(changed)}"
        )
    other = copy.copy(task)
    other.config = config
    return other


def steps_per_dispatch(wanted: int) -> int:
    """Return how many steps the active backend takes in one call, of those a run's settings want.

    TensorFlow runs its graphs step by step: a loop inside the graph was no faster.
    """
    return wanted if backend.name() == "jax" else 1


def ends_epoch(step: int, steps_per_epoch: int, total_steps: int, evaluate_every: int) -> bool:
    """Tell whether the run is looked at after `step` steps: an epoch ends there, or the run.

    With small sets several epochs are taken together, `evaluate_every` steps at least, or looking
    would cost more than training.
    """
    together = -(-evaluate_every // steps_per_epoch)
    return step % (together * steps_per_epoch) == 0 or step == total_steps


def calls(task: Schedule, start: int, stop: int) -> Iterator[range]:
    """Divide steps `start` to `stop` into calls to the device.

    Steps are put together within windows of `steps_per_dispatch`, counted from step 0. A window
    with a look inside goes step by step, since a look needs the state in between, and so does an
    unfinished last one: a compiled scan for each odd length would cost more than it gains.
    """
    size = task.steps_per_dispatch
    for begin in range(start - start % size, stop, size):
        window = range(begin, begin + size)
        looks = (
            ends_epoch(s, task.steps_per_epoch, task.total_steps, task.evaluate_every)
            for s in window[1:]
        )
        if window.stop > task.total_steps or any(looks):
            found = [range(step, step + 1) for step in window]
        else:
            found = []
            for _, group in itertools.groupby(window, task.form):
                steps = list(group)
                found.append(range(steps[0], steps[-1] + 1))
        yield from (steps for steps in found if start <= steps.start < stop)
