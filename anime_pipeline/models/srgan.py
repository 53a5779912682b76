"""Stage two in Keras: 4x super-resolution generators and their discriminators."""

from __future__ import annotations

import keras

from anime_pipeline.architectures import architecture_of, discriminator_of, generator_of
from anime_pipeline.core.config import SrganConfig
from anime_pipeline.models.keras_layers import keras_model


def build_generator(config: SrganConfig) -> keras.Model:
    """Build the upscaler: [N, H, W, 3] in [0, 1] to [N, 4H, 4W, 3] float32 in about [-1, 1]."""
    seeds = architecture_of(config).seeds[0]
    return keras_model(config, seeds, *generator_of(config), "srgan_generator")


def build_discriminator(config: SrganConfig) -> keras.Model:
    """Build the discriminator: images [N, S, S, 3] to float32 logits, [N, h, w, 1] or [N, 1]."""
    seeds = architecture_of(config).seeds[1]
    [image], [logits] = discriminator_of(config)
    return keras_model(config, seeds, [image], logits, "srgan_discriminator")
