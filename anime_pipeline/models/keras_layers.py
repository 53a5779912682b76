"""An architecture as a Keras model: what is trained, and the oracle of every graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import layers, ops

from anime_pipeline.architectures.layers import SLOPE, Node, network
from anime_pipeline.core.config import TrainingConfig
from anime_pipeline.models import blocks
from anime_pipeline.models.initial import seeded_normal
from anime_pipeline.models.normalisation import BatchNormalization

# Of inputs, then weights, then the node's options that are not about weights.
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "dense": blocks.dense,
    "conv": blocks.conv,
    "conv_transpose": blocks.conv_transpose,
    "upsample_conv": blocks.upsample_conv,
    "modulate": blocks.modulate,
    "prelu": blocks.prelu,
    "lrelu": lambda x: ops.leaky_relu(x, SLOPE),
    "relu": ops.relu,
    "tanh": ops.tanh,
    "upsample": lambda x, factor: ops.repeat(ops.repeat(x, factor, axis=1), factor, axis=2),
    "upsample_bilinear": blocks.upsample_bilinear,
    "depth_to_space": blocks.depth_to_space,
    "affine": lambda x, scale, shift: x * scale + shift,
    "add": ops.add,
    "concat": lambda *tensors: ops.concatenate(tensors, axis=-1),
    "multiply": ops.multiply,
    "halve": lambda x: ops.average_pool(x, 2, 2),
    "pool": lambda x: ops.mean(x, axis=(1, 2)),
    "reshape": lambda x, shape: ops.reshape(x, (ops.shape(x)[0], *shape)),
    "minibatch_stddev": blocks.minibatch_stddev,
    "match": blocks.match,
    "repeat": lambda x, count: ops.repeat(x[:, None], count, axis=1),
    "swap": lambda x: ops.transpose(x, (0, 2, 1)),
}
ABOUT_WEIGHTS = ("start", "slope", "shared", "wide")


class Block(layers.Layer):
    """A layer of an architecture: a function computes it, of inputs and of float32 weights."""

    def __init__(self, node: Node, start: Any = "zeros", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.node = node
        self._start = start
        options = node.options.items()
        self._options = {name: value for name, value in options if name not in ABOUT_WEIGHTS}

    def build(self, *_: Any) -> None:
        """Create what the node says it has; kernels that are summed first stay in float32."""
        summed = self.node.op == "upsample_conv" or self.node.options.get("repeat", 1) > 1
        self._parts = [
            self.add_weight(
                name=part,
                shape=shape,
                initializer="zeros" if part == "bias" else self._start,
                autocast=part == "bias" or not summed,
            )
            for part, shape in self.node.weights.items()
        ]

    def call(self, inputs: list[Any]) -> Any:
        """Compute [N, ...] from tensors."""
        return FUNCTIONS[self.node.op](*inputs, *self._parts, **self._options)

    def compute_output_shape(self, *_: Any) -> tuple[Any, ...]:
        """Return the node's shape."""
        return self.node.shape


def keras_model(
    config: TrainingConfig, seeds: str, inputs: list[Node], outputs: list[Node] | Node, name: str
) -> keras.Model:
    """Build a model.

    Args:
        config: Gives the seed and the precision.
        seeds: What first weights are drawn by, before each layer's name.
        inputs: The network's, in the model's order.
        outputs: Its outputs, one or a list.
        name: The model's.
    """
    several = outputs if isinstance(outputs, list) else [outputs]
    values = {node: keras.Input(node.shape[1:], name=node.name) for node in inputs}
    for number, node in enumerate(network(several)):
        if node not in values:
            tensors = [values[source] for source in node.inputs]
            layer = _layer(node, tensors, config, seeds, number)
            values[node] = layer(tensors[0] if node.op == "norm" else tensors)
    entered, found = ([values[node] for node in nodes] for nodes in (inputs, several))
    if isinstance(outputs, list):
        return keras.Model(entered, found, name=name)
    return keras.Model(entered if len(entered) > 1 else entered[0], found[0], name=name)


def _layer(
    node: Node, tensors: list[Any], config: TrainingConfig, seeds: str, number: int
) -> layers.Layer:
    # TensorFlow adds gradients in the order of names, and Keras's own depend on what was built
    # before.
    name = node.name or f"{node.op}{number}"
    dtype = "mixed_bfloat16" if config.precision == "bfloat16" else "float32"
    if node.op in ("tanh", "pool") or node.options.get("wide"):
        dtype = "float32"
    elif not node.weights and node.op not in ("multiply", "minibatch_stddev"):
        dtype = keras.backend.result_type(*(x.dtype for x in tensors))
    if node.op == "norm":
        return BatchNormalization(**node.options, name=name, dtype=dtype)
    start = node.options.get("start")
    if start:
        start = seeded_normal(config.seed, f"{seeds} {start.name or node.name}", start)
    elif "slope" in node.options:
        start = keras.initializers.Constant(node.options["slope"])
    return Block(node, start or "zeros", name=name, dtype=dtype)
