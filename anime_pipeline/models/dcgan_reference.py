"""The original project's stage one, rebuilt: see `DCGAN_PRESETS["reference"]`."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from anime_pipeline.core.config import DcganConfig
from anime_pipeline.models.blocks import UpsampleConvTranspose, dtype_policy
from anime_pipeline.models.convolution import Conv2D
from anime_pipeline.models.initial import SeededNormal
from anime_pipeline.models.normalisation import BatchNormalization

REFERENCE_DROPOUT = 0.2


def dropout_shapes(config: DcganConfig) -> list[tuple[int, int, int]]:
    """Return the [H, W, C] of each dropout mask that the discriminator expects."""
    if config.architecture != "reference":
        return []
    size = config.image_size
    return [(size // 2**i, size // 2**i, 16 * 2**i) for i in range(1, 5)]


def _glorot(config: DcganConfig, name: str) -> SeededNormal:
    return SeededNormal(config.seed, f"dcgan reference {name}", gain=0)


def build_generator(config: DcganConfig) -> keras.Model:
    """Build the generator: latent [N, latent_dim] to images [N, S, S, 3] in [-1, 1]."""
    policy = dtype_policy(config.precision)
    half = config.image_size // 2

    def activate(x: Any, name: str) -> Any:
        x = layers.PReLU(name=f"prelu{name}", dtype=policy)(x)
        return BatchNormalization(momentum=0.5, name=f"bn{name}", dtype=policy)(x)

    latent = keras.Input((config.latent_dim,), name="latent")
    start = _glorot(config, "project")
    x = layers.Dense(half * half * 256, kernel_initializer=start, name="project", dtype=policy)(
        latent
    )
    x = layers.Reshape((half, half, 256), name="to_map", dtype=policy)(activate(x, "0"))

    def conv(x: Any, filters: int, name: str) -> Any:
        start = _glorot(config, name)
        return layers.Conv2DTranspose(
            filters, 5, padding="same", kernel_initializer=start, name=name, dtype=policy
        )(x)

    start = _glorot(config, "conv1")
    first = UpsampleConvTranspose(128, kernel_initializer=start, name="conv1", dtype=policy)
    x = activate(first(x), "1")  # [N, 32, 32, 128]
    for stage, filters in ((2, 64), (3, 32)):
        x = activate(conv(x, filters, f"conv{stage}"), str(stage))
    x = conv(x, 3, "to_rgb")
    image = layers.Activation("tanh", name="image", dtype="float32")(x)
    return keras.Model(latent, image, name="reference_dcgan_generator")


def build_discriminator(config: DcganConfig) -> keras.Model:
    """Build the discriminator: images [N, S, S, 3] and dropout masks to logits [N, 1]."""
    policy = dtype_policy(config.precision)
    image = keras.Input((config.image_size, config.image_size, 3), name="image")
    masks = [
        keras.Input(shape, name=f"mask{index}")
        for index, shape in enumerate(dropout_shapes(config), start=1)
    ]
    x: Any = image
    for stage, mask in enumerate(masks, start=1):  # 16x16x32, 8x8x64, 4x4x128, 2x2x256
        x = Conv2D(
            16 * 2**stage,
            5,
            strides=2,
            kernel_initializer=_glorot(config, f"critic down{stage}"),
            name=f"down{stage}",
            dtype=policy,
        )(x)
        x = layers.PReLU(name=f"prelu{stage}", dtype=policy)(x)
        x = layers.Multiply(name=f"dropout{stage}", dtype=policy)([x, mask])
    x = layers.Flatten(name="flatten", dtype=policy)(x)
    start = _glorot(config, "critic logits")
    logits = layers.Dense(1, kernel_initializer=start, name="logits", dtype="float32")(x)
    return keras.Model([image, *masks], logits, name="reference_dcgan_discriminator")
