"""Running graphs on the CPU with ONNX Runtime: it starts in a tenth of a second.

It computes bfloat16 on no CPU; OpenVINO does, by the instructions that some processors have. Half
the bits make sums coarser: pictures then differ a little from those of float32, by at most a grey
level in 98 of 100 values, so this is never the default, and stage one, whose faces are to be the
same everywhere, has no such choice.
"""

import importlib.util
import os

# Read when it is imported: its Linux builds report their use to Microsoft otherwise.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

# ruff: noqa: E402
import numpy as np
import onnxruntime
from onnx import ModelProto

from anime_pipeline.core import machine
from anime_pipeline.core.config import DcganConfig, Precision
from anime_pipeline.core.errors import CheckpointError, PipelineError
from anime_pipeline.inference.graph import Graph, Shape
from anime_pipeline.inference.graph_layers import add_generator, add_upscaler
from anime_pipeline.models.weights import Weights

ERRORS_ONLY = 3
BFLOAT16_LIBRARY = "openvino"


class Session:
    """A graph ready to run: arrays in the order of its inputs to its one output."""

    def __init__(self, model: ModelProto) -> None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = ERRORS_ONLY
        # Not left to the runtime, which counts cores that a container may not use.
        options.intra_op_num_threads = machine.usable_cores()
        # Pictures come in many sizes: memory planned for one is of no use to the next.
        options.enable_mem_pattern = False
        self._session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        self._inputs = [value.name for value in self._session.get_inputs()]

    def __call__(self, *arrays: np.ndarray) -> np.ndarray:
        """Run the graph once."""
        feed = dict(zip(self._inputs, arrays, strict=True))
        return np.asarray(self._session.run(None, feed)[0])


def require_bfloat16() -> None:
    """Check that this machine can do it.

    Raises:
        PipelineError: If the processor or the library is missing; says which.
    """
    if not machine.cpu_has_bfloat16():
        setting = machine.bfloat16_forbidden_by()
        cause = f"${setting} allows" if setting else f"This processor ({machine.cpu_name()}) has"
        raise PipelineError(
            f"{cause} no instructions for bfloat16 (AVX512-BF16 or AMX). Leave --precision out: "
            "float32 is the fastest here."
        )
    if importlib.util.find_spec(BFLOAT16_LIBRARY) is None:
        raise PipelineError(
            f"--precision bfloat16 needs {BFLOAT16_LIBRARY}, which is not installed. Install it "
            "(pip install openvino), or leave --precision out."
        )


class Bfloat16Session:
    """Like `Session`, narrower and faster."""

    def __init__(self, model: ModelProto) -> None:
        require_bfloat16()
        import openvino

        core = openvino.Core()
        settings = {
            "INFERENCE_PRECISION_HINT": "bf16",
            "INFERENCE_NUM_THREADS": machine.usable_cores(),
            # Kernels are compiled for every size of picture; all of them would be remembered.
            "CPU_RUNTIME_CACHE_CAPACITY": "8",
        }
        network = core.read_model(model.SerializeToString())
        self._request = core.compile_model(network, "CPU", settings).create_infer_request()

    def __call__(self, *arrays: np.ndarray) -> np.ndarray:
        """Run the graph once."""
        results = self._request.infer(dict(enumerate(arrays)), share_inputs=True)
        return np.array(results[0])  # a copy: the next call reuses the buffer


SESSIONS: dict[Precision, type[Session | Bfloat16Session]] = {
    "float32": Session,
    "bfloat16": Bfloat16Session,
}


def check_result(values: np.ndarray, weights: Weights) -> np.ndarray:
    """Return what a network computed, if it is numbers.

    Raises:
        CheckpointError: If it is not: the weights are finite, but too large to compute with.
    """
    if values.size and not np.isfinite([values.min(), values.max()]).all():
        raise CheckpointError(
            f"{weights.path} computes values that are no finite numbers. Use other weights, or "
            "train them again."
        )
    return values


def generator_graph(weights: Weights) -> ModelProto:
    """Return stage one: latent [N, D] (and condition [N, K]) to images [N, S, S, 3] in [-1, 1]."""
    graph = Graph()
    image = graph.to_nhwc(add_generator(graph, weights), output="image")
    size = weights.read_config(DcganConfig).image_size
    facts = {"weights-sha256": weights.sha256}
    return graph.model("dcgan_generator", image, ["batch", size, size, 3], facts, np.float32)


def upscaler_graph(weights: Weights) -> ModelProto:
    """Return stage two: [N, H, W, 3] in [0, 1] to [N, 4H, 4W, 3] in about [-1, 1]."""
    graph = Graph()
    lr_image = graph.to_nchw(graph.input("lr_image", ["batch", "height", "width", 3]))
    hr_image = graph.to_nhwc(add_upscaler(graph, weights, lr_image), output="hr_image")
    shape: Shape = ["batch", "hr_height", "hr_width", 3]
    facts = {"weights-sha256": weights.sha256}
    return graph.model("srgan_generator", hr_image, shape, facts, np.float32)
