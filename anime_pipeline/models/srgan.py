"""Stage two: 4x super-resolution generators and their discriminators.

Ledig et al., "Photo-Realistic Single Image Super-Resolution Using a GAN", CVPR 2017. LR pictures
enter in [0, 1], HR pictures leave and are judged in [-1, 1], as in the paper's section 3.2.

`best` keeps the paper's trunk (16 residual blocks, 64 channels, PReLU, pixel shuffle) and differs
where it costs quality or time: no batch norm (Lim et al., EDSR, 2017), the input added back at the
end so that the network learns only what is missing, and a last convolution before the last shuffle.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from anime_pipeline.core.config import SCALE, SrganConfig
from anime_pipeline.models.blocks import DepthToSpace, dtype_policy
from anime_pipeline.models.convolution import Conv2D
from anime_pipeline.models.initial import SeededNormal
from anime_pipeline.models.normalisation import BatchNormalization


def build_generator(config: SrganConfig) -> keras.Model:
    """Build the upscaler: [N, H, W, 3] in [0, 1] to [N, 4H, 4W, 3] float32 in about [-1, 1]."""
    builder = _reference_generator if config.architecture == "reference" else _generator
    return builder(config)


def build_discriminator(config: SrganConfig) -> keras.Model:
    """Build the discriminator: images [N, S, S, 3] to float32 logits, [N, h, w, 1] or [N, 1]."""
    builder = _reference_discriminator if config.architecture == "reference" else _discriminator
    return builder(config)


def _start(config: SrganConfig, name: str, gain: float = 2.0) -> SeededNormal:
    return SeededNormal(config.seed, f"srgan {name}", gain=gain)


def _generator(config: SrganConfig) -> keras.Model:
    policy = dtype_policy(config.precision)
    channels = config.channels

    def conv(x: Any, filters: int, name: str, gain: float = 2.0) -> Any:
        return Conv2D(
            filters,
            3,
            kernel_initializer=_start(config, name, gain),
            name=name,
            dtype=policy,
        )(x)

    def prelu(x: Any, name: str) -> Any:
        slope = keras.initializers.Constant(0.25)
        return layers.PReLU(slope, shared_axes=[1, 2], name=name, dtype=policy)(x)

    lr_image = keras.Input((None, None, 3), name="lr_image")
    centred = lr_image * 2.0 - 1.0  # not a Rescaling layer: on JAX that one needs TensorFlow
    trunk = x = prelu(conv(centred, channels, "head"), "head_prelu")
    for block in range(1, config.blocks + 1):
        y = prelu(conv(x, channels, f"block{block}_conv1"), f"block{block}_prelu")
        # Near zero at the start: sixteen blocks then begin as the identity and train stably.
        y = conv(y, channels, f"block{block}_conv2", gain=0.02)
        x = layers.Add(name=f"block{block}_add", dtype=policy)([x, y])
    x = conv(x, channels, "trunk", gain=0.2)
    x = layers.Add(name="trunk_add", dtype=policy)([x, trunk])
    x = prelu(conv(x, 4 * channels, "up1"), "up1_prelu")
    x = DepthToSpace(2, name="shuffle1", dtype=policy)(x)  # [N, 2H, 2W, C]
    x = conv(x, 4 * 3, "to_rgb", gain=0.02)
    detail = DepthToSpace(2, name="shuffle2", dtype="float32")(x)  # [N, 4H, 4W, 3]
    base = layers.UpSampling2D(SCALE, name="base", dtype="float32")(centred)
    image = layers.Add(name="hr_image", dtype="float32")([base, detail])
    return keras.Model(lr_image, image, name="srgan_generator")


def _critic_trunk(config: SrganConfig, image: Any, name: str, gain: float, normalise: bool) -> Any:
    """The paper's figure 4: eight convolutions, every other one halving the size."""
    policy = dtype_policy(config.precision)
    x = image
    plan = ((1, 1), (1, 2), (2, 1), (2, 2), (4, 1), (4, 2), (8, 1), (8, 2))
    for index, (factor, strides) in enumerate(plan, start=1):
        x = Conv2D(
            factor * config.width_d,
            3,
            strides=strides,
            kernel_initializer=_start(config, f"{name} conv{index}", gain),
            name=f"conv{index}",
            dtype=policy,
        )(x)
        x = layers.LeakyReLU(0.2, name=f"lrelu{index}", dtype=policy)(x)
        if normalise and index > 1:
            x = BatchNormalization(momentum=0.5, name=f"bn{index}", dtype=policy)(x)
    return x


def _discriminator(config: SrganConfig) -> keras.Model:
    image = keras.Input((None, None, 3), name="image")
    x = _critic_trunk(config, image, "critic", gain=2.0, normalise=False)
    start = _start(config, "critic logits", gain=1.0)
    logits = Conv2D(1, 1, kernel_initializer=start, name="logits", dtype="float32")(x)
    return keras.Model(image, logits, name="srgan_discriminator")


def _reference_generator(config: SrganConfig) -> keras.Model:
    policy = dtype_policy(config.precision)

    def conv(x: Any, filters: int, size: int, name: str) -> Any:
        start = _start(config, f"reference {name}", gain=0)
        return Conv2D(filters, size, kernel_initializer=start, name=name, dtype=policy)(x)

    def prelu(x: Any, name: str) -> Any:
        return layers.PReLU(shared_axes=[1, 2], name=name, dtype=policy)(x)

    def norm(x: Any, name: str) -> Any:
        return BatchNormalization(momentum=0.5, name=name, dtype=policy)(x)

    lr_image = keras.Input((None, None, 3), name="lr_image")
    trunk = x = prelu(conv(lr_image, 64, 9, "head"), "head_prelu")
    for block in range(1, config.blocks + 1):
        y = norm(conv(x, 64, 3, f"block{block}_conv1"), f"block{block}_bn1")
        y = conv(prelu(y, f"block{block}_prelu"), 64, 3, f"block{block}_conv2")
        y = norm(y, f"block{block}_bn2")
        x = layers.Add(name=f"block{block}_add", dtype=policy)([x, y])
    x = norm(conv(x, 64, 3, "trunk"), "trunk_bn")
    x = layers.Add(name="trunk_add", dtype=policy)([x, trunk])
    for stage in (1, 2):
        x = conv(x, 256, 3, f"up{stage}")
        x = layers.UpSampling2D(name=f"upsample{stage}", dtype=policy)(x)
        x = prelu(x, f"up{stage}_prelu")
    x = conv(x, 3, 9, "to_rgb")
    image = layers.Activation("tanh", name="hr_image", dtype="float32")(x)
    return keras.Model(lr_image, image, name="reference_srgan_generator")


def _reference_discriminator(config: SrganConfig) -> keras.Model:
    policy = dtype_policy(config.precision)
    side = config.crop_size or config.hr_size
    image = keras.Input((side, side, 3), name="image")
    x = _critic_trunk(config, image, "reference critic", gain=0, normalise=True)
    x = layers.Flatten(name="flatten", dtype=policy)(x)
    start = _start(config, "reference critic dense", gain=0)
    x = layers.Dense(1024, kernel_initializer=start, name="dense", dtype=policy)(x)
    x = layers.LeakyReLU(0.2, name="lrelu_dense", dtype=policy)(x)
    start = _start(config, "reference critic logits", gain=0)
    logits = layers.Dense(1, kernel_initializer=start, name="logits", dtype="float32")(x)
    return keras.Model(image, logits, name="reference_srgan_discriminator")
