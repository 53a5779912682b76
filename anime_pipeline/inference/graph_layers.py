"""An architecture as an ONNX graph of a weights file's arrays, batch norm folded away.

For other programs graphs go from inputs to pictures: both stages, and the two as one. What this
program does around its networks is part of these: rounding to grey levels, and the limit of
`clamp`. A picture is then the same wherever the graph runs, to one grey level.

What is folded: a normalisation into the convolution or dense layer right before it, a reshaping
into maps into the dense layer before it, and PReLU is done before pixels are repeated, not after.
"""

from typing import Any

import numpy as np
from onnx import ModelProto

from anime_pipeline.architectures import generator_of
from anime_pipeline.architectures.layers import SLOPE, Node, network
from anime_pipeline.core.config import SCALE, DcganConfig, SrganConfig
from anime_pipeline.data.conditions import parse_names, width
from anime_pipeline.inference.clamp import GROWTH, REACH_PX, SLACK
from anime_pipeline.inference.graph import Graph
from anime_pipeline.models.weights import CONDITION_TABLE, DCGAN_KIND, Weights, misfit

SIMPLE: dict[str, tuple[str, dict[str, Any]]] = {
    "add": ("Add", {}),
    "concat": ("Concat", {"axis": 1}),
    "depth_to_space": ("DepthToSpace", {"blocksize": 2, "mode": "DCR"}),
    "lrelu": ("LeakyRelu", {"alpha": SLOPE}),
    "relu": ("Relu", {}),
    "tanh": ("Tanh", {}),
}


def add_generator(graph: Graph, weights: Weights) -> str:
    """Add the generator and its inputs, and return its images: [N, 3, S, S] in [-1, 1].

    The inputs are `latent` [N, latent_dim] and, where the weights have one, `condition` [N, K].

    Raises:
        CheckpointError: If the arrays are not those of the architecture.
    """
    config = weights.read_config(DcganConfig)
    inputs, image = generator_of(config, width(parse_names(config.condition)))
    names = {node: graph.input(node.name, ["batch", *node.shape[1:]]) for node in inputs}
    graph.scope = "generator/"
    return _Writer(graph, weights, image, names).write(image)


def add_upscaler(graph: Graph, weights: Weights, lr_image: str) -> str:
    """Add the upscaler: maps [N, 3, H, W] in [0, 1] to [N, 3, 4H, 4W] in about [-1, 1].

    Raises:
        CheckpointError: If the arrays are not those of the architecture.
    """
    [entered], image = generator_of(weights.read_config(SrganConfig))
    graph.scope = "upscaler/"
    return _Writer(graph, weights, image, {entered: lr_image}).write(image)


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


class _Writer:
    """Writes nodes down one by one; maps are [N, C, H, W] here."""

    def __init__(self, graph: Graph, weights: Weights, image: Node, names: dict[Node, str]) -> None:
        self.graph, self.names, self.arrays = graph, names, weights.arrays
        self.nodes = network([image])
        self.folded: set[Node] = set()  # into the node before
        users: dict[Node, list[Node]] = {}
        for node in self.nodes:
            for source in node.inputs:
                users.setdefault(source, []).append(node)
        self.only_user = {node: found[0] for node, found in users.items() if len(found) == 1}
        self._check(weights)

    def _check(self, weights: Weights) -> None:
        needed = {f"{n.name}/{part}": s for n in self.nodes for part, s in n.weights.items()}
        shapes = {name: array.shape for name, array in weights.arrays.items()}
        shapes.pop(CONDITION_TABLE, None)
        names = sorted(needed.keys() | shapes.keys())
        wrong = [name for name in names if needed.get(name) != shapes.get(name)]
        if not wrong:
            variances = [name for name in names if name.endswith("/moving_variance")]
            wrong = [name for name in variances if weights.arrays[name].min() < 0]
        if wrong:
            raise misfit(weights, wrong)

    def write(self, image: Node) -> str:
        """Write all and return the image's name."""
        for node in self.nodes:
            if node not in self.names:
                first, *rest = (self.names[source] for source in node.inputs)
                if node in self.folded:
                    self.names[node] = first
                elif node.op in SIMPLE:
                    op, settings = SIMPLE[node.op]
                    self.names[node] = self.graph.add(op, first, *rest, **settings)
                else:
                    self.names[node] = getattr(self, node.op)(node, first, *rest)
        return self.names[image]

    def _is_next(self, node: Node, op: str) -> Node | None:
        """Return the one node that uses another, if it is of a kind."""
        user = self.only_user.get(node)
        return user if user and user.op == op else None

    def _array(self, node: Node, part: str) -> np.ndarray:
        return self.arrays[f"{node.name}/{part}"]

    def _normalisation(self, node: Node) -> tuple[np.ndarray, np.ndarray]:
        """Return batch normalisation as scale and shift, each float32 [C]."""
        mean = self._array(node, "moving_mean").astype(np.float64)
        variance = self._array(node, "moving_variance") + np.float64(node.options["epsilon"])
        scale = 1 / np.sqrt(variance)
        shift = -mean * scale
        if node.options["scale"]:
            gamma = self._array(node, "gamma")
            scale, shift = scale * gamma, shift * gamma + self._array(node, "beta")
        return scale.astype(np.float32), shift.astype(np.float32)

    def _with_norm(
        self, node: Node, kernel: np.ndarray, bias: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return a kernel [..., C] and a bias [..., C] that do the normalisation that follows."""
        norm = self._is_next(node, "norm")
        if norm is None:
            return kernel, bias
        self.folded.add(norm)
        scale, shift = self._normalisation(norm)
        return kernel * scale, bias * scale + shift

    def _kernel_and_bias(self, node: Node) -> tuple[np.ndarray, np.ndarray]:
        nothing = np.zeros(node.shape[-1], np.float32)
        return self._array(node, "kernel"), self.arrays.get(f"{node.name}/bias", nothing)

    def dense(self, node: Node, x: str) -> str:
        kernel, bias = self._kernel_and_bias(node)
        maps = self._is_next(node, "reshape")
        if maps is None:
            kernel, bias = self._with_norm(node, kernel, bias)
        else:  # columns [H, W, C] become [C, H, W]
            kernel, bias = kernel.reshape(-1, *maps.shape[1:]), bias.reshape(maps.shape[1:])
            kernel, bias = self._with_norm(maps, kernel, bias)
            kernel = np.moveaxis(kernel, -1, 1).reshape(-1, node.shape[-1])
            bias = np.moveaxis(bias, -1, 0).reshape(-1)
        return self.graph.dense(x, kernel, bias, node.name)

    def reshape(self, node: Node, x: str) -> str:
        height, width, channels = node.shape[1:]
        moved = node.inputs[0].op == "dense" and self._is_next(node.inputs[0], "reshape")
        sizes = [-1, channels, height, width] if moved else [-1, height, width, channels]
        wanted = self.graph.constant(np.array(sizes, np.int64), "map_shape")
        x = self.graph.add("Reshape", x, wanted)
        return x if moved else self.graph.to_nchw(x)

    def conv(self, node: Node, x: str) -> str:
        kernel, bias = self._with_norm(node, *self._kernel_and_bias(node))
        return self.graph.conv(x, kernel, bias, node.name)

    def upsample_conv(self, node: Node, x: str) -> str:
        kernel, bias = self._kernel_and_bias(node)
        kernel, bias = self._with_norm(node, kernel.swapaxes(2, 3), bias)
        return self.graph.upsample_conv(x, kernel, bias, node.name)

    def conv_transpose(self, node: Node, x: str) -> str:
        # At stride 1 a transposed convolution is one with the kernel turned: [h, w, out, in].
        kernel, bias = self._kernel_and_bias(node)
        kernel, bias = self._with_norm(node, kernel[::-1, ::-1].swapaxes(2, 3), bias)
        if node.options["repeat"] > 1:
            x = self.graph.enlarge(x, node.options["repeat"])
        return self.graph.conv(x, kernel, bias, node.name)

    def norm(self, node: Node, x: str) -> str:
        # Between a PReLU and a padded convolution it cannot be folded: the border would change.
        shape = (-1,) + (1,) * (len(node.shape) - 2)
        return self.graph.affine(x, *(a.reshape(shape) for a in self._normalisation(node)))

    def modulate(self, node: Node, x: str, style: str) -> str:
        graph, (kernel, bias) = self.graph, self._kernel_and_bias(node)
        kernels, biases = np.split(kernel, 2, axis=1), np.split(bias, 2)
        scale = graph.dense(style, kernels[0], biases[0] + 1, f"{node.name}_scale")
        shift = graph.dense(style, kernels[1], biases[1], f"{node.name}_shift")
        axes = graph.constant(np.array([2, 3], np.int64), "map_axes")
        x = graph.add("Mul", x, graph.add("Unsqueeze", scale, axes))
        return graph.add("Add", x, graph.add("Unsqueeze", shift, axes))

    def prelu(self, node: Node, x: str) -> str:
        alpha = np.moveaxis(self._array(node, "alpha"), -1, 0)
        x = self.graph.add("PRelu", x, self.graph.constant(alpha, f"{node.name}/alpha"))
        source = node.inputs[0]
        waited = source.op == "upsample" and self._comes_before_repeating(source)
        return self.graph.enlarge(x, source.options["factor"]) if waited else x

    def _comes_before_repeating(self, upsample: Node) -> bool:
        prelu = self._is_next(upsample, "prelu")
        return bool(prelu and prelu.options["shared"])

    def upsample(self, node: Node, x: str) -> str:
        if self._comes_before_repeating(node):
            return x
        return self.graph.enlarge(x, node.options["factor"])

    def upsample_bilinear(self, node: Node, x: str) -> str:
        return self.graph.enlarge(x, 2, "linear")

    def affine(self, node: Node, x: str) -> str:
        return self.graph.affine(x, node.options["scale"], node.options["shift"])
