"""Choosing the arithmetic: bfloat16 only where it is measured to be faster."""

from __future__ import annotations

import time
from typing import Any, cast

from keras import ops

from anime_pipeline.core.config import Precision
from anime_pipeline.core.errors import UsageError
from anime_pipeline.core.machine import bfloat16_forbidden_by, cpu_has_bfloat16
from anime_pipeline.models import backend
from anime_pipeline.models.measured import once_a_machine

# A processor may list the instructions and still run them no faster than float32.
WORTHWHILE_SPEEDUP = 1.2


def best_precision() -> Precision:
    """Return bfloat16 on a GPU, or on a CPU that multiplies it faster; otherwise float32."""
    if backend.has_gpu():
        return "bfloat16"
    if not cpu_has_bfloat16():
        return "float32"
    return cast(
        Precision, once_a_machine("precision", _faster, ("bfloat16", "float32").__contains__)
    )


def _faster() -> Precision:
    ratio = _matmul_seconds("float32") / _matmul_seconds("bfloat16")
    return "bfloat16" if ratio >= WORTHWHILE_SPEEDUP else "float32"


def check_precision(precision: Precision) -> None:
    """Refuse arithmetic that would end the process without a word.

    Raises:
        UsageError: If oneDNN is held to instructions on which TensorFlow's bfloat16 crashes.
    """
    setting = bfloat16_forbidden_by()
    if precision == "bfloat16" and setting and not backend.has_gpu():
        raise UsageError(
            f"The run computes in bfloat16, and ${setting} allows no instructions for it. Leave "
            "the variable out, or start a run with --precision float32."
        )


def resolve_preset(wanted: str | None) -> str:
    """Return the preset to use: what was asked for, or the one for this machine."""
    if wanted not in (None, "auto"):
        return wanted
    return "gpu" if backend.has_gpu() else "cpu"


def _matmul_seconds(dtype: str, size: int = 1024, repeats: int = 5) -> float:
    def product(matrix: Any) -> Any:
        return ops.matmul(matrix, matrix)

    compiled = backend.jit(product)
    matrix = ops.ones((size, size), dtype)
    fastest = float("inf")
    for _ in range(repeats):
        begin = time.perf_counter()
        backend.to_numpy(ops.cast(compiled(matrix)[0, 0], "float32"))
        fastest = min(fastest, time.perf_counter() - begin)
    return fastest
