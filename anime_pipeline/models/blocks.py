"""What architectures are made of, as functions of tensors and weights."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops

from anime_pipeline.core.config import GROUP_SIZE
from anime_pipeline.models.convolution import conv2d, conv2d_transpose

# Which of a 3x3 kernel's 9 weights meet in each of 4x4: along a side, weight k is in 2 - k, 3 - k.
_ALONG_3 = np.array([[tap + k in (2, 3) for k in range(3)] for tap in range(4)], np.float32)
_MEETS_3 = np.kron(_ALONG_3, _ALONG_3)
# Which of a 5x5 kernel's weights meet in each of the 9 taps of 4 output pixels: [(r, s, a, b), k].
# On a side, weight k of a transposed convolution reads the enlarged map at distance 2 - k.
_ALONG_5 = np.array([[[(a + 2 - k) // 2 + 1 == tap for k in range(5)] for a in range(2)]
                     for tap in range(3)], np.float32)  # fmt: skip
_MEETS_5 = np.einsum("rak,sbl->rsabkl", _ALONG_5, _ALONG_5).reshape(36, 25)


def dense(x: Any, kernel: Any, bias: Any = None) -> Any:
    """Return x @ kernel + bias: [..., C], [C, F], [F] to [..., F]."""
    x = ops.matmul(x, kernel)
    return x if bias is None else ops.add(x, bias)


def conv(x: Any, kernel: Any, bias: Any = None, stride: int = 1) -> Any:
    """Convolve: [N, H, W, C], [k, k, C, F], [F] to [N, H / stride, W / stride, F]."""
    x = conv2d(x, kernel, stride)
    return x if bias is None else _biased(x, bias)


def _biased(x: Any, bias: Any) -> Any:
    return ops.add(x, ops.reshape(bias, (1, 1, 1, -1)))  # as Keras's layers do, gradient included


def prelu(x: Any, alpha: Any) -> Any:
    """Apply PReLU (He et al., ICCV 2015) with slopes that broadcast with x."""
    return ops.relu(x) - alpha * ops.relu(-x)


def upsample_conv(x: Any, kernel: Any) -> Any:
    """Apply nearest-neighbour x2 and a 3x3 convolution, computed as one transposed convolution.

    A free 4x4 stride-2 kernel paints checkerboards (Odena et al., "Deconvolution and Checkerboard
    Artifacts", Distill 2016); resize-then-convolve does not, but costs 2.25 times as much. The two
    steps together are a transposed convolution whose 4x4 kernel is the flipped 3x3 one summed over
    the 2x2 box, so that is what runs.

    Args:
        x: [N, H, W, C].
        kernel: float32 [3, 3, filters, C]: each sum is rounded once.

    Returns:
        [N, 2H, 2W, filters].
    """
    filters, channels = kernel.shape[2:]
    # One matrix product: flips, paddings and sums of these kernels took 4% of a step.
    sums = ops.matmul(_MEETS_3, ops.reshape(kernel, (9, filters * channels)))
    sums = ops.reshape(ops.cast(sums, x.dtype), (4, 4, filters, channels))
    return conv2d_transpose(x, sums, stride=2)


def conv_transpose(x: Any, kernel: Any, bias: Any, repeat: int) -> Any:
    """Apply a transposed convolution of stride 1, after nearest-neighbour x2 if `repeat` is 2.

    Then it is done at 0.36 of the work. Output pixel (2i + a, 2j + b) sees, of the enlarged map,
    only copies of the input pixels around (i, j): each of the four (a, b) is a 3x3 convolution
    whose weights are sums of the 5x5 ones. So one 3x3 convolution to 4 times the channels, then a
    pixel shuffle, is the same function, edges included: where the enlarged map ends, so does the
    small one.

    Args:
        x: [N, H, W, C].
        kernel: [k, k, filters, C]; to be repeated float32 [5, 5, filters, C]: each sum is rounded
            once.
        bias: [filters].
        repeat: 1 or 2.

    Returns:
        [N, H, W, filters], or [N, 2H, 2W, filters].
    """
    if repeat == 1:
        return _biased(ops.conv_transpose(x, kernel, strides=1, padding="same"), bias)
    filters, channels = kernel.shape[2:]
    sums = ops.matmul(_MEETS_5, ops.reshape(kernel, (25, filters * channels)))
    sums = ops.cast(ops.reshape(sums, (9, 4 * filters, channels)), x.dtype)
    sums = ops.reshape(ops.swapaxes(sums, 1, 2), (3, 3, channels, 4 * filters))
    return depth_to_space(conv2d(x, sums) + ops.tile(bias, 4))


def upsample_bilinear(x: Any) -> Any:
    """Double height and width, [N, H, W, C] to [N, 2H, 2W, C], as Keras's bilinear resize does.

    At this factor each pixel is three quarters of the nearest and a quarter of the next one:
    written out, because the library's operation works in float32 and is not deterministic on GPUs.
    """
    for axis in (1, 2):
        size = x.shape[axis]
        first, rest = ops.split(x, [1], axis=axis)
        most, last = ops.split(x, [size - 1], axis=axis)
        before = ops.concatenate([first, most], axis=axis)
        after = ops.concatenate([rest, last], axis=axis)
        pair = ops.stack([0.75 * x + 0.25 * before, 0.75 * x + 0.25 * after], axis=axis + 1)
        x = ops.reshape(pair, (-1, *x.shape[1:axis], 2 * size, *x.shape[axis + 1 :]))
    return x


def modulate(maps: Any, style: Any, kernel: Any, bias: Any) -> Any:
    """Scale by 1 + style @ kernel and shift: [N, H, W, C], [N, S], [S, 2C], [2C]."""
    both = ops.matmul(style, kernel) + bias
    scale, shift = ops.split(both[:, None, None, :], 2, axis=-1)
    return maps * (1 + scale) + shift


def minibatch_stddev(x: Any, group_size: int = GROUP_SIZE) -> Any:
    """Append one map with the standard deviation across a group of pictures.

    Karras et al., "Progressive Growing of GANs", ICLR 2018, section 3: lets the discriminator see
    a lack of variety. Groups are runs of consecutive pictures, so real and fake never mix. Maps
    [N, H, W, C] become [N, H, W, C + 1]; N is a multiple of the group size.
    """
    batch, height, width, channels = ops.shape(x)
    groups = ops.reshape(ops.cast(x, "float32"), (-1, group_size, height, width, channels))
    variance = ops.var(groups, axis=1)
    # The small constant keeps the square root's gradient finite for identical pictures.
    deviation = ops.mean(ops.sqrt(variance + 1e-8), axis=(1, 2, 3))
    column = ops.reshape(ops.repeat(deviation, group_size), (-1, 1, 1, 1))
    plane = ops.broadcast_to(column, (batch, height, width, 1))
    return ops.concatenate([x, ops.cast(plane, x.dtype)], axis=-1)


def depth_to_space(x: Any, block: int = 2) -> Any:
    """Move blocks of channels into space: [N, H, W, b*b*C] to [N, b*H, b*W, C]."""
    batch, height, width, channels = ops.shape(x)
    depth = channels // block**2
    cells = ops.reshape(x, (batch, height, width, block, block, depth))
    rows = ops.transpose(cells, (0, 1, 3, 2, 4, 5))
    return ops.reshape(rows, (batch, height * block, width * block, depth))


def match(asked: Any, shown: Any) -> Any:
    """Return sums of products [..., 1] of [N, E] with [N, E] or [N, P, E], over root E."""
    asked = asked if len(shown.shape) == 2 else asked[:, None]
    return ops.sum(asked * shown, axis=-1, keepdims=True) / shown.shape[-1] ** 0.5
