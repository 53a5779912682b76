"""Running graphs in bfloat16 with OpenVINO, which uses the instructions that some processors have.

ONNX Runtime computes bfloat16 on no CPU. Half the bits make sums coarser: pictures then differ a
little from those of float32, by at most a grey level in 99 of 100 values, so this is never the
default, and stage one, whose faces are to be the same everywhere, has no such choice.
"""

from __future__ import annotations

import importlib.util

import numpy as np
from onnx import ModelProto

from anime_pipeline.core.errors import PipelineError
from anime_pipeline.core.machine import (
    bfloat16_forbidden_by,
    cpu_has_bfloat16,
    cpu_name,
    usable_cores,
)

LIBRARY = "openvino"


def require_bfloat16() -> None:
    """Check that this machine can do it.

    Raises:
        PipelineError: If the processor or the library is missing; says which.
    """
    if not cpu_has_bfloat16():
        setting = bfloat16_forbidden_by()
        cause = f"${setting} allows" if setting else f"This processor ({cpu_name()}) has"
        raise PipelineError(
            f"{cause} no instructions for bfloat16 (AVX512-BF16 or AMX). Leave --precision out: "
            "float32 is the fastest here."
        )
    if importlib.util.find_spec(LIBRARY) is None:
        raise PipelineError(
            f"--precision bfloat16 needs {LIBRARY}, which is not installed. Install it (pip "
            "install openvino), or leave --precision out."
        )


class Bfloat16Session:
    """Like `runtime.Session`, narrower and faster."""

    def __init__(self, model: ModelProto) -> None:
        require_bfloat16()
        import openvino

        core = openvino.Core()
        settings = {
            "INFERENCE_PRECISION_HINT": "bf16",
            "INFERENCE_NUM_THREADS": usable_cores(),
            # Kernels are compiled for every size of picture; all of them would be remembered.
            "CPU_RUNTIME_CACHE_CAPACITY": "8",
        }
        network = core.read_model(model.SerializeToString())
        self._request = core.compile_model(network, "CPU", settings).create_infer_request()

    def __call__(self, *arrays: np.ndarray) -> np.ndarray:
        """Run the graph once."""
        results = self._request.infer(dict(enumerate(arrays)), share_inputs=True)
        return np.array(results[0])  # a copy: the next call reuses the buffer
