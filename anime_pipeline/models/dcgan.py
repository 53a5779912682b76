"""Stage one: generators from latents to 32x32 faces, and their discriminators.

Radford et al., "Unsupervised Representation Learning with DCGANs", ICLR 2016. `modulated` and
`residual` are ours, `reference` reproduces the original project's networks. All pictures are in [-1, 1].
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from anime_pipeline.core.config import DcganConfig
from anime_pipeline.data.conditions import parse_names, width
from anime_pipeline.models import dcgan_reference, dcgan_residual
from anime_pipeline.models.blocks import (
    MinibatchStdDev,
    Modulate,
    UpsampleConv,
    dtype_policy,
)
from anime_pipeline.models.convolution import Conv2D
from anime_pipeline.models.initial import SeededNormal
from anime_pipeline.models.normalisation import BatchNormalization
from anime_pipeline.models.vgg import FeatureMap

STYLE = 128  # numbers that say how each layer of the generator is modulated
EMBEDDING = 64  # in which pictures and conditions are compared
HEAD = 128  # channels of a feature head


def build_generator(config: DcganConfig) -> keras.Model:
    """Build the generator.

    Input: latent [N, latent_dim], or [latent, condition [N, K]] where the configuration has a
    condition. Output: images [N, S, S, 3] float32 in [-1, 1].
    """
    if config.architecture == "reference":
        return dcgan_reference.build_generator(config)
    if config.architecture == "residual":
        return dcgan_residual.build_generator(config)
    return _generator(config)


def build_discriminator(
    config: DcganConfig, feature_maps: tuple[FeatureMap, ...] = ()
) -> keras.Model:
    """Build the discriminator: a list of inputs to [logits [N, heads], attributes [N, K]].

    Inputs: images [N, S, S, 3], then one per feature map, then the condition [N, K] if there
    is one, then (reference form) one dropout mask per hidden layer, so that randomness stays
    outside the model (see `dcgan_reference.dropout_shapes`). There is one head for the images and
    one per feature map; the attributes are guessed from the images, with a condition.
    """
    if config.architecture == "reference":
        return dcgan_reference.build_discriminator(config)
    if config.architecture == "residual":
        return dcgan_residual.build_discriminator(config, feature_maps)
    return _discriminator(config, feature_maps)


def _stages(config: DcganConfig) -> int:
    return (config.image_size // 4).bit_length() - 1


def _normal(config: DcganConfig, name: str) -> SeededNormal:
    return SeededNormal(config.seed, f"dcgan {name}", stddev=0.02)  # Radford et al., section 4


def _he(config: DcganConfig, name: str) -> SeededNormal:
    return SeededNormal(config.seed, f"dcgan critic {name}")


def _condition(config: DcganConfig) -> Any:
    names = parse_names(config.condition)
    return keras.Input((width(names),), name="condition") if names else None


def _generator(config: DcganConfig) -> keras.Model:
    stages = _stages(config)
    policy = dtype_policy(config.precision)
    top = config.width * 2**stages
    latent, condition = keras.Input((config.latent_dim,), name="latent"), _condition(config)
    inputs = latent if condition is None else [latent, condition]
    asked = latent if condition is None else layers.Concatenate(name="wish")(inputs)
    # The latent modulates every layer, not the first one alone (Chen et al., "On self modulation
    # for GANs", ICLR 2019), and the condition with it.
    style = layers.Dense(STYLE, kernel_initializer=_he(config, "g style"), name="style")(asked)
    style = layers.LeakyReLU(0.2, name="style_lrelu")(style)

    def normalise(x: Any, name: str) -> Any:
        x = BatchNormalization(
            momentum=0.9, epsilon=1e-5, center=False, scale=False, name=f"bn{name}", dtype=policy
        )(x)
        start = _normal(config, f"modulate{name}")
        x = Modulate(kernel_initializer=start, name=f"modulate{name}", dtype=policy)([x, style])
        return layers.ReLU(name=f"relu{name}", dtype=policy)(x)

    def conv(x: Any, filters: int, name: str, bias: bool) -> Any:
        return Conv2D(
            filters,
            3,
            use_bias=bias,
            kernel_initializer=_normal(config, name),
            name=name,
            dtype=policy,
        )(x)

    x = layers.Dense(
        4 * 4 * top,
        use_bias=False,
        kernel_initializer=_normal(config, "project"),
        name="project",
        dtype=policy,
    )(asked)
    x = layers.Reshape((4, 4, top), name="to_map", dtype=policy)(x)  # [N, 4, 4, 8w]
    x = normalise(x, "0")
    for stage in range(1, stages + 1):  # 8x8x4w, 16x16x2w, 32x32xw
        filters = top // 2**stage
        start = _normal(config, f"up{stage}")
        up = UpsampleConv(filters, kernel_initializer=start, name=f"up{stage}", dtype=policy)
        x = normalise(up(x), str(stage))
    # An upsampled map is smooth: lines need a layer at full resolution.
    x = normalise(conv(x, config.width, "refine", bias=False), "_refine")
    x = conv(x, 3, "to_rgb", bias=True)
    image = layers.Activation("tanh", name="image", dtype="float32")(x)
    return keras.Model(inputs, image, name="dcgan_generator")


def _discriminator(config: DcganConfig, feature_maps: tuple[FeatureMap, ...]) -> keras.Model:
    stages = _stages(config)
    policy = dtype_policy(config.precision)
    image, condition = keras.Input((config.image_size,) * 2 + (3,), name="image"), None
    maps = [
        keras.Input((each.size, each.size, each.channels), name=each.name) for each in feature_maps
    ]
    condition = _condition(config)

    def down(x: Any, filters: int, name: str) -> Any:
        halves = x.shape[1] > 4
        x = Conv2D(
            filters,
            4 if halves else 3,
            strides=2 if halves else 1,
            kernel_initializer=_he(config, name),
            name=name,
            dtype=policy,
        )(x)
        return layers.LeakyReLU(0.2, name=f"{name}_lrelu", dtype=policy)(x)

    def spread(x: Any, name: str) -> Any:
        """Show how much the batch varies, before a head's last convolution, which can use it."""
        return MinibatchStdDev(name=name, dtype=policy)(x) if config.minibatch_std else x

    x: Any = image
    for stage in range(1, stages + 1):  # 16x16x2w, 8x8x4w, 4x4x8w
        if stage == stages:
            x = spread(x, "minibatch_stddev")
        x = down(x, config.width_d * 2**stage, f"down{stage}")
    logits = [_head(config, x, condition, "")]
    for each, features in zip(feature_maps, maps, strict=True):
        y = down(features, HEAD, f"{each.name}_down1")
        y = down(spread(y, f"{each.name}_stddev"), HEAD, f"{each.name}_2")
        logits.append(_head(config, y, condition, f"{each.name}_"))
    outputs = [layers.Concatenate(name="verdicts", dtype="float32")(logits)]
    inputs = [image, *maps]
    if len(logits) == 1:
        outputs = [logits[0]]
    if condition is not None:
        inputs.append(condition)
        pooled = layers.GlobalAveragePooling2D(name="guess_pool", dtype="float32")(x)
        start = _he(config, "guess")
        guess = layers.Dense(condition.shape[1], kernel_initializer=start, name="guess")
        outputs.append(guess(pooled))
    return keras.Model(inputs, outputs, name="dcgan_discriminator")


def _head(config: DcganConfig, x: Any, condition: Any, prefix: str) -> Any:
    """Return a head's logit [N, 1]: real or not, and whether it shows what was asked for.

    The second part is a projection (Miyato and Koyama, "cGANs with projection discriminator",
    ICLR 2018) of the pooled features on an embedding of the condition.
    """

    def dense(units: int, name: str, bias: bool = True) -> layers.Dense:
        return layers.Dense(
            units,
            use_bias=bias,
            kernel_initializer=_he(config, f"{prefix}{name}"),
            name=f"{prefix}{name}",
            dtype="float32",
        )

    flat = layers.Flatten(name=f"{prefix}flatten", dtype="float32")(x)
    logits = dense(1, "logits")(flat)
    if condition is None:
        return logits
    asked = layers.LeakyReLU(0.2, name=f"{prefix}asked_lrelu")(
        dense(EMBEDDING, "asked1")(condition)
    )
    asked = dense(EMBEDDING, "asked2")(asked)
    pooled = layers.GlobalAveragePooling2D(name=f"{prefix}pool", dtype="float32")(x)
    shown = dense(EMBEDDING, "shown", bias=False)(pooled)
    match = ops.sum(asked * shown, axis=-1, keepdims=True) / EMBEDDING**0.5
    return layers.Add(name=f"{prefix}verdict", dtype="float32")([logits, match])
