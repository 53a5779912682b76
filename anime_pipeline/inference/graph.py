"""Writing a network down as an ONNX graph, straight from arrays, with no framework.

The arrays of a weights file are the one source of truth and the graph is derived from them each
time, in hundredths of a second: there is no second file that could disagree. Keras stores kernels
as [h, w, in, out] and pictures as NHWC; ONNX wants [out, in, h, w] and NCHW. Both conversions are
made here and nowhere else.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from onnx import ModelProto, helper, numpy_helper

from anime_pipeline import __version__

# Old enough for every runtime in use, browsers' included; these networks need nothing newer.
OPSET = 17
IR_VERSION = 8

Shape = Sequence[int | str]  # a name stands for a size that may vary


class Graph:
    """A graph under construction; tensors are known by their names, maps are [N, C, H, W]."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._constants: dict[str, Any] = {}
        self._inputs: list[Any] = []
        self.scope = ""  # before the names of constants: both stages have a layer `to_rgb`

    def input(self, name: str, shape: Shape, dtype: type = np.float32) -> str:
        """Declare an input."""
        self._inputs.append(helper.make_tensor_value_info(name, _element(dtype), shape))
        return name

    def constant(self, values: Any, name: str = "") -> str:
        """Store an array under a name and return the name.

        Raises:
            ValueError: If the name has been given to another array.
        """
        name = f"{self.scope}{name or f'constant_{len(self._constants)}'}"
        tensor = numpy_helper.from_array(np.ascontiguousarray(values), name)
        if self._constants.setdefault(name, tensor) != tensor:
            raise ValueError(f"Invalid value for argument `name`. Received {name!r} twice.")
        return name

    def add(self, op: str, *inputs: str, **attributes: Any) -> str:
        """Add a node and return its output's name."""
        output = attributes.pop("output", f"{op.lower()}_{len(self._nodes)}")
        self._nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))
        return output

    def affine(self, x: str, scale: Any, shift: Any) -> str:
        """Return ``x * scale + shift`` with float32 constants."""
        scaled = self.add("Mul", x, self.constant(np.asarray(scale, np.float32)))
        return self.add("Add", scaled, self.constant(np.asarray(shift, np.float32)))

    def dense(self, x: str, kernel: np.ndarray, bias: np.ndarray, name: str) -> str:
        """Apply a dense layer: kernel [in, out], bias [out]."""
        return self.add(
            "Gemm", x, self.constant(kernel, f"{name}/kernel"), self.constant(bias, f"{name}/bias")
        )

    def conv(self, x: str, kernel: np.ndarray, bias: np.ndarray, name: str) -> str:
        """Apply a convolution that keeps the size: odd kernel [h, w, in, out], bias [out]."""
        weights = self.constant(kernel.transpose(3, 2, 0, 1), f"{name}/kernel")
        pads = [kernel.shape[0] // 2, kernel.shape[1] // 2] * 2
        return self.add("Conv", x, weights, self.constant(bias, f"{name}/bias"), pads=pads)

    def upsample_conv(self, x: str, kernel: np.ndarray, bias: np.ndarray, name: str) -> str:
        """Repeat pixels and convolve in one, see `blocks.UpsampleConv`: [3, 3, in, out], [out]."""
        kernel = kernel[::-1, ::-1]
        for axis in (0, 1):
            before, after = [[0, 0]] * 4, [[0, 0]] * 4
            before[axis], after[axis] = [1, 0], [0, 1]
            kernel = np.pad(kernel, before) + np.pad(kernel, after)
        weights = self.constant(kernel.transpose(2, 3, 0, 1), f"{name}/kernel")  # [in, out, 4, 4]
        shift = self.constant(bias, f"{name}/bias")
        return self.add("ConvTranspose", x, weights, shift, strides=[2, 2], pads=[1] * 4)

    def enlarge(self, x: str, factor: int, mode: str = "nearest") -> str:
        """Repeat each pixel `factor` times both ways, or (`linear`) go evenly between them."""
        scales = self.constant(np.array([1, 1, factor, factor], np.float32), f"scales_{factor}")
        if mode == "linear":
            return self.add("Resize", x, "", scales, mode=mode)  # pixels' centres, edges repeated
        nearest = {
            "mode": "nearest",
            "coordinate_transformation_mode": "asymmetric",
            "nearest_mode": "floor",
        }
        return self.add("Resize", x, "", scales, **nearest)

    def to_nchw(self, x: str) -> str:
        """Turn pictures [N, H, W, C] into maps."""
        return self.add("Transpose", x, perm=[0, 3, 1, 2])

    def to_nhwc(self, x: str, **names: str) -> str:
        """Turn maps into pictures [N, H, W, C]."""
        return self.add("Transpose", x, perm=[0, 2, 3, 1], **names)

    def levels(self, x: str) -> str:
        """Map [-1, 1] to grey levels 0..255, not rounded."""
        return self.affine(x, 127.5, 127.5)

    def rounded(self, levels: str) -> str:
        """Round grey levels to whole ones from 0 to 255, as float32."""
        low, high = (self.constant(np.float32(value)) for value in (0, 255))
        return self.add("Clip", self.add("Round", levels), low, high)

    def cast(self, x: str, dtype: type, **names: str) -> str:
        """Convert to another type of number."""
        return self.add("Cast", x, to=_element(dtype), **names)

    def model(
        self, name: str, output: str, shape: Shape, facts: Mapping[str, str], dtype: type
    ) -> ModelProto:
        """Close the graph.

        Args:
            name: The network's.
            output: The tensor to return.
            shape: Its shape.
            facts: What the file shall say of its origin.
            dtype: The output's.
        """
        results = [helper.make_tensor_value_info(output, _element(dtype), shape)]
        constants = list(self._constants.values())
        graph = helper.make_graph(self._nodes, name, self._inputs, results, constants)
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            producer_name="anime-pipeline",
            producer_version=__version__,
            ir_version=IR_VERSION,
        )
        helper.set_model_props(model, dict(facts))
        return model


def _element(dtype: type) -> int:
    return int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))
