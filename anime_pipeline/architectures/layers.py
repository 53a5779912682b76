"""The layers that architectures are written in, as a graph that says what is to be computed.

`models.keras_layers` makes a trainable network of it, `inference.graph_layers` an ONNX graph, and
`core.parameters` counts what its weights hold.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

Shape = tuple[Any, ...]  # [N, H, W, C] or [N, C], None for what varies

SLOPE = 0.2  # of leaky ReLUs
_serial = itertools.count()


class Start(NamedTuple):
    """How a layer's first weights are drawn, see `models.initial`.

    Attributes:
        gain: Variance times fan-in: 2 for He et al.; 0 for Glorot and Bengio's.
        stddev: Standard deviation where it is fixed.
        name: What they are drawn by, if not the layer's name.
    """

    gain: float = 2.0
    stddev: float = 0.0
    name: str = ""


First = Start | None  # None: zeros
HE, GLOROT, UNIT = Start(), Start(gain=0.0), Start(gain=1.0)
ZEROS: First = None


@dataclass(frozen=True, eq=False)
class Node:
    """A layer's output, or (`op` is ``"input"``) what enters the network.

    Attributes:
        op: The layer's kind: the name of the function below that makes it.
        inputs: What it is computed from.
        shape: Its shape.
        name: The layer's, by which weights files know its arrays; empty where it has none.
        weights: Shapes of these by name: `kernel`, `bias`, `alpha` or those of batch norm.
        options: What else there is to say.
        serial: Grows in the order of making, in which it can be computed.
    """

    op: str
    inputs: tuple[Node, ...]
    shape: Shape
    name: str = ""
    weights: dict[str, Shape] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    serial: int = field(default_factory=lambda: next(_serial))


def network(outputs: Iterable[Node]) -> list[Node]:
    """Return all that outputs are computed from and themselves, each after its inputs."""
    found, waiting = set(), list(outputs)
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting += node.inputs
    return sorted(found, key=lambda node: node.serial)


def enter(name: str, *shape: Any) -> Node:
    """Begin a network with an input [N, *shape]."""
    return Node("input", (), (None, *shape), name)


def dense(
    x: Node, units: int, name: str, start: First = HE, bias: bool = True, wide: bool = False
) -> Node:
    """Map the last axis to `units` numbers; `wide`: in float32 whatever the precision is."""
    weights: dict[str, Shape] = {"kernel": (x.shape[-1], units)}
    weights |= {"bias": (units,)} if bias else {}
    shape = (*x.shape[:-1], units)
    return Node("dense", (x,), shape, name, weights, {"start": start, "wide": wide})


def conv(
    x: Node,
    filters: int,
    size: int,
    name: str,
    start: First = HE,
    bias: bool = True,
    stride: int = 1,
    wide: bool = False,
) -> Node:
    """Convolve with a square kernel, edges padded with zeros; `wide` as for `dense`."""
    weights: dict[str, Shape] = {"kernel": (size, size, x.shape[-1], filters)}
    weights |= {"bias": (filters,)} if bias else {}
    options = {"start": start, "stride": stride, "wide": wide}
    return Node("conv", (x,), _scaled(x, 1 / stride, filters), name, weights, options)


def upsample_conv(x: Node, filters: int, name: str, start: First = HE) -> Node:
    """Repeat each pixel twice both ways, then convolve 3x3, without bias: in one operation."""
    weights = {"kernel": (3, 3, filters, x.shape[-1])}
    return Node("upsample_conv", (x,), _scaled(x, 2, filters), name, weights, {"start": start})


def conv_transpose(
    x: Node, filters: int, size: int, name: str, start: First = HE, repeat: int = 1
) -> Node:
    """Apply a transposed convolution of stride 1 to maps whose pixels are repeated (2: 5x5)."""
    weights = {"kernel": (size, size, filters, x.shape[-1]), "bias": (filters,)}
    options = {"start": start, "repeat": repeat}
    return Node("conv_transpose", (x,), _scaled(x, repeat, filters), name, weights, options)


def norm(x: Node, name: str, momentum: float, epsilon: float = 1e-3, learnt: bool = True) -> Node:
    """Normalise by the batch; `learnt`: with a scale and shift of its own."""
    arrays = ["gamma", "beta"] if learnt else []
    weights = dict.fromkeys([*arrays, "moving_mean", "moving_variance"], (x.shape[-1],))
    options = {"momentum": momentum, "epsilon": epsilon, "scale": learnt, "center": learnt}
    return Node("norm", (x,), x.shape, name, weights, options)


def modulate(x: Node, style: Node, name: str, start: First = HE) -> Node:
    """Scale and shift maps [N, H, W, C] by what a style [N, S] says of each channel.

    Conditional batch normalisation, where it follows one without scale and shift of its own (de
    Vries et al., "Modulating early visual processing by language", NeurIPS 2017).
    """
    both = 2 * x.shape[-1]
    weights = {"kernel": (style.shape[-1], both), "bias": (both,)}
    return Node("modulate", (x, style), x.shape, name, weights, {"start": start})


def prelu(x: Node, name: str, slope: float = 0.0, shared: bool = True) -> Node:
    """Apply PReLU with a slope that begins at `slope`, for each channel or for each number."""
    *sides, channels = x.shape[1:]
    weights = {"alpha": (*(1 if shared else side for side in sides), channels)}
    return Node("prelu", (x,), x.shape, name, weights, {"slope": slope, "shared": shared})


def lrelu(x: Node, name: str = "") -> Node:
    """Apply a leaky ReLU."""
    return Node("lrelu", (x,), x.shape, name)


def relu(x: Node) -> Node:
    """Apply a ReLU."""
    return Node("relu", (x,), x.shape)


def tanh(x: Node) -> Node:
    """Apply tanh, in float32."""
    return Node("tanh", (x,), x.shape)


def upsample(x: Node, factor: int = 2) -> Node:
    """Enlarge maps by repeating pixels."""
    return Node("upsample", (x,), _scaled(x, factor, x.shape[-1]), options={"factor": factor})


def upsample_bilinear(x: Node) -> Node:
    """Double maps, evenly between pixels."""
    return Node("upsample_bilinear", (x,), _scaled(x, 2, x.shape[-1]))


def depth_to_space(x: Node) -> Node:
    """Shuffle pixels: [N, H, W, 4 C] to [N, 2H, 2W, C] (Shi et al., CVPR 2016)."""
    return Node("depth_to_space", (x,), _scaled(x, 2, x.shape[-1] // 4))


def reshape(x: Node, *shape: int, name: str = "", wide: bool = False) -> Node:
    """Give each picture's numbers another shape; `wide` as for `dense`."""
    options = {"shape": shape, "wide": wide}
    return Node("reshape", (x,), (x.shape[0], *shape), name, options=options)


def affine(x: Node, scale: float, shift: float) -> Node:
    """Return `x * scale + shift`."""
    return Node("affine", (x,), x.shape, options={"scale": scale, "shift": shift})


def add(x: Node, y: Node) -> Node:
    """Return `x + y`, in the wider of their types."""
    return Node("add", (x, y), x.shape)


def concat(*tensors: Node) -> Node:
    """Join tensors at their last axis."""
    return Node("concat", tensors, (*tensors[0].shape[:-1], sum(x.shape[-1] for x in tensors)))


# Those of discriminators alone, which are trained but never exported.


def multiply(x: Node, mask: Node) -> Node:
    """Return `x * mask`."""
    return Node("multiply", (x, mask), x.shape)


def halve(x: Node) -> Node:
    """Average 2x2 pixels each."""
    return Node("halve", (x,), _scaled(x, 0.5, x.shape[-1]))


def pool(x: Node, name: str) -> Node:
    """Average maps [N, H, W, C] to [N, C], in float32; gradients are added in the names' order."""
    return Node("pool", (x,), (x.shape[0], x.shape[-1]), name)


def flatten(x: Node, name: str = "flatten") -> Node:
    """Return [N, H W C]; the name as for `pool`."""
    return reshape(x, math.prod(x.shape[1:]), name=name)


def minibatch_stddev(x: Node, name: str) -> Node:
    """Append a map that says how much the pictures of a group vary."""
    return Node("minibatch_stddev", (x,), (*x.shape[:-1], x.shape[-1] + 1), name)


def match(asked: Node, shown: Node) -> Node:
    """Compare [N, E] with [N, E] or with patches [N, P, E]: sums of products over root E."""
    return Node("match", (asked, shown), (*shown.shape[:-1], 1))


def repeat(x: Node, count: int) -> Node:
    """Return [N, C] as [N, count, C]."""
    return Node("repeat", (x,), (x.shape[0], count, x.shape[1]), options={"count": count})


def swap(x: Node) -> Node:
    """Return [N, A, B] as [N, B, A]."""
    return Node("swap", (x,), (x.shape[0], x.shape[2], x.shape[1]))


def _scaled(x: Node, factor: float, channels: int) -> Shape:
    batch, *sides, _ = x.shape
    return (batch, *(side and math.ceil(side * factor) for side in sides), channels)
