"""One SRGAN training step of either phase, a pure function of (state, inputs)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from anime_pipeline.core.config import SrganConfig
from anime_pipeline.models.backend import value_and_grad
from anime_pipeline.models.network import Network
from anime_pipeline.models.ranges import lr_to_model, to_model
from anime_pipeline.training.gan.state import (
    Inputs,
    Metrics,
    State,
    discriminator_of,
    update_generator,
    update_player,
)

# From line work to parts of faces: the last map before each of VGG16's pools.
VGG_LAYERS = ("block1_conv2", "block2_conv2", "block3_conv3", "block4_conv3")


@dataclass(eq=False)
class SrganStep:
    """The step for one configuration and phase.

    Fidelity: the pixel loss alone (the paper's SRResNet). Adversarial: pixel + VGG feature +
    adversarial loss (the paper's equation 3); both players share one generator pass.

    Attributes:
        config: The run's configuration.
        generator: The generator.
        discriminator: The discriminator.
        vgg: Gives the maps of `VGG_LAYERS`, or None without a feature loss.
        adversarial: Whether this is a step of the second phase.
    """

    config: SrganConfig
    generator: Network
    discriminator: Network
    vgg: keras.Model | None
    adversarial: bool

    def __call__(self, state: State, inputs: Inputs) -> tuple[State, Metrics]:
        """Advance the state by one step; see `SrganTask.inputs` for the arrays."""
        generator = state["generator"]
        lr_image, hr_image = lr_to_model(inputs["lr_image"]), to_model(inputs["hr_image"])
        players = discriminator_of(state)

        def generator_loss(params: Any) -> tuple[Any, Any]:
            image, stats = self.generator(params, generator["stats"], lr_image, True)
            pixel = self._pixel_loss(image, hr_image)
            metrics = {"loss_pixel": pixel}
            if not self.adversarial:
                return pixel, (players, stats, metrics)
            updated, d_metrics = self._update_discriminator(
                players, hr_image, ops.stop_gradient(image), inputs
            )
            critic = keras.tree.map_structure(ops.stop_gradient, updated["discriminator"])
            logits, _ = self.discriminator(critic["params"], critic["stats"], image, True)
            adversarial = ops.mean(ops.softplus(-logits))
            loss = self.config.pixel_weight * pixel + self.config.adversarial_weight * adversarial
            metrics |= d_metrics | {"loss_adversarial": adversarial}
            if self.vgg is not None:
                perceptual = _feature_loss(self.vgg, image, hr_image)
                metrics["loss_perceptual"] = perceptual
                loss = loss + self.config.perceptual_weight * perceptual
            return loss, (updated, stats, metrics)

        gradient = value_and_grad(generator_loss)
        (_, (players, stats, metrics)), gradients = gradient(generator["params"])
        return update_generator(state, players, gradients, stats, inputs, self.config), metrics

    def _pixel_loss(self, image: Any, hr_image: Any) -> Any:
        difference = image - hr_image
        if self.config.pixel_loss == "mse":
            return ops.mean(ops.square(difference))
        return ops.mean(ops.abs(difference))

    def _update_discriminator(
        self, players: State, real: Any, fake: Any, inputs: Inputs
    ) -> tuple[State, Metrics]:
        old = players["discriminator"]

        def discriminator_loss(params: Any) -> tuple[Any, Any]:
            # Separate passes: batch norm (in the reference) must not mix real and fake statistics.
            real_logits, stats = self.discriminator(params, old["stats"], real, True)
            fake_logits, stats = self.discriminator(params, stats, fake, True)
            loss = _cross_entropy(real_logits, inputs["label_real"])
            loss = loss + _cross_entropy(fake_logits, inputs["label_fake"])
            metrics = {
                "loss_d": loss,
                "real_logit": ops.mean(real_logits),
                "fake_logit": ops.mean(fake_logits),
            }
            return loss, (stats, metrics)

        gradient = value_and_grad(discriminator_loss)
        (_, (stats, metrics)), gradients = gradient(old["params"])
        updated = update_player("discriminator", players, gradients, stats, inputs, self.config)
        return updated, metrics


def _cross_entropy(logits: Any, labels: Any) -> Any:
    """Cross-entropy of logits [N, ...] against one label in [0, 1] per picture [N]."""
    shape = (-1,) + (1,) * (len(logits.shape) - 1)
    return ops.mean(ops.softplus(logits) - ops.reshape(labels, shape) * logits)


def _feature_loss(vgg: keras.Model, image: Any, hr_image: Any) -> Any:
    """Mean squared distance of VGG maps, each pixel's channels scaled to unit length.

    The unweighted form of Zhang et al., "The Unreasonable Effectiveness of Deep Features as a
    Perceptual Metric", CVPR 2018, equation 1: strong and weak activations count alike.
    """
    total: Any = 0.0
    targets = vgg(hr_image, training=False)
    for ours, target in zip(vgg(image, training=False), targets, strict=True):
        difference = _unit_length(ours) - ops.stop_gradient(_unit_length(target))
        total = total + ops.mean(ops.sum(ops.square(difference), axis=-1))
    return total / len(VGG_LAYERS)


def _unit_length(maps: Any) -> Any:
    maps = ops.cast(maps, "float32")
    return maps * ops.rsqrt(ops.sum(ops.square(maps), axis=-1, keepdims=True) + 1e-8)
