"""Stage one in Keras: generators from latents to faces, and their discriminators, in [-1, 1]."""

from __future__ import annotations

from dataclasses import astuple

import keras

from anime_pipeline.architectures import architecture_of, discriminator_of, generator_of
from anime_pipeline.core.config import DcganConfig
from anime_pipeline.data.conditions import parse_names, width
from anime_pipeline.models.keras_layers import keras_model
from anime_pipeline.models.vgg import FeatureMap


def build_generator(config: DcganConfig) -> keras.Model:
    """Build the generator.

    Input: latent [N, latent_dim], or [latent, condition [N, K]] where the configuration has a
    condition. Output: images [N, S, S, 3] float32 in [-1, 1].
    """
    inputs, image = generator_of(config, width(parse_names(config.condition)))
    seeds = architecture_of(config).seeds[0]
    return keras_model(config, seeds, inputs, image, "dcgan_generator")


def build_discriminator(
    config: DcganConfig, feature_maps: tuple[FeatureMap, ...] = ()
) -> keras.Model:
    """Build the discriminator: a list of inputs to [logits [N, heads], attributes [N, K]].

    Inputs: images [N, S, S, 3], then one per feature map, then the condition [N, K] if there
    is one, then the architecture's dropout masks, so that randomness stays outside the model.
    There is one head for the images and one per feature map (`residual`: of 16 patches); the
    attributes are guessed from the images, with a condition.
    """
    maps = map(astuple, feature_maps)
    inputs, outputs = discriminator_of(config, maps, width(parse_names(config.condition)))
    seeds = architecture_of(config).seeds[1]
    return keras_model(config, seeds, inputs, outputs, "dcgan_discriminator")
