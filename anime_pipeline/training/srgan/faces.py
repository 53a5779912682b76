"""Stage two's `faces` phase: the upscaler learns to finish what stage one has drawn.

Of drawn faces nobody has the large original, so three things stand in for it. A critic, the one
that stage one plays against, compares whole faces with real ones, both reduced to twice what stage
one draws (Zhang et al., "StackGAN", ICCV 2017: the second stage corrects the first one's defects);
at full size it taught a mesh of dots, four pixels apart, within a hundred steps. The discriminator
of the adversarial phase judges their texture by patches of real large pictures. And two ties keep
the person: reduced, the result must be the drawn face but for a little slack, and deep features
must stay those of the upscaler that the phase began with. Pairs of real pictures are trained on
beside.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
from keras import ops

from anime_pipeline.core.config import GROUP_SIZE, DcganConfig, SrganConfig
from anime_pipeline.core.presets import DCGAN_PRESETS
from anime_pipeline.core.randomness import batch_indices, stream
from anime_pipeline.data import conditions
from anime_pipeline.images.rows import Pictures
from anime_pipeline.models import backend
from anime_pipeline.models.dcgan import build_discriminator as build_critic
from anime_pipeline.models.feature_extractor import FeatureExtractor, feature_maps
from anime_pipeline.models.network import Network
from anime_pipeline.models.ranges import lr_to_model, to_model
from anime_pipeline.models.resizing import mean_reduced, resized, resizing
from anime_pipeline.models.weights import Weights
from anime_pipeline.training.gan import augment
from anime_pipeline.training.gan.critic import Critic
from anime_pipeline.training.gan.state import (
    Inputs,
    Metrics,
    State,
    discriminator_of,
    entries_of,
    update_generator,
)
from anime_pipeline.training.gan.task import Step
from anime_pipeline.training.srgan.step import (
    adversarial_loss,
    feature_loss,
    pixel_loss,
    unit_length,
    update_discriminator,
)
from anime_pipeline.training.srgan.task import SCHEDULES, SrganTask

CRITIC_WARM_UP_STEPS = 200  # the critic begins knowing nothing, the generator knowing much
HASHED_AT_ONCE = 4096  # pictures
CRITIC_WIDTH = 32  # at 64 px as many weights as stage one's critic has at 32


@dataclass(frozen=True)
class FacePool:
    """The whole faces of this phase, in rows that belong together.

    Attributes:
        real: Real faces uint8 [N, faces_px, faces_px, 3], cropped as stage one draws them.
        condition: What they show, float32 [N, K].
        drawn: Faces of stage one uint8 [R, N, S, S, 3], asked to show the same, R of each.
        drawn_by: The sha256 of the weights that drew them.
    """

    real: Pictures
    condition: np.ndarray
    drawn: np.ndarray
    drawn_by: str = ""

    @property
    def facts(self) -> dict[str, str]:
        """What a resumed run must find again: short hashes of the real faces and of the generator.

        Not of the drawn faces: which grey level a number becomes differs between machines.
        """
        content = hashlib.sha256()
        for start in range(0, len(self.real), HASHED_AT_ONCE):
            content.update(self.real[start : start + HASHED_AT_ONCE].tobytes())
        content.update(self.condition.tobytes())
        return {"faces": content.hexdigest()[:16], "generator": self.drawn_by[:16]}


def critic_config(config: SrganConfig) -> DcganConfig:
    """Return how the critic of whole faces is built and trained: stage one's, for larger faces."""
    return replace(
        DCGAN_PRESETS["gpu"],
        image_size=config.faces_px,
        feature_px=max(config.faces_px, 64),
        width_d=CRITIC_WIDTH,
        condition=config.condition,
        batch_size=config.faces_batch_size,
        precision=config.precision,
        seed=config.seed,
    )


class FacesTask(SrganTask):
    """The `faces` phase as the training loop sees it."""

    group_size = GROUP_SIZE

    def __init__(
        self,
        config: SrganConfig,
        train_images: Pictures,
        pool: FacePool,
        init: Weights | None = None,
    ) -> None:
        """Build the networks.

        Args:
            config: The run's resolved configuration.
            train_images: uint8 [N, hr_size, hr_size, 3], for the pairs.
            pool: Real and drawn faces.
            init: The upscaler that the phase begins with and whose faces it must keep; a resumed
                run has it in its state.

        Raises:
            CheckpointError: If `init` does not fit the generator.
        """
        backend.leave_graphs_unfused()
        self.pool = pool
        self.critic_config = critic_config(config)
        self.critic = Network(build_critic(self.critic_config, feature_maps(self.critic_config)))
        self.features = FeatureExtractor(self.critic_config)
        drawn_px = pool.drawn.shape[2]
        self.reduce = resizing(config.scale * drawn_px, config.faces_px)
        super().__init__(config, train_images, init)
        self.facts |= {"vgg16": self.features.source, **pool.facts}

    def make_step(self, form: bool) -> Step:
        """Return the step, with the critic's lazy penalty or without."""
        critic = Critic(self.critic_config, self.critic, self.features, form)
        return FacesStep(self.config, self, critic)

    def form(self, step: int) -> bool:
        """Tell whether step number `step` is one with the critic's lazy penalty."""
        return step % self.critic_config.r1_interval == 0

    @property
    def steps_per_round(self) -> int:
        """Steps after which the forms repeat."""
        return self.critic_config.r1_interval

    def schedules(self, config: SrganConfig) -> frozenset[str]:
        """Return the schedules, the phase's length and the critic's weight."""
        return SCHEDULES | {"faces_steps", "critic_weight"}

    @property
    def batch_sizes(self) -> tuple[int, ...]:
        """Pairs, and whole faces."""
        return (self.config.batch_size, self.config.faces_batch_size)

    @property
    def networks(self) -> list[Any]:
        """Those of an SRGAN, and the critic of whole faces with what it sees through."""
        return [*super().networks, self.critic, self.features]

    @property
    def phases(self) -> list[tuple[int, int]]:
        """One phase."""
        return [(0, self.config.faces_steps)]

    def phase_after(self, step: int) -> str:
        """Return what the weights are called."""
        return "faces"

    def seen(self, step: int) -> dict[str, Any]:
        """Return how many crops and whole faces were seen."""
        faces = step * self.config.faces_batch_size
        return {**super().seen(step), "faces_seen": faces, "faces": len(self.pool.real)}

    def initial_state(self) -> State:
        """Return the state of an SRGAN, the critic's, and the upscaler that stays as it is."""
        state = super().initial_state()
        critic = entries_of("critic", self.critic)
        return {**state, **self.placed({**critic, "reference": self.generator.initial_state()})}

    def inputs(self, step: int) -> Inputs:
        """Return every array that step number `step` consumes: a function of (seed, step)."""
        seed, batch, pool = self.config.seed, self.config.faces_batch_size, self.pool
        own = self.own_rows(batch)
        rows = batch_indices(seed, step, batch, len(pool.real))
        generator = stream(seed, "faces", step)
        rounds = generator.integers(len(pool.drawn), size=batch)
        flipped = generator.random((2, batch, 1, 1, 1)) < 0.5
        real, drawn = pool.real[rows], pool.drawn[rounds, rows]
        ramp = min(1.0, step / CRITIC_WARM_UP_STEPS)
        critic = self._critic_inputs(step, pool.condition[rows])
        return super().inputs(step) | {
            "count_d": np.float32(step + 1),
            "critic_weight": np.float32(self.config.critic_weight * ramp),
            "drawn": np.where(flipped[0], drawn[:, :, ::-1], drawn)[own],
            "real": np.where(flipped[1], real[:, :, ::-1], real)[own],
            "critic": keras.tree.map_structure(lambda x: x[own] if np.ndim(x) else x, critic),
        }

    def _critic_inputs(self, step: int, condition: np.ndarray) -> Inputs:
        config = self.critic_config
        inputs: Inputs = {
            "count_d": np.float32(step + 1),
            "learning_rate_d": np.float32(config.learning_rate_d * self._fallen(step)),
            "r1_gamma": np.float32(config.r1_gamma),
            "r2_gamma": np.float32(config.r2_gamma),
        }
        if config.condition:
            names = conditions.parse_names(config.condition)
            asked = conditions.perturb(names, condition, config.seed, step)
            inputs |= {"condition": asked, "known": conditions.known_values(names, asked)}
        for part in ("real", "fake"):
            inputs[f"masks_{part}"] = []
            inputs[f"augment_{part}"] = augment.draw(
                config.seed, f"faces {part}", step, len(condition), config.image_size
            )
        return inputs

    def _learning_rate(self, step: int) -> float:
        return self.config.learning_rate_adversarial * self._fallen(step)

    def _fallen(self, step: int) -> float:
        """Return 1 for the first half of the phase, then a line to a twentieth."""
        half = self.config.faces_steps / 2
        return max(0.05, min(1.0, (self.config.faces_steps - step) / half))


@dataclass(eq=False)
class FacesStep:
    """The step for one configuration; call it with a state and the arrays of one step.

    Attributes:
        config: The run's configuration.
        task: Holds the networks.
        critic: The critic and its half of the step.
    """

    config: SrganConfig
    task: FacesTask
    critic: Critic

    def __call__(self, state: State, inputs: Inputs) -> tuple[State, Metrics]:
        """Advance the state by one step; see `FacesTask.inputs` for the arrays."""
        config, task, critic = self.config, self.task, self.critic
        generator, reference = state["generator"], state["reference"]
        lr_image, hr_image = lr_to_model(inputs["lr_image"]), to_model(inputs["hr_image"])
        drawn = lr_to_model(inputs["drawn"])
        known, _ = task.generator(reference["params"], reference["stats"], drawn, False)
        asked = inputs["critic"]
        real_views = critic.views(to_model(inputs["real"]), "real", asked)
        players = discriminator_of(state)
        critics = {"discriminator": state["critic"], "adam_discriminator": state["adam_critic"]}

        def generator_loss(params: Any) -> tuple[Any, Any]:
            image, stats = task.generator(params, generator["stats"], lr_image, True)
            face, stats = task.generator(params, stats, drawn, True)
            fakes = [
                (ops.stop_gradient(image), inputs["label_fake"]),
                (ops.stop_gradient(face), ops.zeros(face.shape[0])),
            ]
            updated, metrics = update_discriminator(
                task.discriminator, config, players, hr_image, fakes, inputs
            )
            views = critic.views(resized(face, task.reduce), "fake", asked)
            learned, c_metrics = critic.update(
                critics, real_views, [ops.stop_gradient(view) for view in views], asked
            )
            fixed = keras.tree.map_structure(ops.stop_gradient, learned["discriminator"])
            whole, g_metrics = critic.generator_loss(fixed, real_views, views, asked)
            parts = self._pairs(updated, image, hr_image, inputs) | self._faces(
                updated, drawn, face, known
            )
            metrics |= {f"critic_{name}": each for name, each in (c_metrics | g_metrics).items()}
            metrics |= {f"loss_{name}": each for name, each in parts.items()}
            loss = inputs["critic_weight"] * whole + sum(parts.values())
            entries = {
                "critic": learned["discriminator"],
                "adam_critic": learned["adam_discriminator"],
            }
            return loss, (updated | entries, stats, metrics)

        gradient = backend.value_and_grad(generator_loss)
        (_, (players, stats, metrics)), gradients = gradient(generator["params"])
        updated = update_generator(state, players, gradients, stats, inputs, config)
        return {**updated, "reference": reference}, metrics

    def _pairs(self, players: State, image: Any, hr_image: Any, inputs: Inputs) -> Metrics:
        """Return the losses of the adversarial phase, weighted."""
        config, task = self.config, self.task
        texture = adversarial_loss(task.discriminator, players, image)
        parts = {
            "pixel": config.pixel_weight * pixel_loss(config, image, hr_image),
            "adversarial": config.adversarial_weight * texture,
        }
        if task.vgg is not None:
            perceptual = feature_loss(task.vgg.model, image, hr_image, inputs["shift"])
            parts["perceptual"] = config.perceptual_weight * perceptual
        return parts

    def _faces(self, players: State, drawn: Any, face: Any, known: Any) -> Metrics:
        """Return the losses of drawn faces beside the critic's, weighted."""
        config, task = self.config, self.task
        texture = adversarial_loss(task.discriminator, players, face)
        apart = ops.abs(mean_reduced(face, config.scale) - (2.0 * drawn - 1.0))
        slack = config.consistency_slack / 127.5
        parts = {
            "texture": config.adversarial_weight * texture,
            "consistency": config.consistency_weight * ops.mean(ops.relu(apart - slack)),
        }
        if task.vgg is not None:
            # The deepest map, of reduced faces: who it is, not how crisp.
            maps = [task.vgg.model(mean_reduced(each, 2)) for each in (face, known)]
            ours, theirs = (unit_length(each[-1]) for each in maps)
            changed = ops.mean(ops.sum(ops.square(ours - theirs), axis=-1))
            parts["identity"] = config.identity_weight * changed
        return parts
