"""Layers that Keras lacks, and small helpers that the builders share."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers, ops

from anime_pipeline.core.config import GROUP_SIZE, Precision
from anime_pipeline.models.convolution import conv2d, conv2d_transpose


def dtype_policy(precision: Precision) -> str:
    """Return the Keras policy for a precision: bfloat16 computes narrow and stores float32."""
    return "mixed_bfloat16" if precision == "bfloat16" else "float32"


def compute_dtype(precision: Precision) -> str:
    """Return the type that layers of a precision compute in."""
    return "bfloat16" if precision == "bfloat16" else "float32"


class Upsampling(layers.Layer):
    """What layers that double height and width by one convolution share."""

    def __init__(self, filters: int, kernel_initializer: Any = "he_normal", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return [N, 2H, 2W, filters]."""
        batch, height, width, _ = input_shape
        return (batch, height and height * 2, width and width * 2, self.filters)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments for serialisation."""
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }


@keras.saving.register_keras_serializable("anime_pipeline")
class UpsampleConv(Upsampling):
    """Nearest-neighbour x2 followed by a 3x3 convolution, computed as one transposed convolution.

    A free 4x4 stride-2 kernel paints checkerboards (Odena et al., "Deconvolution and Checkerboard
    Artifacts", Distill 2016); resize-then-convolve does not, but costs 2.25 times as much. The two
    steps together are a transposed convolution whose 4x4 kernel is the flipped 3x3 one summed over
    the 2x2 box, so that is what runs.

    Input [N, H, W, C], output [N, 2H, 2W, filters].
    """

    # Which of the 9 weights meet in each of the 16: along a side, weight k is in 2 - k and 3 - k.
    _ALONG = np.array([[tap + k in (2, 3) for k in range(3)] for tap in range(4)], np.float32)
    _MEETS = np.kron(_ALONG, _ALONG)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the 3x3 kernel; batch normalisation follows, so there is no bias."""
        self.kernel = self.add_weight(
            name="kernel",
            shape=(3, 3, self.filters, input_shape[-1]),  # conv_transpose order: out, in
            initializer=self.kernel_initializer,
            autocast=False,  # summed in float32, so that each sum is rounded once
        )

    def call(self, inputs: Any) -> Any:
        """Apply the layer."""
        # One matrix product: flips, paddings and sums of these kernels took 4% of a step.
        channels = self.kernel.shape[-1]
        sums = ops.matmul(self._MEETS, ops.reshape(self.kernel, (9, self.filters * channels)))
        kernel = ops.reshape(ops.cast(sums, self.compute_dtype), (4, 4, self.filters, channels))
        return conv2d_transpose(inputs, kernel, stride=2)


@keras.saving.register_keras_serializable("anime_pipeline")
class UpsampleConvTranspose(Upsampling):
    """Nearest-neighbour x2, then a 5x5 stride-1 transposed convolution, at 0.36 of its work.

    Output pixel (2i + a, 2j + b) sees, of the enlarged map, only copies of the input pixels around
    (i, j): each of the four (a, b) is a 3x3 convolution whose weights are sums of the 5x5 ones. So
    one 3x3 convolution to 4 times the channels, then a pixel shuffle, is the same function, edges
    included: where the enlarged map ends, so does the small one.

    Weights are those of `keras.layers.Conv2DTranspose(filters, 5)`: kernel [5, 5, filters, C] and
    bias [filters]. Input [N, H, W, C], output [N, 2H, 2W, filters].
    """

    # Which of the 25 weights meet in each of the 9 taps of the 4 output pixels: [(r, s, a, b), 25].
    # Along one side, weight k of a transposed convolution reads the enlarged map at distance 2 - k.
    _ALONG = np.array([[[(a + 2 - k) // 2 + 1 == tap for k in range(5)] for a in range(2)]
                       for tap in range(3)], np.float32)  # fmt: skip
    _MEETS = np.einsum("rak,sbl->rsabkl", _ALONG, _ALONG).reshape(36, 25)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the 5x5 kernel and the bias."""
        self.kernel = self.add_weight(
            name="kernel",
            shape=(5, 5, self.filters, input_shape[-1]),  # conv_transpose order: out, in
            initializer=self.kernel_initializer,
            autocast=False,  # summed in float32, so that each sum is rounded once
        )
        self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer="zeros")

    def call(self, inputs: Any) -> Any:
        """Apply the layer."""
        channels = self.kernel.shape[-1]
        sums = ops.matmul(self._MEETS, ops.reshape(self.kernel, (25, self.filters * channels)))
        kernel = ops.cast(ops.reshape(sums, (9, 4 * self.filters, channels)), self.compute_dtype)
        kernel = ops.reshape(ops.swapaxes(kernel, 1, 2), (3, 3, channels, 4 * self.filters))
        cells = conv2d(inputs, kernel) + ops.tile(self.bias, 4)
        return DepthToSpace.shuffle(cells, 2)


@keras.saving.register_keras_serializable("anime_pipeline")
class UpsampleBilinear(layers.Layer):
    """Double height and width, [N, H, W, C] to [N, 2H, 2W, C], as Keras's bilinear resize does.

    At this factor each pixel is three quarters of the nearest and a quarter of the next one:
    written out, because the library's operation works in float32 and is not deterministic on GPUs.
    """

    def call(self, inputs: Any) -> Any:
        """Apply the layer."""
        x = inputs
        for axis in (1, 2):
            size = x.shape[axis]
            first, rest = ops.split(x, [1], axis=axis)
            most, last = ops.split(x, [size - 1], axis=axis)
            before = ops.concatenate([first, most], axis=axis)
            after = ops.concatenate([rest, last], axis=axis)
            pair = ops.stack([0.75 * x + 0.25 * before, 0.75 * x + 0.25 * after], axis=axis + 1)
            x = ops.reshape(pair, (-1, *x.shape[1:axis], 2 * size, *x.shape[axis + 1 :]))
        return x

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return [N, 2H, 2W, C]."""
        batch, height, width, channels = input_shape
        return (batch, height and height * 2, width and width * 2, channels)


@keras.saving.register_keras_serializable("anime_pipeline")
class Modulate(layers.Layer):
    """Scale and shift each channel by what a style vector says: conditional batch normalisation.

    Follows a normalisation without scale and shift of its own (de Vries et al., "Modulating early
    visual processing by language", NeurIPS 2017). Inputs [N, H, W, C] and style [N, S].
    """

    def __init__(self, kernel_initializer: Any = "he_normal", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, input_shape: list[tuple[Any, ...]]) -> None:
        """Create one kernel for both, and biases: scale 1 and shift 0 before any style."""
        (*_, channels), (_, style) = input_shape
        self.kernel = self.add_weight(
            name="kernel", shape=(style, 2 * channels), initializer=self.kernel_initializer
        )
        self.bias = self.add_weight(name="bias", shape=(2 * channels,), initializer="zeros")

    def call(self, inputs: list[Any]) -> Any:
        """Apply the layer."""
        maps, style = inputs
        both = ops.matmul(style, self.kernel) + self.bias
        scale, shift = ops.split(both[:, None, None, :], 2, axis=-1)
        return maps * (1 + scale) + shift

    def compute_output_shape(
        self, input_shape: list[tuple[int | None, ...]]
    ) -> tuple[int | None, ...]:
        """Return [N, H, W, C]."""
        return input_shape[0]

    def get_config(self) -> dict[str, Any]:
        """Return the arguments for serialisation."""
        return {
            **super().get_config(),
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }


@keras.saving.register_keras_serializable("anime_pipeline")
class MinibatchStdDev(layers.Layer):
    """Append one map with the standard deviation across a group of pictures.

    Karras et al., "Progressive Growing of GANs", ICLR 2018, section 3: lets the discriminator see
    a lack of variety. Groups are runs of consecutive pictures, so real and fake never mix.
    """

    def __init__(self, group_size: int = GROUP_SIZE, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.group_size = group_size

    def call(self, inputs: Any) -> Any:
        """Map [N, H, W, C] to [N, H, W, C + 1]; N is a multiple of the group size."""
        batch, height, width, channels = ops.shape(inputs)
        wide = ops.cast(inputs, "float32")
        groups = ops.reshape(wide, (-1, self.group_size, height, width, channels))
        variance = ops.var(groups, axis=1)
        # The small constant keeps the square root's gradient finite for identical pictures.
        deviation = ops.mean(ops.sqrt(variance + 1e-8), axis=(1, 2, 3))
        column = ops.reshape(ops.repeat(deviation, self.group_size), (-1, 1, 1, 1))
        plane = ops.broadcast_to(column, (batch, height, width, 1))
        return ops.concatenate([inputs, ops.cast(plane, inputs.dtype)], axis=-1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return [N, H, W, C + 1]."""
        return (*input_shape[:-1], (input_shape[-1] or 0) + 1)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments for serialisation."""
        return {**super().get_config(), "group_size": self.group_size}


@keras.saving.register_keras_serializable("anime_pipeline")
class DepthToSpace(layers.Layer):
    """Pixel shuffle (Shi et al., CVPR 2016): [N, H, W, b*b*C] to [N, b*H, b*W, C]."""

    def __init__(self, block: int = 2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.block = block

    def call(self, inputs: Any) -> Any:
        """Apply the layer."""
        return self.shuffle(inputs, self.block)

    @staticmethod
    def shuffle(inputs: Any, block: int) -> Any:
        """Move blocks of channels into space: [N, H, W, b*b*C] to [N, b*H, b*W, C]."""
        batch, height, width, channels = ops.shape(inputs)
        depth = channels // block**2
        cells = ops.reshape(inputs, (batch, height, width, block, block, depth))
        rows = ops.transpose(cells, (0, 1, 3, 2, 4, 5))
        return ops.reshape(rows, (batch, height * block, width * block, depth))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return [N, block * H, block * W, C / block**2]."""
        batch, height, width, channels = input_shape
        block = self.block
        return (
            batch,
            height and height * block,
            width and width * block,
            (channels or 0) // block**2,
        )

    def get_config(self) -> dict[str, Any]:
        """Return the arguments for serialisation."""
        return {**super().get_config(), "block": self.block}
