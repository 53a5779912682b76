"""What an SRGAN run is made of: networks, the host arrays of each step, and the two phases."""

from __future__ import annotations

import math
from typing import Any, Self

import numpy as np

from anime_pipeline.core.config import SrganConfig
from anime_pipeline.core.randomness import batch_indices, stream
from anime_pipeline.data.degrade import degrade, parse_mixture
from anime_pipeline.images.rows import Pictures
from anime_pipeline.models.ranges import lr_to_model
from anime_pipeline.models.srgan import build_discriminator, build_generator
from anime_pipeline.models.vgg import load_vgg
from anime_pipeline.models.weights import SRGAN_KIND, Weights, assign
from anime_pipeline.training.gan.state import Inputs, State, ema_decay
from anime_pipeline.training.gan.task import Step, Task
from anime_pipeline.training.srgan.step import MOST_SHIFT, VGG_LAYERS, SrganStep

WARM_UP_STEPS = 200

# What enters a step as a number or decides only when it comes, not what is compiled.
SCHEDULES = frozenset(
    "fidelity_steps learning_rate learning_rate_adversarial lr_schedule ema_half_life_images "
    "init_sha256 degradations flat_share save_every evaluate_every keep_checkpoints".split()
)


class SrganTask(Task[SrganConfig]):
    """Stage two as the training loop sees it."""

    stage = "srgan"
    kind = SRGAN_KIND
    undivided = frozenset({"shift"})

    def __init__(
        self, config: SrganConfig, train_images: Pictures, init: Weights | None = None
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
        self._mixture = parse_mixture(config.degradations)
        # Built at the start even for the fidelity phase, so that missing weights show at once.
        self.vgg = load_vgg(VGG_LAYERS, config.precision) if _uses_vgg(config) else None
        super().__init__(config, train_images, build_generator(config), build_discriminator(config))
        self.facts = {"vgg16": self.vgg.source} if self.vgg else {}
        if init:
            assign(self.generator.model, init)

    def make_step(self, form: bool) -> Step:
        """Return the step of a phase."""
        vgg = self.vgg.model if self.vgg else None
        return SrganStep(self.config, self.generator, self.discriminator, vgg, form)

    def form(self, step: int) -> bool:
        """Tell whether step number `step` belongs to the second, adversarial phase."""
        return step >= self.config.fidelity_steps

    def schedules(self, config: SrganConfig) -> frozenset[str]:
        """Return the schedules and the phases' lengths, but that VGG16 cannot come in later."""
        return SCHEDULES | ({"adversarial_steps"} if self.facts or not _uses_vgg(config) else set())

    def rescheduled(self, config: SrganConfig) -> Self:
        """Return this task under other schedules; without a second phase VGG16 is no fact."""
        other = super().rescheduled(config)
        other._mixture = parse_mixture(config.degradations)
        if not config.faces_steps and not _uses_vgg(config):
            other.facts = {}
        return other

    @property
    def phases(self) -> list[tuple[int, int]]:
        """Both phases."""
        config = self.config
        return [(0, config.fidelity_steps), (config.fidelity_steps, config.adversarial_steps)]

    def phase_after(self, step: int) -> str:
        """Return what the weights are called after `step` steps."""
        return "perceptual" if self.form(step - 1) else "fidelity"

    def seen(self, step: int) -> dict[str, Any]:
        """Return the phase and how many crops were seen."""
        return {"phase": self.phase_after(step), "crops_seen": step * self.images_per_step}

    def inputs(self, step: int) -> Inputs:
        """Return every array that step number `step` consumes: a function of (seed, step)."""
        config, batch = self.config, self.config.batch_size
        chosen, own = (
            batch_indices(config.seed, step, batch, len(self.images)),
            self.own_rows(batch),
        )
        # A stream for each pair: nobody needs to draw what another host's pairs take.
        pairs = [
            self._pair(
                np.asarray(self.images[chosen[row]]),
                stream(config.seed, "pair", step * batch + row),
            )
            for row in range(own.start, own.stop)
        ]
        noise = stream(config.seed, "labels", step).uniform(-1, 1, (2, batch)).astype(np.float32)
        rate = np.float32(self._learning_rate(step))
        return {
            "lr_image": np.stack([lr_image for lr_image, _ in pairs]),
            "hr_image": np.stack([hr_image for _, hr_image in pairs]),
            "label_real": np.minimum(1 + config.label_noise * noise[0], 1)[own],
            # Clipped: beyond [0, 1] cross-entropy has no lower bound.
            "label_fake": np.maximum(config.label_noise * noise[1], 0)[own],
            "shift": stream(config.seed, "shift", step).integers(0, MOST_SHIFT, 2, dtype=np.int32),
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
        if config.flat_share and generator.random() < config.flat_share:
            hr_image = _aside(hr_image, generator)
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
        if self.form(step):
            done = (step - config.fidelity_steps) / max(config.adversarial_steps, 1)
            # Halving late lets the two players settle.
            return config.learning_rate_adversarial * (0.5 if falls and done >= 0.5 else 1)
        if not falls:
            return config.learning_rate
        cosine = 0.5 * (1 + math.cos(math.pi * step / config.fidelity_steps))
        return config.learning_rate * min(1.0, (step + 1) / WARM_UP_STEPS) * max(cosine, 0.01)

    def upscale(self, state: State, lr_images: np.ndarray) -> np.ndarray:
        """Upscale uint8 [N, H, W, 3] with the averaged generator to uint8 [N, 4H, 4W, 3]."""
        return self.generate(state["ema"], lr_to_model(lr_images))


def _aside(image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Move a picture out of its middle; what it leaves is of one colour, its corner's or any.

    Crops of faces hold few plain areas, and an upscaler that has seen few draws marks into them.
    """
    size = image.shape[0]
    down, right = generator.integers(-size * 3 // 4, size * 3 // 4 + 1, 2)
    any_colour = generator.integers(0, 256, 3)
    moved = np.empty_like(image)
    moved[:] = image[0, 0] if generator.random() < 0.5 else any_colour
    rows, columns = (slice(max(0, by), size + min(0, by)) for by in (down, right))
    from_rows, from_columns = (slice(max(0, -by), size - max(0, by)) for by in (down, right))
    moved[rows, columns] = image[from_rows, from_columns]
    return moved


def _uses_vgg(config: SrganConfig) -> bool:
    adversarial = config.adversarial_steps + config.faces_steps > 0
    return adversarial and config.perceptual_weight > 0
