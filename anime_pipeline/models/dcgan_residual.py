"""Stage one, `residual`: plain residual networks without normalisation, and a critic of patches.

Huang et al., "The GAN is dead; long live the GAN! A Modern Baseline GAN", NeurIPS 2024 (R3GAN):
with relativistic pairs and both zero-centred penalties, residual blocks whose last convolution
starts at zero need no batch normalisation, so there are no statistics to keep. Ours differ: full
convolutions instead of grouped ones (faster on every processor here at these widths), a style that
modulates each block, and beside the critic of pixels one head per VGG16 map
(`models.feature_extractor`), each judging a 4x4 grid of patches. All pictures are in [-1, 1].
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from anime_pipeline.core.config import DcganConfig
from anime_pipeline.data.conditions import parse_names, width
from anime_pipeline.models.blocks import MinibatchStdDev, Modulate, UpsampleBilinear, dtype_policy
from anime_pipeline.models.convolution import Conv2D
from anime_pipeline.models.initial import SeededNormal
from anime_pipeline.models.residual_plan import SLOPE, START, blocks_at, channels_at, sizes
from anime_pipeline.models.vgg import FeatureMap

STYLE = 128  # numbers that say how each block of the generator is modulated
EMBEDDING = 64  # in which pictures and conditions are compared
HEAD = 128  # channels of a feature head


class _Builder:
    """Layers of one configuration, named and seeded."""

    def __init__(self, config: DcganConfig, player: str) -> None:
        self.config = config
        self.player = player
        self.policy = dtype_policy(config.precision)

    def start(self, name: str, gain: float = 2.0) -> Any:
        if not gain:
            return "zeros"
        return SeededNormal(self.config.seed, f"dcgan residual {self.player} {name}", gain=gain)

    def conv(
        self, x: Any, filters: int, size: int, name: str, stride: int = 1, gain: float = 2.0
    ) -> Any:
        return Conv2D(
            filters,
            size,
            strides=stride,
            kernel_initializer=self.start(name, gain),
            name=name,
            dtype=self.policy,
        )(x)

    def dense(self, x: Any, units: int, name: str, bias: bool = True, gain: float = 2.0) -> Any:
        start = self.start(name, gain)
        return layers.Dense(
            units, use_bias=bias, kernel_initializer=start, name=name, dtype="float32"
        )(x)

    def lrelu(self, x: Any, name: str) -> Any:
        return layers.LeakyReLU(SLOPE, name=f"{name}_lrelu", dtype=self.policy)(x)

    def block(self, x: Any, name: str, style: Any = None) -> Any:
        """Return x plus two 3x3 convolutions of it; between them the style scales and shifts."""
        filters = x.shape[-1]
        y = self.conv(self.lrelu(x, name), filters, 3, f"{name}_conv1")
        if style is not None:
            y = Modulate(
                kernel_initializer=self.start(f"{name}_modulate", gain=0.1),
                name=f"{name}_modulate",
                dtype=self.policy,
            )([y, style])
        # Zero at first: the network begins as its skips alone, and stays stable without norms.
        y = self.conv(self.lrelu(y, f"{name}_inner"), filters, 3, f"{name}_conv2", gain=0)
        return layers.Add(name=f"{name}_add", dtype=self.policy)([x, y])

    def condition(self) -> Any:
        names = parse_names(self.config.condition)
        return keras.Input((width(names),), name="condition") if names else None


def build_generator(config: DcganConfig) -> keras.Model:
    """Build the generator, see `models.dcgan.build_generator`."""
    make = _Builder(config, "generator")
    latent, condition = keras.Input((config.latent_dim,), name="latent"), make.condition()
    inputs = latent if condition is None else [latent, condition]
    asked = latent if condition is None else layers.Concatenate(name="wish")(inputs)
    style = layers.LeakyReLU(SLOPE, name="style_lrelu")(make.dense(asked, STYLE, "style"))
    x: Any = None
    for size in sizes(config):
        filters = channels_at(config.width, size, config.image_size)
        if x is None:
            x = layers.Dense(
                START * START * filters,
                kernel_initializer=make.start("project", gain=1.0),
                name="project",
                dtype=make.policy,
            )(asked)
            x = layers.Reshape((START, START, filters), name="to_map", dtype=make.policy)(x)
        else:
            # Fewer channels first: at one pixel each, before and after enlarging are the same.
            x = make.conv(x, filters, 1, f"narrow{size}", gain=1.0)
            x = UpsampleBilinear(name=f"up{size}", dtype=make.policy)(x)
        for number in range(1, blocks_at(config, size) + 1):
            x = make.block(x, f"block{size}_{number}", style)
    x = make.conv(make.lrelu(x, "last"), 3, 3, "to_rgb", gain=0.1)
    image = layers.Activation("tanh", name="image", dtype="float32")(x)
    return keras.Model(inputs, image, name="dcgan_generator")


def build_discriminator(config: DcganConfig, feature_maps: tuple[FeatureMap, ...]) -> keras.Model:
    """Build the discriminator: a list of inputs to [logits, attributes].

    Inputs: images [N, S, S, 3], one per feature map, the condition [N, K] if there is one.
    Outputs: logits [N, 1 + maps, 16], the first head's sixteen times the same one of the whole
    picture, and with a condition the guess of it [N, K].
    """
    make = _Builder(config, "critic")
    image = keras.Input((config.image_size,) * 2 + (3,), name="image")
    maps = [
        keras.Input((each.size, each.size, each.channels), name=each.name) for each in feature_maps
    ]
    condition = make.condition()
    patches = START * START

    # A 4x4 stride-2 start sees every pixel four times and skips the costliest resolution.
    size = config.image_size // 2
    x = make.conv(image, channels_at(config.width_d, size, config.image_size), 4, "stem", stride=2)
    while True:
        x = make.block(x, f"block{size}")
        if size == START:
            break
        size //= 2
        x = layers.AveragePooling2D(2, name=f"down{size}", dtype=make.policy)(x)
        x = make.conv(x, 2 * x.shape[-1], 1, f"widen{size}", gain=1.0)
    filters = x.shape[-1]
    x = _spread(config, make.lrelu(x, "trunk"), "minibatch_stddev")
    x = make.lrelu(make.conv(x, filters, 3, "last"), "last")
    flat = layers.Flatten(name="flatten", dtype="float32")(x)
    logit = make.dense(flat, 1, "logits", gain=1.0)
    pooled = layers.GlobalAveragePooling2D(name="pool", dtype="float32")(x)
    if condition is not None:
        shown = make.dense(pooled, EMBEDDING, "shown", bias=False, gain=1.0)
        match = ops.sum(_asked(make, condition, "") * shown, axis=-1, keepdims=True)
        logit = layers.Add(name="judged", dtype="float32")([logit, match / EMBEDDING**0.5])
    logits = [layers.RepeatVector(patches, name="whole", dtype="float32")(logit)]
    logits += [
        _feature_head(make, features, condition, each.name)
        for each, features in zip(feature_maps, maps, strict=True)
    ]
    joined = (
        layers.Concatenate(axis=-1, name="joined", dtype="float32")(logits)
        if feature_maps
        else logit
    )
    if feature_maps:
        outputs = [layers.Permute((2, 1), name="heads", dtype="float32")(joined)]
    else:
        outputs = [logit]
    inputs = [image, *maps]
    if condition is not None:
        inputs.append(condition)
        outputs.append(make.dense(pooled, condition.shape[1], "guess", gain=1.0))
    return keras.Model(inputs, outputs, name="dcgan_discriminator")


def _spread(config: DcganConfig, x: Any, name: str) -> Any:
    """Show how much the batch varies, before a last convolution, which can use it."""
    return MinibatchStdDev(name=name, dtype=x.dtype)(x) if config.minibatch_std else x


def _asked(make: _Builder, condition: Any, prefix: str) -> Any:
    """Return the condition's embedding [N, 64]."""
    inner = make.dense(condition, EMBEDDING, f"{prefix}asked1")
    inner = layers.LeakyReLU(SLOPE, name=f"{prefix}asked_lrelu")(inner)
    return make.dense(inner, EMBEDDING, f"{prefix}asked2", gain=1.0)


def _feature_head(make: _Builder, x: Any, condition: Any, name: str) -> Any:
    """Judge a feature map: logits of its 16 patches [N, 16, 1], the condition's match included.

    The match is a projection (Miyato and Koyama, "cGANs with projection discriminator", ICLR 2018)
    at each patch.
    """
    prefix = f"{name}_"
    while x.shape[1] > START:
        side = x.shape[1] // 2
        x = make.conv(x, HEAD, 4, f"{prefix}down{side}", stride=2)
        x = make.lrelu(x, f"{prefix}down{side}")
    x = _spread(make.config, x, f"{prefix}stddev")
    x = make.lrelu(make.conv(x, HEAD, 3, f"{prefix}last"), f"{prefix}last")
    x = layers.Reshape((START * START, HEAD), name=f"{prefix}patches", dtype="float32")(x)
    logits = make.dense(x, 1, f"{prefix}logits", gain=1.0)
    if condition is None:
        return logits
    shown = make.dense(x, EMBEDDING, f"{prefix}shown", bias=False, gain=1.0)
    asked = _asked(make, condition, prefix)[:, None]
    match = ops.sum(asked * shown, axis=-1, keepdims=True) / EMBEDDING**0.5
    return layers.Add(name=f"{prefix}judged", dtype="float32")([logits, match])
