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
MOST_SHIFT = 8  # pixels, the step from one place of the deepest map to the next


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
            pixel = pixel_loss(self.config, image, hr_image)
            metrics = {"loss_pixel": pixel}
            if not self.adversarial:
                return pixel, (players, stats, metrics)
            fakes = [(ops.stop_gradient(image), inputs["label_fake"])]
            updated, d_metrics = update_discriminator(
                self.discriminator, self.config, players, hr_image, fakes, inputs
            )
            adversarial = adversarial_loss(self.discriminator, updated, image)
            loss = self.config.pixel_weight * pixel + self.config.adversarial_weight * adversarial
            metrics |= d_metrics | {"loss_adversarial": adversarial}
            if self.vgg is not None:
                perceptual = feature_loss(self.vgg, image, hr_image, inputs["shift"])
                metrics["loss_perceptual"] = perceptual
                loss = loss + self.config.perceptual_weight * perceptual
            return loss, (updated, stats, metrics)

        gradient = value_and_grad(generator_loss)
        (_, (players, stats, metrics)), gradients = gradient(generator["params"])
        return update_generator(state, players, gradients, stats, inputs, self.config), metrics


def pixel_loss(config: SrganConfig, image: Any, hr_image: Any) -> Any:
    """Return the mean distance of pictures, by the configuration's measure."""
    difference = image - hr_image
    if config.pixel_loss == "mse":
        return ops.mean(ops.square(difference))
    return ops.mean(ops.abs(difference))


def adversarial_loss(discriminator: Network, players: State, image: Any) -> Any:
    """Return how far made pictures are from passing for real, the discriminator held fixed."""
    fixed = keras.tree.map_structure(ops.stop_gradient, players["discriminator"])
    logits, _ = discriminator(fixed["params"], fixed["stats"], image, True)
    return ops.mean(ops.softplus(-logits))


def update_discriminator(
    discriminator: Network,
    config: SrganConfig,
    players: State,
    real: Any,
    fakes: list[tuple[Any, Any]],
    inputs: Inputs,
) -> tuple[State, Metrics]:
    """Return the discriminator's entries of the state after one update, and its metrics.

    Args:
        discriminator: The discriminator of patches.
        config: The run's configuration.
        players: Holds the discriminator's entries.
        real: Real pictures [N, S, S, 3] in [-1, 1].
        fakes: Batches of made ones, each with its labels [N]; each counts alike.
        inputs: The step's arrays.
    """
    old = players["discriminator"]

    def discriminator_loss(params: Any) -> tuple[Any, Any]:
        # Separate passes: batch norm (in the reference) must not mix real and fake statistics.
        real_logits, stats = discriminator(params, old["stats"], real, True)
        loss = _cross_entropy(real_logits, inputs["label_real"])
        for fake, labels in fakes:
            fake_logits, stats = discriminator(params, stats, fake, True)
            loss = loss + _cross_entropy(fake_logits, labels) / len(fakes)
        metrics = {
            "loss_d": loss,
            "real_logit": ops.mean(real_logits),
            "fake_logit": ops.mean(fake_logits),
        }
        return loss, (stats, metrics)

    gradient = value_and_grad(discriminator_loss)
    (_, (stats, metrics)), gradients = gradient(old["params"])
    updated = update_player("discriminator", players, gradients, stats, inputs, config)
    return updated, metrics


def _cross_entropy(logits: Any, labels: Any) -> Any:
    """Cross-entropy of logits [N, ...] against one label in [0, 1] per picture [N]."""
    shape = (-1,) + (1,) * (len(logits.shape) - 1)
    return ops.mean(ops.softplus(logits) - ops.reshape(labels, shape) * logits)


def feature_loss(vgg: keras.Model, image: Any, hr_image: Any, shift: Any) -> Any:
    """Mean squared distance of VGG maps, each pixel's channels scaled to unit length.

    The unweighted form of Zhang et al., "The Unreasonable Effectiveness of Deep Features as a
    Perceptual Metric", CVPR 2018, equation 1: strong and weak activations count alike.

    Args:
        vgg: Gives the maps of `VGG_LAYERS`.
        image: Made pictures [N, S, S, 3] in [-1, 1].
        hr_image: Real ones.
        shift: int32 [2], where the window begins that is looked at. Every fourth pixel comes from
            the same place of the generator's last map, and VGG halves by the same grid: unmoved,
            its pools would see some of them always and some never, and a mesh appears.
    """
    count, height, width, _ = image.shape
    if min(height, width) >= 4 * MOST_SHIFT:
        size = (count, height - MOST_SHIFT, width - MOST_SHIFT, 3)
        start = ops.concatenate([ops.zeros(1, "int32"), shift, ops.zeros(1, "int32")])
        image, hr_image = ops.slice(image, start, size), ops.slice(hr_image, start, size)
    total: Any = 0.0
    targets = vgg(hr_image, training=False)
    for ours, target in zip(vgg(image, training=False), targets, strict=True):
        difference = unit_length(ours) - ops.stop_gradient(unit_length(target))
        total = total + ops.mean(ops.sum(ops.square(difference), axis=-1))
    return total / len(VGG_LAYERS)


def unit_length(maps: Any) -> Any:
    """Scale each pixel's channels of a map to unit length."""
    maps = ops.cast(maps, "float32")
    return maps * ops.rsqrt(ops.sum(ops.square(maps), axis=-1, keepdims=True) + 1e-8)
