"""One DCGAN training step, a pure function of (state, inputs)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from anime_pipeline.core.config import DcganConfig
from anime_pipeline.models.adam import adam
from anime_pipeline.models.backend import value_and_grad
from anime_pipeline.models.feature_extractor import FeatureExtractor
from anime_pipeline.models.network import Network
from anime_pipeline.models.ranges import to_model
from anime_pipeline.training import augment
from anime_pipeline.training.losses import (
    LOSSES,
    WGAN_PENALTY_WEIGHT,
    unit_gradient_penalty,
    zero_gradient_penalty,
)
from anime_pipeline.training.state import State, update_generator

Inputs = dict[str, Any]
Metrics = dict[str, Any]
Step = Callable[[State, Inputs], tuple[State, Metrics]]
Views = list[Any]  # what the discriminator sees of some pictures: themselves, and features


class DcganStep:
    """The step for one configuration; call it with a state and the arrays of one step.

    Each turn updates the discriminator `d_steps` times and the generator once. The last
    discriminator update and the generator update share one generator pass: the pictures are made
    inside the generator's loss, the discriminator learns from them with the gradient stopped, and
    the updated discriminator then judges the same pictures.
    """

    def __init__(
        self,
        config: DcganConfig,
        generator: Network,
        discriminator: Network,
        features: FeatureExtractor | None,
        with_penalty: bool,
    ) -> None:
        self.config = config
        self.loss = LOSSES[config.loss]
        self._generator = generator
        self._discriminator = discriminator
        self._features = features
        self._with_penalty = with_penalty

    def __call__(self, state: State, inputs: Inputs) -> tuple[State, Metrics]:
        """Advance the state by one step.

        Args:
            state: See `training.state`.
            inputs: Arrays as `DcganTask.inputs` makes them; leading axis `d_steps` where drawn
                once per discriminator update.

        Returns:
            The new state and scalar metrics.
        """
        generator, last = state["generator"], self.config.d_steps - 1
        players = {key: state[key] for key in ("discriminator", "adam_discriminator")}
        for turn in range(last):
            fake, _ = self._draw(generator["params"], generator["stats"], inputs, turn)
            views = (
                self._views(to_model(inputs["real"][turn]), "real", inputs, turn),
                self._views(fake, "fake", inputs, turn),
            )
            players, _ = self._update_discriminator(players, *views, inputs, turn)
        real_views = self._views(to_model(inputs["real"][last]), "real", inputs, last)

        def generator_loss(params: Any) -> tuple[Any, Any]:
            fake, stats = self._draw(params, generator["stats"], inputs, last)
            views = self._views(fake, "fake", inputs, last)
            updated, metrics = self._update_discriminator(
                players, real_views, [ops.stop_gradient(view) for view in views], inputs, last
            )
            critic = keras.tree.map_structure(ops.stop_gradient, updated["discriminator"])
            fake_logits, guess = self._judge(critic, views, "fake", inputs, last)
            real_logits = None
            if self.loss.pairs:
                real_logits, _ = self._judge(critic, real_views, "real", inputs, last)
            loss = self.loss.generator(real_logits, fake_logits)
            metrics["loss_g"] = loss
            if guess is not None:
                metrics["guess_g"] = _guess_error(guess, inputs, last)
                loss = loss + self.config.guess_weight * metrics["guess_g"]
            return loss, (updated, stats, metrics)

        gradient = value_and_grad(generator_loss)
        (_, (players, stats, metrics)), gradients = gradient(generator["params"])
        return update_generator(state, players, gradients, stats, inputs, self.config), metrics

    def _draw(self, params: Any, stats: Any, inputs: Inputs, turn: int) -> tuple[Any, Any]:
        latent = inputs["latent"][turn]
        asked = [latent, inputs["condition"][turn]] if "condition" in inputs else latent
        return self._generator(params, stats, asked, True)

    def _views(self, images: Any, part: str, inputs: Inputs, turn: int) -> Views:
        """Return what the discriminator sees of pictures; `part` says whose draws augment them."""
        if self.config.diff_augment:
            draws = {k: v[turn] for k, v in inputs[f"augment_{part}"].items()}
            images = augment.apply(images, draws)
        return [images, *(self._features(images) if self._features else [])]

    def _judge(
        self, critic: Any, views: Views, part: str, inputs: Inputs, turn: int
    ) -> tuple[Any, Any]:
        """Return the logits [N, heads(, patches)] and the guessed condition (None without one)."""
        return self._verdict(critic, [*views, *self._beside(part, inputs, turn)])

    def _judge_both(
        self, critic: Any, real: Views, fake: Views, inputs: Inputs, turn: int
    ) -> tuple[Any, Any, Any]:
        """Return the real logits, the fake logits and the condition guessed from the real.

        One pass for both is faster than two of half the size, and the same: no discriminator here
        has batch norm, and groups whose variety it looks at never mix real and fake.
        """
        sides = (
            [*real, *self._beside("real", inputs, turn)],
            [*fake, *self._beside("fake", inputs, turn)],
        )
        joined = [ops.concatenate(pair) for pair in zip(*sides, strict=True)]
        logits, guess = self._verdict(critic, joined)
        count = real[0].shape[0]
        return logits[:count], logits[count:], None if guess is None else guess[:count]

    def _verdict(self, critic: Any, inputs: list[Any]) -> tuple[Any, Any]:
        outputs, _ = self._discriminator(critic["params"], critic["stats"], inputs, True)
        logits, *guess = keras.tree.flatten(outputs)
        return logits, guess[0] if guess else None

    @staticmethod
    def _beside(part: str, inputs: Inputs, turn: int) -> list[Any]:
        """Return what the discriminator gets besides views: the condition, dropout masks."""
        asked = [inputs["condition"][turn]] if "condition" in inputs else []
        return asked + [mask[turn] for mask in inputs[f"masks_{part}"]]

    def _update_discriminator(
        self, players: State, real: Views, fake: Views, inputs: Inputs, turn: int
    ) -> tuple[State, Metrics]:
        config = self.config
        stats = players["discriminator"]["stats"]

        def discriminator_loss(params: Any) -> tuple[Any, Metrics]:
            critic = {"params": params, "stats": stats}
            real_logits, fake_logits, guess = self._judge_both(critic, real, fake, inputs, turn)
            loss = self.loss.discriminator(real_logits, fake_logits, config.real_label)
            metrics = {
                "loss_d": loss,
                "real_logit": ops.mean(real_logits),
                "fake_logit": ops.mean(fake_logits),
            }
            if guess is not None:
                metrics["guess_d"] = _guess_error(guess, inputs, turn)
                loss = loss + config.guess_weight * metrics["guess_d"]
            penalty, measured = self._penalty(critic, real, fake, inputs, turn)
            return loss + penalty, metrics | measured

        gradient = value_and_grad(discriminator_loss)
        (_, metrics), gradients = gradient(players["discriminator"]["params"])
        params, slots = adam(
            players["discriminator"]["params"],
            gradients,
            players["adam_discriminator"],
            inputs["count_d"] + turn,
            inputs["learning_rate_d"],
            config.beta_1,
            inputs.get("beta_2", config.beta_2),
        )
        return {
            "discriminator": {"params": params, "stats": stats},
            "adam_discriminator": slots,
        }, metrics

    def _penalty(
        self, critic: Any, real: Views, fake: Views, inputs: Inputs, turn: int
    ) -> tuple[Any, Metrics]:
        """Return the gradient penalties of a configuration, weighted, and their plain values."""
        config = self.config

        def score(part: str) -> Callable[[Views], Any]:
            return lambda views: per_head(self._judge(critic, views, part, inputs, turn)[0])

        total, measured = 0.0, {}
        if config.loss == "wgan-gp":
            penalty = unit_gradient_penalty(score("real"), real, fake, inputs["mix"][turn])
            measured["gradient_penalty"] = penalty
            total = total + WGAN_PENALTY_WEIGHT * penalty
        if not self._with_penalty:
            return total, measured
        for name, gamma, part, views in (
            ("r1", config.r1_gamma, "real", real),
            ("r2", config.r2_gamma, "fake", fake),
        ):
            if gamma:
                measured[name] = zero_gradient_penalty(score(part), views)
                weight = inputs[f"{name}_gamma"] * config.r1_interval
                total = total + weight * measured[name]
        return total, measured


def per_head(logits: Any) -> Any:
    """Return one logit per head [N, heads]: the mean where a head judges patches."""
    return ops.mean(logits, axis=2) if len(logits.shape) == 3 else logits


def _guess_error(guess: Any, inputs: Inputs, turn: int) -> Any:
    """Return the mean squared error of the guessed condition where one is known."""
    known = inputs["known"][turn]
    error = ops.square(guess - inputs["condition"][turn]) * known
    return ops.sum(error) / (ops.sum(known) + 1e-6)
