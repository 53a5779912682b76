"""What the loop needs of a stage: networks, compiled steps, and the host arrays of each step."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self

import keras
import numpy as np

from anime_pipeline.core.config import Config, to_dict
from anime_pipeline.core.errors import UsageError
from anime_pipeline.images.rows import Pictures
from anime_pipeline.models import backend
from anime_pipeline.models.network import Network
from anime_pipeline.models.ranges import to_uint8
from anime_pipeline.models.weights import save_weights
from anime_pipeline.training.gan.compiled import STOP, CompiledStep, Step
from anime_pipeline.training.gan.state import Inputs, Metrics, State, initial_state

if TYPE_CHECKING:
    from anime_pipeline.models.mesh import Mesh


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
        mesh: The devices that share a batch, or None where there is one.
        parts: In how many parts each computes its share, see `use`.
        batch_axis: Which axis of a step's arrays counts the pictures of a batch.
        undivided: Arrays of a step that are about the whole batch.
        group_size: Pictures of a batch that are looked at together and stay so when it is divided.
    """

    stage: ClassVar[str]
    kind: ClassVar[str]
    batch_axis: ClassVar[int] = 0
    undivided: ClassVar[frozenset[str]] = frozenset()
    group_size: ClassVar[int] = 1
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
        self.use(None)
        self._generate = backend.jit(
            lambda net, inputs: self.generator(net["params"], net["stats"], inputs, False)[0]
        )

    def use(self, mesh: Mesh | None, parts: int = 0) -> None:
        """Share each batch among the devices of a mesh from now on.

        Args:
            mesh: The devices; None: one.
            parts: In how many parts each of them computes its share, see `models.parts`; 0 as ever.

        Raises:
            UsageError: If a batch cannot be divided so.
        """
        self.mesh, self.parts = mesh, parts
        devices = mesh.size if mesh else 1
        for count in self.batch_sizes:
            self.own_rows(count)
            if parts > 1 and count % (devices * parts * self.group_size):
                raise UsageError(
                    f"Expected a batch that {devices} devices can compute in {parts} parts, each a "
                    f"multiple of {self.group_size}. Received: {count}. Give --accumulate another "
                    "number."
                )
        for network in self.networks:
            network.parts, network.devices = parts, devices
        self._steps = {form: CompiledStep(self.make_step(form), mesh) for form in (False, True)}

    @abstractmethod
    def make_step(self, form: bool) -> Step:
        """Return the pure step of one form."""

    @abstractmethod
    def form(self, step: int) -> bool:
        """Tell which compiled function a step needs; only equal ones go to the device together."""

    @abstractmethod
    def inputs(self, step: int) -> Inputs:
        """Return every array that step number `step` consumes: a function of (seed, step).

        Of what is divided among hosts only this one's rows.
        """

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
    def batch_sizes(self) -> tuple[int, ...]:
        """How many pictures of each kind a step takes together."""
        return (self.config.batch_size,)

    @property
    def networks(self) -> list[Any]:
        """What a batch goes through."""
        return [self.generator, self.discriminator]

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
        return self.placed(initial_state(self.generator, self.discriminator))

    def placed(self, state: State) -> State:
        """Return a state as `advance` takes it: whole on each device."""
        return self.mesh.whole(state) if self.mesh else backend.to_device(state)

    def own_rows(self, count: int) -> slice:
        """Return which of `count` rows of a batch this host prepares."""
        return self.mesh.own_rows(count) if self.mesh else slice(0, count)

    def advance(
        self, state: State, step: int, *inputs: Inputs, stop: bool = False
    ) -> tuple[State, list[Metrics]]:
        """Run the steps from number `step` on, all of one form, on the device.

        Args:
            state: The state before them.
            step: Number of the first.
            inputs: The arrays of each, see `inputs`.
            stop: Whether this host was asked to stop. Several hosts agree on it: their metrics
                then hold `STOP`, the same on each.

        Returns:
            The new state and the scalar metrics of each step.
        """
        count = len(inputs)
        if self.mesh and self.mesh.hosts > 1:
            asked = np.full(self.mesh.size // self.mesh.hosts, stop, np.float32)
            shape = (1,) * self.batch_axis + (-1,)
            inputs = tuple({**each, STOP: asked.reshape(shape)} for each in inputs)
        together = inputs[0]
        if count > 1:
            together = keras.tree.map_structure(lambda *leaves: np.stack(leaves), *inputs)
        if self.mesh:
            together = self._divided(together, self.batch_axis + (count > 1))
        return self._steps[self.form(step)](state, together, count)

    @staticmethod
    def agreed_to_stop(metrics: list[Metrics]) -> bool | None:
        """Tell whether all hosts stop after these steps, taking that out; None without others."""
        asked = [values.pop(STOP, None) for values in metrics]
        return None if asked[-1] is None else bool(max(map(float, asked)))

    def _divided(self, inputs: Inputs, axis: int) -> Inputs:
        mesh = self.mesh
        assert mesh is not None  # noqa: S101

        def place(leaf: Any) -> Any:
            return mesh.divided(leaf, axis) if np.ndim(leaf) > axis else mesh.whole(leaf)

        return {
            name: mesh.whole(each)
            if name in self.undivided
            else keras.tree.map_structure(place, each)
            for name, each in inputs.items()
        }

    def generate(self, player: State, inputs: Any) -> np.ndarray:
        """Apply the generator with an entry of the state, such as ``ema``, to uint8 pictures."""
        return to_uint8(self._generate(self.own(player), inputs))

    def own(self, entry: State) -> State:
        """Return an entry of the state for computations that other hosts take no part in."""
        if not self.mesh:
            return entry
        from anime_pipeline.models.mesh import local

        return local(entry)

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
