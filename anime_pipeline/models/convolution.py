"""Convolutions as `keras.ops` computes them, with a faster gradient of the kernel on a CPU.

In bfloat16, oneDNN computes the kernel's gradient of small maps with many channels at a quarter to
a half of the speed of the other two products of a training step. It is itself a convolution, with
the roles changed: of the inputs, each channel a picture and each picture a channel, with the
upstream gradient as a large kernel, dilated by the stride. As a forward convolution it takes a
third to two thirds of the time, copies included. Values and other gradients are the library's own.

Where oneDNN computes no bfloat16 (below AVX-512), TensorFlow rounds each addition of the library's
gradient to bfloat16, but sums a forward convolution in float32: this form is 10 to 30 times faster
there, and 6 to 12 times closer to the exact sum.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from anime_pipeline.models import backend

# Output channels x taps of the kernel per pixel of the output's side, from which on it is faster:
# what is gained grows with the first two, and the library gets better with the side.
WORTHWHILE = 200


def conv2d(inputs: Any, kernel: Any, stride: int = 1) -> Any:
    """Convolve [N, H, W, C] with [k, k, C, F], padding "same": [N, H / stride, W / stride, F]."""
    if not _is_faster(inputs, kernel, enlarges=1 / stride):
        return ops.conv(inputs, kernel, strides=stride, padding="same")
    import tensorflow as tf

    @tf.custom_gradient
    def product(inputs: Any, kernel: Any) -> Any:
        def gradient(upstream: Any) -> tuple[Any, Any]:
            shape = tf.shape(inputs)
            to_inputs = tf.nn.conv2d_transpose(upstream, kernel, shape, stride, padding="SAME")
            return to_inputs, _kernel_gradient(inputs, upstream, kernel.shape[0], stride)

        return tf.nn.conv2d(inputs, kernel, stride, padding="SAME"), gradient

    # Read here: a variable read within would have to be given a gradient of its own.
    return product(inputs, tf.convert_to_tensor(kernel))


def conv2d_transpose(inputs: Any, kernel: Any, stride: int) -> Any:
    """Apply the transpose: [N, H, W, C] and [k, k, F, C] to [N, stride * H, stride * W, F]."""
    if not _is_faster(inputs, kernel, enlarges=1):
        return ops.conv_transpose(inputs, kernel, strides=stride, padding="same")
    import tensorflow as tf

    @tf.custom_gradient
    def product(inputs: Any, kernel: Any) -> Any:
        def gradient(upstream: Any) -> tuple[Any, Any]:
            to_inputs = tf.nn.conv2d(upstream, kernel, stride, padding="SAME")
            return to_inputs, _kernel_gradient(upstream, inputs, kernel.shape[0], stride)

        batch, height, width, _ = inputs.shape
        shape = (batch, height * stride, width * stride, kernel.shape[2])
        return tf.nn.conv2d_transpose(inputs, kernel, shape, stride, padding="SAME"), gradient

    return product(inputs, tf.convert_to_tensor(kernel))


def _is_faster(inputs: Any, kernel: Any, enlarges: float) -> bool:
    """Tell whether the gradient is faster here; `enlarges` is the small map's side in `inputs`."""
    if backend.name() != "tensorflow" or backend.has_gpu() or None in inputs.shape:
        return False
    if keras.backend.standardize_dtype(inputs.dtype) != "bfloat16":
        return False
    side = max(inputs.shape[1:3]) * enlarges
    return bool(kernel.shape[-1] * kernel.shape[0] ** 2 >= WORTHWHILE * side)


def _kernel_gradient(inputs: Any, upstream: Any, size: int, stride: int) -> Any:
    """Return the gradient [k, k, C, F] from inputs [N, H, W, C] and upstream [N, h, w, F]."""
    import tensorflow as tf

    padding = [[0, 0]]
    for length, count in zip(inputs.shape[1:3], upstream.shape[1:3], strict=True):
        spare = max((count - 1) * stride + size - length, 0)
        padding.append([spare // 2, spare - spare // 2])
    pictures = tf.transpose(tf.pad(inputs, [*padding, [0, 0]]), (3, 1, 2, 0))  # [C, H, W, N]
    taps = tf.transpose(upstream, (1, 2, 0, 3))  # [h, w, N, F]
    gradient = tf.nn.conv2d(pictures, taps, 1, padding="VALID", dilations=stride)
    # [C, k, k, F]; a stride that leaves input pixels unused leaves positions beyond the kernel.
    return tf.transpose(gradient[:, :size, :size], (1, 2, 0, 3))
