"""What an SRGAN run is made of: networks, the host arrays of each step, and the two phases."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from anime_pipeline.core.config import SrganConfig
from anime_pipeline.core.randomness import batch_indices, stream
from anime_pipeline.data.degrade import degrade, parse_mixture
from anime_pipeline.models import backend
from anime_pipeline.models.network import Network
from anime_pipeline.models.ranges import lr_to_model, to_uint8
from anime_pipeline.models.srgan import build_discriminator, build_generator
from anime_pipeline.models.vgg import load_vgg
from anime_pipeline.models.weights import Weights, assign
from anime_pipeline.training.dispatch import CompiledStep, rescheduled, steps_per_dispatch
from anime_pipeline.training.srgan_step import VGG_LAYERS, SrganStep
from anime_pipeline.training.state import State, ema_decay, initial_state

WARM_UP_STEPS = 200

# What enters a step as a number or decides only when it comes, not what is compiled.
SCHEDULES = frozenset(
    "fidelity_steps learning_rate learning_rate_adversarial lr_schedule ema_half_life_images "
    "save_every evaluate_every keep_checkpoints".split()
)


class SrganTask:
    """Stage two as the training loop sees it."""

    stage = "srgan"

    def __init__(
        self, config: SrganConfig, train_images: np.ndarray, init: Weights | None = None
    ) -> None:
        """Build the networks.

        Args:
            config: The run's resolved configuration.
            train_images: uint8 [N, hr_size, hr_size, 3], training side only.
            init: Weights that the generator starts from, as the paper's adversarial phase starts
                from its SRResNet; None starts from noise.

        Raises:
            CheckpointError: If `init` does not fit the generator.
        """
        self.config = config
        self.images = train_images
        self.generator = Network(build_generator(config))
        if init:
            assign(self.generator.model, init)
        self.discriminator = Network(build_discriminator(config))
        self._mixture = parse_mixture(config.degradations)
        # Built at the start even for the fidelity phase, so that missing weights show at once.
        vgg = load_vgg(VGG_LAYERS, config.precision) if _uses_vgg(config) else None
        self.facts = {"vgg16": vgg.source} if vgg else {}
        features = vgg.model if vgg else None
        self._steps = {
            adversarial: CompiledStep(
                SrganStep(config, self.generator, self.discriminator, features, adversarial)
            )
            for adversarial in (False, True)
        }
        self._upscale = backend.jit(
            lambda state, lr: self.generator(state["params"], state["stats"], lr, False)[0]
        )

    def rescheduled(self, config: SrganConfig) -> SrganTask:
        """Return this task under other schedules, see `calls.rescheduled`."""
        # Without the second phase VGG16 is not looked at; it cannot come in later.
        phases = {"adversarial_steps"} if self.facts or not _uses_vgg(config) else set()
        other = rescheduled(self, config, SCHEDULES | phases)
        other.facts = self.facts if _uses_vgg(config) else {}
        return other

    @property
    def total_steps(self) -> int:
        """Steps of both phases."""
        return self.config.steps

    @property
    def steps_per_epoch(self) -> int:
        """Steps in which as many pictures are seen as the set holds."""
        return max(1, round(len(self.images) / self.config.batch_size))

    def initial_state(self) -> State:
        """Return the state before step 0."""
        return initial_state(self.generator, self.discriminator)

    def is_adversarial(self, step: int) -> bool:
        """Tell whether step number `step` belongs to the second phase."""
        return step >= self.config.fidelity_steps

    def inputs(self, step: int) -> dict[str, Any]:
        """Return every array that step number `step` consumes: a function of (seed, step)."""
        config, batch = self.config, self.config.batch_size
        chosen = batch_indices(config.seed, step, batch, len(self.images))
        generator = stream(config.seed, "pairs", step)
        pairs = [self._pair(np.asarray(self.images[index]), generator) for index in chosen]
        noise = stream(config.seed, "labels", step).uniform(-1, 1, (2, batch)).astype(np.float32)
        rate = np.float32(self._learning_rate(step))
        return {
            "lr_image": np.stack([lr_image for lr_image, _ in pairs]),
            "hr_image": np.stack([hr_image for _, hr_image in pairs]),
            "label_real": np.minimum(1 + config.label_noise * noise[0], 1),
            # Clipped: beyond [0, 1] cross-entropy has no lower bound.
            "label_fake": np.maximum(config.label_noise * noise[1], 0),
            "count_g": np.float32(step + 1),
            "count_d": np.float32(max(step - config.fidelity_steps, 0) + 1),
            "learning_rate_g": rate,
            "learning_rate_d": rate,
            "ema_decay": np.float32(ema_decay(step, batch, config.ema_half_life_images)),
        }

    def _pair(
        self, hr_image: np.ndarray, generator: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Degrade a whole picture, then cut matching windows, so that no window has an edge effect.

        Returns:
            lr_image uint8 [c / 4, c / 4, 3] and hr_image uint8 [c, c, 3].
        """
        config = self.config
        names = [name for name, _ in self._mixture]
        name = names[generator.choice(len(names), p=[weight for _, weight in self._mixture])]
        if config.flip and generator.random() < 0.5:
            hr_image = np.ascontiguousarray(hr_image[:, ::-1])
        scale = config.scale
        side = (config.crop_size or config.hr_size) // scale
        if hr_image.shape[0] >= (side + 1) * scale:
            # Where LR pixels fall on a line decides how it looks: each of the 16 ways is seen.
            down, right = generator.integers(0, scale, 2)
            hr_image = hr_image[down : down - scale or None, right : right - scale or None]
        lr_image = degrade(np.ascontiguousarray(hr_image), scale, name, generator)
        spare = lr_image.shape[0] - side
        top, left = generator.integers(0, spare + 1, 2)
        return (
            lr_image[top : top + side, left : left + side],
            hr_image[top * scale : (top + side) * scale, left * scale : (left + side) * scale],
        )

    def _learning_rate(self, step: int) -> float:
        config = self.config
        falls = config.lr_schedule != "constant"
        if self.is_adversarial(step):
            done = (step - config.fidelity_steps) / max(config.adversarial_steps, 1)
            # Halving late lets the two players settle.
            return config.learning_rate_adversarial * (0.5 if falls and done >= 0.5 else 1)
        if not falls:
            return config.learning_rate
        cosine = 0.5 * (1 + math.cos(math.pi * step / config.fidelity_steps))
        return config.learning_rate * min(1.0, (step + 1) / WARM_UP_STEPS) * max(cosine, 0.01)

    @property
    def evaluate_every(self) -> int:
        """Steps at least between two looks."""
        return self.config.evaluate_every

    @property
    def steps_per_dispatch(self) -> int:
        """Steps that go to the device together, see `training.dispatch`."""
        return steps_per_dispatch(self.config.steps_per_dispatch)

    def form(self, step: int) -> bool:
        """Tell whether step number `step` belongs to the second phase."""
        return self.is_adversarial(step)

    def advance(
        self, state: State, step: int, *inputs: dict[str, Any]
    ) -> tuple[State, list[dict[str, Any]]]:
        """Run the steps from number `step` on, all of one phase, on the device."""
        return self._steps[self.form(step)](state, inputs)

    def upscale(self, state: State, lr_images: np.ndarray) -> np.ndarray:
        """Upscale uint8 [N, H, W, 3] with the averaged generator to uint8 [N, 4H, 4W, 3]."""
        return to_uint8(self._upscale(state["ema"], lr_to_model(lr_images)))


def _uses_vgg(config: SrganConfig) -> bool:
    return config.adversarial_steps > 0 and config.perceptual_weight > 0
