"""Stage one as a graph: what `models.dcgan.build_generator` computes, batch norm folded away."""

from __future__ import annotations

from typing import Any

import numpy as np

from anime_pipeline.core.config import DcganConfig
from anime_pipeline.data.conditions import parse_names, width
from anime_pipeline.inference.graph import Arrays, Graph
from anime_pipeline.models.residual_plan import SLOPE, blocks_at, channels_at, sizes
from anime_pipeline.models.weights import Weights

EPSILON = 1e-5  # of `modulated`'s batch norm; `reference` has Keras's default
REFERENCE_EPSILON = 1e-3


def add_generator(graph: Graph, weights: Weights) -> str:
    """Add the generator and its inputs, and return its images: [N, 3, S, S] in [-1, 1].

    The inputs are `latent` [N, latent_dim] and, where the weights have one, `condition` [N, K].

    Raises:
        CheckpointError: If the arrays are not those of the architecture.
    """
    config, arrays = weights.read_config(DcganConfig), Arrays(weights)
    graph.scope = "generator/"
    asked, dim = graph.input("latent", ["batch", config.latent_dim]), config.latent_dim
    if config.architecture == "reference":
        image = _reference(graph, arrays, config, asked)
    else:
        names = parse_names(config.condition)
        if names:
            condition = graph.input("condition", ["batch", width(names)])
            asked, dim = graph.add("Concat", asked, condition, axis=1), dim + width(names)
        form = _Residual if config.architecture == "residual" else _Best
        image = form(graph, arrays, config, asked, dim).image()
    arrays.finish()
    return image


class _Styled:
    """What both of our forms share: the style, and how it scales and shifts maps."""

    def __init__(
        self, graph: Graph, arrays: Arrays, config: DcganConfig, asked: str, dim: int
    ) -> None:
        self.graph, self.arrays, self.config = graph, arrays, config
        self.asked, self.dim = asked, dim
        kernel = arrays.take("style/kernel", dim, -1)
        self.style_dim = kernel.shape[1]
        style = graph.dense(asked, kernel, arrays.take("style/bias", self.style_dim), "style")
        self.style = graph.add("LeakyRelu", style, alpha=0.2)
        self.axes = graph.constant(np.array([2, 3], np.int64), "map_axes")

    def project(self, channels: int, scale: Any, shift: np.ndarray) -> str:
        """Return the first maps, [N, C, 4, 4], scaled by channel; `shift` is of each [4, 4, C]."""
        kernel = self.arrays.take("project/kernel", self.dim, 16 * channels)
        # Columns [4, 4, C] become [C, 4, 4].
        kernel = (kernel.reshape(-1, 16, channels) * scale).transpose(0, 2, 1)
        kernel = kernel.reshape(self.dim, -1)
        shift = shift.reshape(16, channels).T.reshape(-1)
        x = self.graph.dense(self.asked, kernel, shift, "project")
        shape = self.graph.constant(np.array([-1, channels, 4, 4], np.int64), "map_shape")
        return self.graph.add("Reshape", x, shape)

    def modulated(self, x: str, channels: int, name: str) -> str:
        """Scale and shift each channel as the style says: see `blocks.Modulate`."""
        graph = self.graph
        kernel = self.arrays.take(f"{name}/kernel", self.style_dim, 2 * channels)
        bias = self.arrays.take(f"{name}/bias", 2 * channels)
        kernels, biases = np.split(kernel, 2, axis=1), np.split(bias, 2)
        scale = graph.dense(self.style, kernels[0], biases[0] + 1, f"{name}_scale")
        shift = graph.dense(self.style, kernels[1], biases[1], f"{name}_shift")
        x = graph.add("Mul", x, graph.add("Unsqueeze", scale, self.axes))
        return graph.add("Add", x, graph.add("Unsqueeze", shift, self.axes))

    def conv(self, x: str, name: str, channels: int, filters: int, size: int = 3) -> str:
        kernel = self.arrays.take(f"{name}/kernel", size, size, channels, filters)
        return self.graph.conv(x, kernel, self.arrays.take(f"{name}/bias", filters), name)


class _Residual(_Styled):
    def image(self) -> str:
        graph, config = self.graph, self.config
        x, before = "", 0
        for size in sizes(config):
            channels = channels_at(config.width, size, config.image_size)
            if not x:
                x = self.project(channels, 1, self.arrays.take("project/bias", 16 * channels))
            else:
                x = graph.enlarge(self.conv(x, f"narrow{size}", before, channels, 1), 2, "linear")
            for number in range(1, blocks_at(config, size) + 1):
                x = self.block(x, channels, f"block{size}_{number}")
            before = channels
        return graph.add("Tanh", self.conv(self.lrelu(x), "to_rgb", before, 3))

    def lrelu(self, x: str) -> str:
        return self.graph.add("LeakyRelu", x, alpha=SLOPE)

    def block(self, x: str, channels: int, name: str) -> str:
        y = self.conv(self.lrelu(x), f"{name}_conv1", channels, channels)
        y = self.modulated(y, channels, f"{name}_modulate")
        return self.graph.add(
            "Add", x, self.conv(self.lrelu(y), f"{name}_conv2", channels, channels)
        )


class _Best(_Styled):
    def image(self) -> str:
        graph, arrays, stages = self.graph, self.arrays, (self.config.image_size // 4).bit_length()
        channels = self.config.width * 2 ** (stages - 1)
        scale, shift = self.norm("0", channels)
        x = self.styled(self.project(channels, scale, np.tile(shift, 16)), channels, "0")
        for stage in range(1, stages):
            scale, shift = self.norm(str(stage), channels // 2)
            kernel = arrays.take(f"up{stage}/kernel", 3, 3, channels // 2, channels)
            channels //= 2
            x = _upsampled(graph, x, kernel * scale[:, None], shift, f"up{stage}")
            x = self.styled(x, channels, str(stage))
        scale, shift = self.norm("_refine", channels)
        kernel = arrays.take("refine/kernel", 3, 3, channels, channels) * scale
        x = self.styled(graph.conv(x, kernel, shift, "refine"), channels, "_refine")
        return graph.add("Tanh", self.conv(x, "to_rgb", channels, 3))

    def norm(self, name: str, channels: int) -> tuple[np.ndarray, np.ndarray]:
        return self.arrays.normalisation(f"bn{name}", channels, EPSILON, learnt=False)

    def styled(self, x: str, channels: int, name: str) -> str:
        return self.graph.add("Relu", self.modulated(x, channels, f"modulate{name}"))


def _upsampled(graph: Graph, x: str, kernel: np.ndarray, bias: np.ndarray, name: str) -> str:
    """Nearest x2 and 3x3 convolution as one transposed convolution: see `blocks.UpsampleConv`.

    Args:
        graph: The graph.
        x: Maps [N, in, H, W].
        kernel: [3, 3, out, in].
        bias: [out].
        name: The layer's.
    """
    kernel = kernel[::-1, ::-1]
    for axis in (0, 1):
        before, after = [[0, 0]] * 4, [[0, 0]] * 4
        before[axis], after[axis] = [1, 0], [0, 1]
        kernel = np.pad(kernel, before) + np.pad(kernel, after)
    weights = graph.constant(kernel.transpose(3, 2, 0, 1), f"{name}/kernel")  # [in, out, 4, 4]
    shift = graph.constant(bias, f"{name}/bias")
    return graph.add("ConvTranspose", x, weights, shift, strides=[2, 2], pads=[1] * 4)


def _reference(graph: Graph, arrays: Arrays, config: DcganConfig, latent: str) -> str:
    half = config.image_size // 2
    units = half * half * 256

    def affine(x: str, name: str, channels: int, shape: tuple[int, ...]) -> str:
        # Between a PReLU and a padded convolution this cannot be folded: the border would change.
        scale, shift = arrays.normalisation(name, channels, REFERENCE_EPSILON)
        return graph.affine(x, scale.reshape(shape), shift.reshape(shape))

    kernel = arrays.take("project/kernel", config.latent_dim, units)
    x = graph.dense(latent, kernel, arrays.take("project/bias", units), "project")
    slopes = graph.constant(arrays.take("prelu0/alpha", units), "prelu0/alpha")
    x = affine(graph.add("PRelu", x, slopes), "bn0", units, (-1,))
    shape = graph.constant(np.array([-1, half, half, 256], np.int64), "map_shape")
    x = graph.enlarge(graph.to_nchw(graph.add("Reshape", x, shape)), 2)
    channels, size = 256, config.image_size
    for name, filters in (("conv1", 128), ("conv2", 64), ("conv3", 32), ("to_rgb", 3)):
        # At stride 1 a transposed convolution is one with the kernel turned: [h, w, out, in].
        kernel = arrays.take(f"{name}/kernel", 5, 5, filters, channels)
        kernel = kernel[::-1, ::-1].transpose(0, 1, 3, 2)
        x = graph.conv(x, kernel, arrays.take(f"{name}/bias", filters), name)
        if name != "to_rgb":
            stage = name[-1]
            alpha = arrays.take(f"prelu{stage}/alpha", size, size, filters)
            x = graph.prelu(x, alpha, f"prelu{stage}")
            x = affine(x, f"bn{stage}", filters, (-1, 1, 1))
        channels = filters
    return graph.add("Tanh", x)
