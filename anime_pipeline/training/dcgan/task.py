"""What a DCGAN run is made of: networks, the host arrays of each step, and the schedule."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from anime_pipeline.architectures import architecture_of
from anime_pipeline.core.config import GROUP_SIZE, DcganConfig
from anime_pipeline.core.randomness import batch_indices, latent_batch, latents, stream
from anime_pipeline.data import conditions
from anime_pipeline.images.rows import Pictures
from anime_pipeline.models import backend
from anime_pipeline.models.dcgan import build_discriminator, build_generator
from anime_pipeline.models.feature_extractor import FeatureExtractor, feature_maps
from anime_pipeline.models.ranges import to_model
from anime_pipeline.models.weights import CONDITION_TABLE, DCGAN_KIND, assign
from anime_pipeline.training.dcgan.start import InitialWeights
from anime_pipeline.training.dcgan.step import DcganStep
from anime_pipeline.training.gan import augment
from anime_pipeline.training.gan.critic import Critic
from anime_pipeline.training.gan.state import Inputs, State, ema_decay
from anime_pipeline.training.gan.task import Task

# What enters a step as a number or decides only when it comes, not what is compiled.
SCHEDULES = frozenset(
    "steps learning_rate_g learning_rate_d learning_rate_fall lr_schedule gamma_fall "
    "ema_half_life_images save_every evaluate_every keep_checkpoints".split()
)


class DcganTask(Task[DcganConfig]):
    """Stage one as the training loop sees it.

    Attributes:
        discriminator_is_trained: Whether it starts from that of an earlier run, not from noise.
        features: What the discriminator sees besides the pictures, or None.
        table: Training conditions that a weights file carries, or None.
    """

    stage = "dcgan"
    kind = DCGAN_KIND
    batch_axis = 1  # after the discriminator's updates
    group_size = GROUP_SIZE

    def __init__(
        self,
        config: DcganConfig,
        train_images: Pictures,
        condition: np.ndarray | None = None,
        init: InitialWeights | None = None,
    ) -> None:
        """Build the networks.

        Args:
            config: The run's resolved configuration.
            train_images: uint8 [N, S, S, 3], training side only; indexed a batch at a time.
            condition: float32 [N, K], what the pictures show; needed if the configuration has a
                condition.
            init: Weights that the networks start from; None starts from noise.

        Raises:
            CheckpointError: If `init` does not fit the generator.
            PipelineError: If the critic is to see VGG16's features and there are no weights of it.
            ValueError: If `condition` does not fit the configuration.
        """
        self.architecture = architecture_of(config)
        self.names = conditions.parse_names(config.condition)
        self.condition = condition if self.names else None
        shape = None if self.condition is None else self.condition.shape
        if self.names and shape != (len(train_images), conditions.width(self.names)):
            raise ValueError(
                "Invalid value for argument `condition`. Expected one row per picture on "
                f"{config.condition}. Received: shape {shape}"
            )
        maps = feature_maps(config)
        self.features = FeatureExtractor(config) if maps else None
        super().__init__(
            config, train_images, build_generator(config), build_discriminator(config, maps)
        )
        self.facts = {"vgg16": self.features.source} if self.features else {}
        self.table = None
        if self.condition is not None:
            self.table = conditions.table_of(self.condition, config.seed)
            self.extra_arrays = {CONDITION_TABLE: self.table}
        self.discriminator_is_trained = False
        if init:
            assign(self.generator.model, init.weights)
            self.discriminator_is_trained = init.fill_discriminator(self.discriminator)
        self._logits = backend.jit(self._batch_logits)

    def make_step(self, form: bool) -> DcganStep:
        """Return the step, with the lazy penalty or without."""
        critic = Critic(self.config, self.discriminator, self.features, form)
        return DcganStep(self.config, self.generator, critic)

    def form(self, step: int) -> bool:
        """Tell whether step number `step` is one with the lazy penalty."""
        config = self.config
        return max(config.r1_gamma, config.r2_gamma) > 0 and step % config.r1_interval == 0

    @property
    def steps_per_round(self) -> int:
        """Steps after which the forms repeat."""
        return self.config.r1_interval

    def schedules(self, config: DcganConfig) -> frozenset[str]:
        """Return the schedules; penalties' weights too, where the same ones are left out."""
        penalised = [(c.r1_gamma > 0, c.r2_gamma > 0) for c in (self.config, config)]
        gammas = {"r1_gamma", "r2_gamma"} if penalised[0] == penalised[1] else set()
        return SCHEDULES | gammas

    @property
    def networks(self) -> list[Any]:
        """Both players, and what the discriminator sees through."""
        return [*super().networks, *([self.features] if self.features else [])]

    @property
    def images_per_step(self) -> int:
        """Real pictures that the discriminator sees in a step."""
        return self.config.batch_size * self.config.d_steps

    def seen(self, step: int) -> dict[str, Any]:
        """Return how many pictures were seen."""
        return {"images_seen": step * self.images_per_step}

    def inputs(self, step: int) -> Inputs:
        """Return every array that step number `step` consumes: a function of (seed, step)."""
        config, rounds, batch = self.config, self.config.d_steps, self.config.batch_size
        total, own = rounds * batch, self.own_rows(batch)

        def divided(array: np.ndarray) -> np.ndarray:
            return array.reshape(rounds, batch, *array.shape[1:])[:, own]

        rows = batch_indices(config.seed, step, total, len(self.images))
        read = divided(rows)
        real = self.images[read.reshape(-1)].reshape(*read.shape, *self.images.shape[1:])
        if config.flip:
            flipped = divided(stream(config.seed, "flip", step).random(total) < 0.5)
            real = np.where(flipped[..., None, None, None], real[:, :, :, ::-1], real)
        factor = self._learning_rate_factor(step)
        gamma_factor = self._fallen(step, config.gamma_fall)
        inputs: Inputs = {
            "real": real,
            "latent": latent_batch(
                config.seed,
                "training latent",
                step,
                (rounds, batch, config.latent_dim),
                config.latent_distribution,
            )[:, own],
            "count_g": np.float32(step + 1),
            "count_d": np.float32(step * rounds + 1),
            "learning_rate_g": np.float32(config.learning_rate_g * factor),
            "learning_rate_d": np.float32(config.learning_rate_d * factor),
            "ema_decay": np.float32(ema_decay(step, batch * rounds, config.ema_half_life_images)),
            "r1_gamma": np.float32(config.r1_gamma * gamma_factor),
            "r2_gamma": np.float32(config.r2_gamma * gamma_factor),
        }
        if config.beta_2_start:
            rest = self._left(step) * (config.beta_2 - config.beta_2_start)
            inputs["beta_2"] = np.float32(config.beta_2 - rest)
        if self.condition is not None:
            # Drawn faces are asked to show what the real ones of the same batch do.
            asked = conditions.perturb(self.names, self.condition[rows], config.seed, step)
            known = conditions.known_values(self.names, asked)
            inputs["condition"], inputs["known"] = divided(asked), divided(known)
        for part in ("real", "fake"):
            inputs[f"masks_{part}"] = [mask[:, own] for mask in self._masks(part, step)]
            if config.diff_augment:
                draws = augment.draw(config.seed, f"augment {part}", step, total, config.image_size)
                inputs[f"augment_{part}"] = {k: divided(v) for k, v in draws.items()}
        if config.loss == "wgan-gp":
            mix = stream(config.seed, "mix", step).random((rounds, batch, 1, 1, 1), np.float32)
            inputs["mix"] = mix[:, own]
        return inputs

    def _masks(self, part: str, step: int) -> list[np.ndarray]:
        keep = 1.0 - self.architecture.dropout
        generator = stream(self.config.seed, f"dropout {part}", step)
        lead = (self.config.d_steps, self.config.batch_size)
        return [
            (generator.random((*lead, *shape), np.float32) < keep).astype(np.float32) / keep
            for shape in self.architecture.dropout_shapes(self.config)
        ]

    def _learning_rate_factor(self, step: int) -> float:
        factor = self._fallen(step, self.config.learning_rate_fall)
        if self.config.lr_schedule == "constant":
            return factor
        half = self.config.steps / 2
        return factor * min(1.0, max(0.0, (self.config.steps - step) / half))

    def _left(self, step: int) -> float:
        """Return 1 at the start and 0 at the end, along half a cosine (Huang et al., R3GAN)."""
        return 0.5 + 0.5 * math.cos(math.pi * min(1.0, step / self.config.steps))

    def _fallen(self, step: int, fall: float) -> float:
        """Return the factor of a value that ends at 1 / `fall` of where it began."""
        return 1 / fall + (1 - 1 / fall) * self._left(step)

    def sample(self, state: State, count: int) -> np.ndarray:
        """Draw seeds 0..count-1 with the averaged generator: uint8 [count, S, S, 3]."""
        return self.generate(state["ema"], self._sample_inputs(count))

    def fakes(self, state: State, count: int) -> np.ndarray:
        """Draw what the discriminator plays against (not averaged): uint8 [count, S, S, 3]."""
        return self.generate(state["generator"], self._sample_inputs(count))

    def _sample_inputs(self, count: int) -> Any:
        config = self.config
        latent = latents(range(count), config.latent_dim, config.latent_distribution)
        if self.table is None:
            return latent
        return [latent, conditions.draw(range(count), self.table)]

    def logits(self, state: State, images: np.ndarray) -> np.ndarray:
        """Return the discriminator's logits float32 [N] for uint8 pictures, unaugmented.

        The mean of its heads, without any condition. Pictures are taken in training-sized
        batches, the last filled up by repetition, because the discriminator also looks at the
        variety within a batch.
        """
        batch = self.config.batch_size
        whole = np.resize(images, (-(-len(images) // batch) * batch, *images.shape[1:]))
        critic = self.own(state["discriminator"])
        parts = [
            np.asarray(self._logits(critic, whole[start : start + batch]))
            for start in range(0, len(whole), batch)
        ]
        logits = np.concatenate(parts)
        return logits.reshape(len(logits), -1).mean(axis=1)[: len(images)]

    def _batch_logits(self, critic: Any, images: Any) -> Any:
        import keras
        from keras import ops

        pictures, count = to_model(images), images.shape[0]
        inputs = [pictures, *(self.features(pictures) if self.features else [])]
        if self.condition is not None:
            inputs.append(ops.zeros((count, self.condition.shape[1]), "float32"))
        masks = self.architecture.dropout_shapes(self.config)
        inputs += [ops.ones((count, *shape), "float32") for shape in masks]
        outputs, _ = self.discriminator(critic["params"], critic["stats"], inputs, False)
        return keras.tree.flatten(outputs)[0]
