"""A step as the device runs it: compiled, several in a row, and with what hosts must agree on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from keras import ops

from anime_pipeline.models import backend
from anime_pipeline.training.gan.state import Inputs, Metrics, State

if TYPE_CHECKING:
    from anime_pipeline.models.mesh import Mesh

STOP = "stop"  # among several hosts' arrays and metrics: whether one of them was asked to stop
Step = Callable[[State, Inputs], tuple[State, Metrics]]


class CompiledStep:
    """A pure step, compiled once for single steps and once for each number of them in a row."""

    def __init__(self, function: Step, mesh: Mesh | None = None) -> None:
        if mesh and mesh.hosts > 1:
            function = _with_agreement(function)
        placement = mesh.everywhere if mesh else None
        self._one = backend.jit(function, donate_first=True, placement=placement)
        self._many = backend.jit(
            lambda state, inputs: ops.scan(function, state, inputs),
            donate_first=True,
            placement=placement,
        )

    def __call__(self, state: State, inputs: Inputs, count: int) -> tuple[State, list[Metrics]]:
        """Run `count` steps whose arrays are `inputs`, those of several stacked.

        Returns:
            The state after the last, and the scalar metrics of each.
        """
        if count == 1:
            state, metrics = self._one(state, inputs)
            return state, [metrics]
        state, metrics = self._many(state, inputs)
        columns = {name: np.asarray(values) for name, values in metrics.items()}
        return state, [
            {name: values[row] for name, values in columns.items()} for row in range(count)
        ]


def _with_agreement(function: Step) -> Step:
    """Let a step also tell all hosts whether one of them was asked to stop."""

    def step(state: State, inputs: Inputs) -> tuple[State, Metrics]:
        asked = inputs[STOP]
        state, metrics = function(state, {k: v for k, v in inputs.items() if k != STOP})
        return state, metrics | {STOP: ops.max(asked)}

    return step
