"""Stage two as a graph: what `models.srgan.build_generator` computes, batch norm folded away."""

from __future__ import annotations

from anime_pipeline.core.config import SCALE, SrganConfig
from anime_pipeline.inference.graph import Arrays, Graph
from anime_pipeline.models.weights import Weights

REFERENCE_EPSILON = 1e-3  # Keras's default for batch norm


def add_upscaler(graph: Graph, weights: Weights, lr_image: str) -> str:
    """Add the upscaler: maps [N, 3, H, W] in [0, 1] to [N, 3, 4H, 4W] in about [-1, 1].

    Raises:
        CheckpointError: If the arrays are not those of the architecture.
    """
    config, arrays = weights.read_config(SrganConfig), Arrays(weights)
    graph.scope = "upscaler/"
    layers = _Layers(graph, arrays)
    reference = config.architecture == "reference"
    image = (_reference if reference else _best)(layers, config, lr_image)
    arrays.finish()
    return image


class _Layers:
    """The layers of both forms, by name."""

    def __init__(self, graph: Graph, arrays: Arrays) -> None:
        self.graph = graph
        self.arrays = arrays

    def conv(
        self, x: str, name: str, channels: int, filters: int, size: int = 3, norm: str = ""
    ) -> str:
        kernel = self.arrays.take(f"{name}/kernel", size, size, channels, filters)
        bias = self.arrays.take(f"{name}/bias", filters)
        if norm:
            scale, shift = self.arrays.normalisation(norm, filters, REFERENCE_EPSILON)
            kernel, bias = kernel * scale, bias * scale + shift
        return self.graph.conv(x, kernel, bias, name)

    def prelu(self, x: str, name: str, channels: int) -> str:
        return self.graph.prelu(x, self.arrays.take(f"{name}/alpha", 1, 1, channels), name)

    def plus(self, x: str, y: str) -> str:
        return self.graph.add("Add", x, y)

    def shuffle(self, x: str) -> str:
        return self.graph.add("DepthToSpace", x, blocksize=2, mode="DCR")


def _best(layers: _Layers, config: SrganConfig, lr_image: str) -> str:
    width = config.channels
    centred = layers.graph.affine(lr_image, 2, -1)
    trunk = x = layers.prelu(layers.conv(centred, "head", 3, width), "head_prelu", width)
    for block in range(1, config.blocks + 1):
        y = layers.conv(x, f"block{block}_conv1", width, width)
        y = layers.prelu(y, f"block{block}_prelu", width)
        x = layers.plus(x, layers.conv(y, f"block{block}_conv2", width, width))
    x = layers.plus(layers.conv(x, "trunk", width, width), trunk)
    x = layers.prelu(layers.conv(x, "up1", width, 4 * width), "up1_prelu", 4 * width)
    detail = layers.shuffle(layers.conv(layers.shuffle(x), "to_rgb", width, 4 * 3))
    return layers.plus(layers.graph.enlarge(centred, SCALE), detail)


def _reference(layers: _Layers, config: SrganConfig, lr_image: str) -> str:
    trunk = x = layers.prelu(layers.conv(lr_image, "head", 3, 64, size=9), "head_prelu", 64)
    for block in range(1, config.blocks + 1):
        y = layers.conv(x, f"block{block}_conv1", 64, 64, norm=f"block{block}_bn1")
        y = layers.prelu(y, f"block{block}_prelu", 64)
        y = layers.conv(y, f"block{block}_conv2", 64, 64, norm=f"block{block}_bn2")
        x = layers.plus(x, y)
    x = layers.plus(layers.conv(x, "trunk", 64, 64, norm="trunk_bn"), trunk)
    for stage, channels in ((1, 64), (2, 256)):
        # A slope for each channel: before or after repeating pixels is the same, and cheaper.
        x = layers.conv(x, f"up{stage}", channels, 256)
        x = layers.graph.enlarge(layers.prelu(x, f"up{stage}_prelu", 256), 2)
    return layers.graph.add("Tanh", layers.conv(x, "to_rgb", 256, 3, size=9))
