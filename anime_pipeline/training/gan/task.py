"""What the loop needs of a stage: networks, compiled steps, and the host arrays of each step."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Generic, Self

import keras
import numpy as np
from keras import ops

from anime_pipeline.core.config import Config, to_dict
from anime_pipeline.images.rows import Pictures
from anime_pipeline.models import backend
from anime_pipeline.models.network import Network
from anime_pipeline.models.ranges import to_uint8
from anime_pipeline.models.weights import save_weights
from anime_pipeline.training.gan.state import Inputs, Metrics, State, initial_state

Step = Callable[[State, Inputs], tuple[State, Metrics]]


class CompiledStep:
    """A pure step, compiled once for single steps and once for each number of them in a row."""

    def __init__(self, function: Step) -> None:
        self._one = backend.jit(function, donate_first=True)
        self._many = backend.jit(
            lambda state, inputs: ops.scan(function, state, inputs), donate_first=True
        )

    def __call__(self, state: State, inputs: Sequence[Inputs]) -> tuple[State, list[Metrics]]:
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


class Task(ABC, Generic[Config]):
    """One run as the loop sees it; subclasses say what a step is and which arrays it takes.

    Attributes:
        stage: Its name, as in the command's.
        kind: What its weights files hold, see `models.weights`.
        config: The run's resolved configuration.
        images: uint8 [N, S, S, 3], training side only; indexed a batch at a time.
        facts: What a resumed run must find unchanged besides configuration and data.
        extra_arrays: What a weights file holds besides the generator.
        generator: The generator.
        discriminator: The discriminator.
    """

    stage: ClassVar[str]
    kind: ClassVar[str]
    config: Config
    facts: dict[str, str]
    extra_arrays: dict[str, np.ndarray]

    def __init__(
        self,
        config: Config,
        images: Pictures,
        generator: keras.Model,
        discriminator: keras.Model,
    ) -> None:
        self.config = config
        self.images = images
        self.facts = {}
        self.extra_arrays = {}
        self.generator = Network(generator)
        self.discriminator = Network(discriminator)
        self._steps = {form: CompiledStep(self.make_step(form)) for form in (False, True)}
        self._generate = backend.jit(
            lambda net, inputs: self.generator(net["params"], net["stats"], inputs, False)[0]
        )

    @abstractmethod
    def make_step(self, form: bool) -> Step:
        """Return the pure step of one form."""

    @abstractmethod
    def form(self, step: int) -> bool:
        """Tell which compiled function a step needs; only equal ones go to the device together."""

    @abstractmethod
    def inputs(self, step: int) -> Inputs:
        """Return every array that step number `step` consumes: a function of (seed, step)."""

    @abstractmethod
    def schedules(self, config: Config) -> frozenset[str]:
        """Return the fields in which `config` may differ without compiling anew.

        They enter a step as a number or decide only when it comes.
        """

    @abstractmethod
    def seen(self, step: int) -> dict[str, Any]:
        """Return what a weights file says of the training before it, after `step` steps."""

    @property
    def total_steps(self) -> int:
        """Steps that the configuration plans."""
        return self.config.steps

    @property
    def phases(self) -> list[tuple[int, int]]:
        """First step and length of each part of the run whose steps take equally long."""
        return [(0, self.total_steps)]

    @property
    def steps_per_round(self) -> int:
        """Steps after which the forms repeat."""
        return 1

    @property
    def images_per_step(self) -> int:
        """Training pictures that a step takes."""
        return self.config.batch_size

    @property
    def steps_per_epoch(self) -> int:
        """Steps in which as many real pictures are seen as the set holds."""
        return max(1, round(len(self.images) / self.images_per_step))

    @property
    def evaluate_every(self) -> int:
        """Steps at least between two evaluations."""
        return self.config.evaluate_every

    @property
    def steps_per_dispatch(self) -> int:
        """Steps that may go to the device together, see `training.loop.dispatches`.

        TensorFlow runs its graphs step by step: a loop inside the graph was no faster.
        """
        return self.config.steps_per_dispatch if backend.name() == "jax" else 1

    def rescheduled(self, config: Config) -> Self:
        """Return this task under other schedules: networks and compiled steps are shared.

        Raises:
            ValueError: If the configurations differ in other fields.
        """
        changed = {name for name, value in vars(config).items() if value != vars(self.config)[name]}
        allowed = self.schedules(config)
        if changed - allowed:
            raise ValueError(
                f"Invalid value for argument `config`. Expected changes of {sorted(allowed)} only. "
                f"Received: {sorted(changed)}"
            )
        other = copy.copy(self)
        other.config = config
        return other

    def initial_state(self) -> State:
        """Return the state before step 0."""
        return initial_state(self.generator, self.discriminator)

    def advance(self, state: State, step: int, *inputs: Inputs) -> tuple[State, list[Metrics]]:
        """Run the steps from number `step` on, all of one form, on the device.

        Returns:
            The new state and the scalar metrics of each step.
        """
        return self._steps[self.form(step)](state, inputs)

    def generate(self, player: State, inputs: Any) -> np.ndarray:
        """Apply the generator with an entry of the state, such as ``ema``, to uint8 pictures."""
        return to_uint8(self._generate(player, inputs))

    def save(
        self, path: Path, state: State, step: int, dtype: str = "float32", **facts: str
    ) -> None:
        """Write the averaged generator after `step` steps as a weights file.

        Args:
            path: Target, ending in ``.npz``.
            state: The training state.
            step: Steps done.
            dtype: ``"float16"`` halves the file for shipping.
            facts: What else it should say of its training.
        """
        ema = backend.to_numpy(state["ema"])
        arrays = {**ema["params"], **ema["stats"], **self.extra_arrays}
        training = {"step": step, **self.seen(step), "train_images": len(self.images)} | facts
        save_weights(path, arrays, self.kind, to_dict(self.config), training, dtype=dtype)
