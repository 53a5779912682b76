"""Graphs from pictures to pictures, for other programs: both stages, and the two as one.

What this program does around its networks is part of them: rounding to grey levels, and the limit
of `clamp`. A picture is then the same wherever the graph runs, to one grey level.
"""

from __future__ import annotations

import numpy as np
from onnx import ModelProto

from anime_pipeline.core.config import SCALE, DcganConfig
from anime_pipeline.inference.clamp import GROWTH, REACH_PX, SLACK
from anime_pipeline.inference.graph import Graph
from anime_pipeline.inference.graph_layers import add_generator, add_upscaler
from anime_pipeline.models.weights import DCGAN_KIND, Weights


def pictures_graph(generator: Weights | None, upscaler: Weights | None) -> ModelProto:
    """Return a graph of one stage or of both, one after the other.

    Args:
        generator: Stage one: the inputs are then `latent` [N, D] and, where the weights have one,
            `condition` [N, K], both float32.
        upscaler: Stage two: without stage one the input is `lr_image`, uint8 [N, H, W, 3], RGB.

    Returns:
        A graph with the output `image`, uint8 [N, H, W, 3], RGB.

    Raises:
        CheckpointError: If arrays are not those of their architecture.
    """
    graph = Graph()
    if generator:
        levels = graph.rounded(graph.levels(add_generator(graph, generator)))
        size: int | None = generator.read_config(DcganConfig).image_size
    else:
        pixels = graph.input("lr_image", ["batch", "height", "width", 3], np.uint8)
        levels, size = graph.to_nchw(graph.cast(pixels, np.float32)), None
    if upscaler:
        large = graph.levels(add_upscaler(graph, upscaler, graph.affine(levels, 1 / 255, 0)))
        levels, size = graph.rounded(_clamped(graph, large, levels)), size and size * SCALE
    image = graph.to_nhwc(graph.cast(levels, np.uint8), output="image")
    sources = {w.kind: w.sha256 for w in (generator, upscaler) if w}
    facts = {f"{kind}-sha256": sha256 for kind, sha256 in sources.items()}
    sides = [size, size] if size else ["hr_height", "hr_width"]
    name = "anime_pipeline" if len(sources) > 1 else "dcgan" if DCGAN_KIND in sources else "srgan"
    return graph.model(name, image, ["batch", *sides, 3], facts, np.uint8)


def _clamped(graph: Graph, levels: str, lr_levels: str) -> str:
    """Do to grey levels [N, 3, 4H, 4W] what `clamp` does."""
    side = 2 * REACH_PX + 1
    window = {"kernel_shape": [side, side], "pads": [REACH_PX] * 4}
    high = graph.add("MaxPool", lr_levels, **window)
    low = graph.add("Neg", graph.add("MaxPool", graph.add("Neg", lr_levels), **window))
    room = graph.affine(graph.add("Sub", high, low), GROWTH, SLACK)
    floor = graph.enlarge(graph.add("Sub", low, room), SCALE)
    ceiling = graph.enlarge(graph.add("Add", high, room), SCALE)
    return graph.add("Min", graph.add("Max", levels, floor), ceiling)
