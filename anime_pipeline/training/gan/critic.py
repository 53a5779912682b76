"""The discriminator's half of a step: what it sees of pictures, its logits and its update.

Stage one plays against it from the start; stage two's `faces` phase, too, with larger pictures.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from anime_pipeline.core.config import DcganConfig
from anime_pipeline.models.backend import value_and_grad
from anime_pipeline.models.feature_extractor import FeatureExtractor
from anime_pipeline.models.network import Network
from anime_pipeline.training.gan import augment
from anime_pipeline.training.gan.losses import (
    LOSSES,
    WGAN_PENALTY_WEIGHT,
    unit_gradient_penalty,
    zero_gradient_penalty,
)
from anime_pipeline.training.gan.state import Inputs, Metrics, State, update_player

Views = list[Any]  # what the discriminator sees of some pictures: themselves, and features


@dataclass(eq=False)
class Critic:
    """A discriminator and how it is trained, for one configuration.

    Attributes:
        config: The run's configuration.
        discriminator: The discriminator.
        features: What gives it views besides the pictures, or None.
        with_penalty: Whether this is one of the steps with the lazy penalties.
    """

    config: DcganConfig
    discriminator: Network
    features: FeatureExtractor | None
    with_penalty: bool

    def views(self, images: Any, part: str, batch: Inputs) -> Views:
        """Return what the discriminator sees of pictures; `part` says whose draws augment them."""
        if self.config.diff_augment:
            images = augment.apply(images, batch[f"augment_{part}"])
        return [images, *(self.features(images) if self.features else [])]

    def logits(self, critic: Any, views: Views, part: str, batch: Inputs) -> tuple[Any, Any]:
        """Return the logits [N, heads(, patches)] and the guessed condition (None without one)."""
        return self._apply(critic, [*views, *_beside(part, batch)])

    def _logits_of_both(
        self, critic: Any, real: Views, fake: Views, batch: Inputs
    ) -> tuple[Any, Any, Any]:
        """Return the real logits, the fake logits and the condition guessed from the real.

        One pass for both is faster than two of half the size, and the same: no discriminator here
        has batch norm, and groups whose variety it looks at never mix real and fake.
        """
        sides = [*real, *_beside("real", batch)], [*fake, *_beside("fake", batch)]
        joined = [ops.concatenate(pair) for pair in zip(*sides, strict=True)]
        logits, guess = self._apply(critic, joined)
        count = real[0].shape[0]
        return logits[:count], logits[count:], None if guess is None else guess[:count]

    def _apply(self, critic: Any, inputs: list[Any]) -> tuple[Any, Any]:
        outputs, _ = self.discriminator(critic["params"], critic["stats"], inputs, True)
        logits, *guess = keras.tree.flatten(outputs)
        return logits, guess[0] if guess else None

    def generator_loss(
        self, critic: Any, real: Views, fake: Views, batch: Inputs
    ) -> tuple[Any, Metrics]:
        """Return what the generator is to lower against `critic`, and its parts."""
        loss_of = LOSSES[self.config.loss]
        fake_logits, guess = self.logits(critic, fake, "fake", batch)
        real_logits = None
        if loss_of.pairs:
            real_logits, _ = self.logits(critic, real, "real", batch)
        loss = loss_of.generator(real_logits, fake_logits)
        metrics = {"loss_g": loss}
        if guess is not None:
            metrics["guess_g"] = _guess_error(guess, batch)
            loss = loss + self.config.guess_weight * metrics["guess_g"]
        return loss, metrics

    def update(
        self, players: State, real: Views, fake: Views, batch: Inputs
    ) -> tuple[State, Metrics]:
        """Return the discriminator's entries of the state after one update, and its metrics."""
        config, loss_of = self.config, LOSSES[self.config.loss]
        stats = players["discriminator"]["stats"]

        def discriminator_loss(params: Any) -> tuple[Any, Metrics]:
            critic = {"params": params, "stats": stats}
            real_logits, fake_logits, guess = self._logits_of_both(critic, real, fake, batch)
            loss = loss_of.discriminator(real_logits, fake_logits, config.real_label)
            metrics = {
                "loss_d": loss,
                "real_logit": ops.mean(real_logits),
                "fake_logit": ops.mean(fake_logits),
            }
            if guess is not None:
                metrics["guess_d"] = _guess_error(guess, batch)
                loss = loss + config.guess_weight * metrics["guess_d"]
            penalty, measured = self._penalty(critic, real, fake, batch)
            return loss + penalty, metrics | measured

        gradient = value_and_grad(discriminator_loss)
        (_, metrics), gradients = gradient(players["discriminator"]["params"])
        updated = update_player("discriminator", players, gradients, stats, batch, config)
        return updated, metrics

    def _penalty(self, critic: Any, real: Views, fake: Views, batch: Inputs) -> tuple[Any, Metrics]:
        """Return the gradient penalties of a configuration, weighted, and their plain values."""
        config = self.config

        # Of the pixels' votes one: repeated, they would count by their square.
        first = config.pixel_votes - 1 if len(real) > 1 else 0

        def score(part: str) -> Callable[[Views], Any]:
            return lambda views: per_head(self.logits(critic, views, part, batch)[0])[:, first:]

        total, measured = 0.0, {}
        if config.loss == "wgan-gp":
            penalty = unit_gradient_penalty(score("real"), real, fake, batch["mix"])
            measured["gradient_penalty"] = penalty
            total = total + WGAN_PENALTY_WEIGHT * penalty
        if not self.with_penalty:
            return total, measured
        for name, gamma, part, views in (
            ("r1", config.r1_gamma, "real", real),
            ("r2", config.r2_gamma, "fake", fake),
        ):
            if gamma:
                measured[name] = zero_gradient_penalty(score(part), views)
                weight = batch[f"{name}_gamma"] * config.r1_interval
                total = total + weight * measured[name]
        return total, measured


def per_head(logits: Any) -> Any:
    """Return one logit per head [N, heads]: the mean where a head sees patches."""
    return ops.mean(logits, axis=2) if len(logits.shape) == 3 else logits


def _beside(part: str, batch: Inputs) -> list[Any]:
    """Return what the discriminator gets besides views: the condition, dropout masks."""
    asked = [batch["condition"]] if "condition" in batch else []
    return [*asked, *batch[f"masks_{part}"]]


def _guess_error(guess: Any, batch: Inputs) -> Any:
    """Return the mean squared error of the guessed condition where one is known."""
    error = ops.square(guess - batch["condition"]) * batch["known"]
    return ops.sum(error) / (ops.sum(batch["known"]) + 1e-6)
