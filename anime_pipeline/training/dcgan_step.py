"""One DCGAN training step, a pure function of (state, inputs)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from anime_pipeline.core.config import DcganConfig
from anime_pipeline.models.backend import value_and_grad
from anime_pipeline.models.network import Network
from anime_pipeline.models.ranges import to_model
from anime_pipeline.training import augment
from anime_pipeline.training.losses import (
    LOSSES,
    WGAN_PENALTY_WEIGHT,
    unit_gradient_penalty,
    zero_gradient_penalty,
)
from anime_pipeline.training.state import State, adam, update_generator

Inputs = dict[str, Any]
Metrics = dict[str, Any]
Step = Callable[[State, Inputs], tuple[State, Metrics]]


class DcganStep:
    """The step for one configuration; call it with a state and the arrays of one step.

    Each turn updates the discriminator `d_steps` times and the generator once. The last
    discriminator update and the generator update share one generator pass: the pictures are made
    inside the generator's loss, the discriminator learns from them with the gradient stopped, and
    the updated discriminator then judges the same pictures.
    """

    def __init__(
        self, config: DcganConfig, generator: Network, discriminator: Network, with_r1: bool
    ) -> None:
        self.config = config
        self.loss = LOSSES[config.loss]
        self._generator = generator
        self._discriminator = discriminator
        self._with_r1 = with_r1

    def __call__(self, state: State, inputs: Inputs) -> tuple[State, Metrics]:
        """Advance the state by one step.

        Args:
            state: See `training.state`.
            inputs: Arrays as `DcganTask.inputs` makes them; leading axis `d_steps` where drawn
                once per discriminator update.

        Returns:
            The new state and scalar metrics.
        """
        generator, rounds = state["generator"], self.config.d_steps
        players = {key: state[key] for key in ("discriminator", "adam_discriminator")}
        for turn in range(rounds - 1):
            latent = inputs["latent"][turn]
            fake, _ = self._generator(generator["params"], generator["stats"], latent, True)
            players, _ = self._update_discriminator(players, fake, inputs, turn)

        def generator_loss(params: Any) -> tuple[Any, Any]:
            fake, stats = self._generator(params, generator["stats"], inputs["latent"][-1], True)
            updated, metrics = self._update_discriminator(
                players, ops.stop_gradient(fake), inputs, rounds - 1
            )
            critic = keras.tree.map_structure(ops.stop_gradient, updated["discriminator"])
            real = self._real(inputs, rounds - 1) if self.loss.pairs else None
            real_logits, fake_logits = self._logits(critic, real, fake, inputs, rounds - 1)
            loss = self.loss.generator(real_logits, fake_logits)
            return loss, (updated, stats, {**metrics, "loss_g": loss})

        gradient = value_and_grad(generator_loss)
        (_, (players, stats, metrics)), gradients = gradient(generator["params"])
        betas = (self.config.beta_1, self.config.beta_2)
        return update_generator(state, players, gradients, stats, inputs, betas), metrics

    def _real(self, inputs: Inputs, turn: int) -> Any:
        return to_model(inputs["real"][turn])

    def _score(
        self, critic: Any, images: Any, part: str, inputs: Inputs, turn: int, plain: bool = False
    ) -> Any:
        """Return the logits of one kind of picture; `part` says whose draws augment it."""
        if self.config.diff_augment and not plain:
            draws = {k: v[turn] for k, v in inputs[f"augment_{part}"].items()}
            images = augment.apply(images, draws)
        masks = [mask[turn] for mask in inputs[f"masks_{part}"]]
        logits, _ = self._discriminator(
            critic["params"], critic["stats"], [images, *masks] if masks else images, True
        )
        return logits

    def _logits(
        self, critic: Any, real: Any, fake: Any, inputs: Inputs, turn: int
    ) -> tuple[Any, Any]:
        fake_logits = self._score(critic, fake, "fake", inputs, turn)
        if real is None:
            return None, fake_logits
        return self._score(critic, real, "real", inputs, turn), fake_logits

    def _update_discriminator(
        self, players: State, fake: Any, inputs: Inputs, turn: int
    ) -> tuple[State, Metrics]:
        config = self.config
        real = self._real(inputs, turn)
        stats = players["discriminator"]["stats"]

        def discriminator_loss(params: Any) -> tuple[Any, Metrics]:
            critic = {"params": params, "stats": stats}
            real_logits, fake_logits = self._logits(critic, real, fake, inputs, turn)
            loss = self.loss.discriminator(real_logits, fake_logits, config.real_label)
            metrics = {
                "loss_d": loss,
                "real_logit": ops.mean(real_logits),
                "fake_logit": ops.mean(fake_logits),
            }
            if config.loss == "wgan-gp":
                penalty = unit_gradient_penalty(
                    lambda x: self._score(critic, x, "real", inputs, turn, plain=True),
                    real,
                    fake,
                    inputs["mix"][turn],
                )
                metrics["gradient_penalty"] = penalty
                loss = loss + WGAN_PENALTY_WEIGHT * penalty
            if self._with_r1:
                penalty = zero_gradient_penalty(
                    lambda x: self._score(critic, x, "real", inputs, turn), real
                )
                metrics["r1"] = penalty
                loss = loss + config.r1_gamma * config.r1_interval * penalty
            return loss, metrics

        gradient = value_and_grad(discriminator_loss)
        (_, metrics), gradients = gradient(players["discriminator"]["params"])
        params, slots = adam(
            players["discriminator"]["params"],
            gradients,
            players["adam_discriminator"],
            inputs["count_d"] + turn,
            inputs["learning_rate_d"],
            config.beta_1,
            config.beta_2,
        )
        return {
            "discriminator": {"params": params, "stats": stats},
            "adam_discriminator": slots,
        }, metrics
