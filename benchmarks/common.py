"""What the benchmarks share: the machine's facts, and timing that a busy machine distorts little.

Imported as `common` by the programs of this folder, which Python puts first on their path.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from statistics import median
from typing import Any

from anime_pipeline.core.machine import cpu_has_bfloat16, cpu_name, usable_cores

LIBRARIES = (
    "tensorflow",
    "tensorflow-cpu",
    "jax",
    "keras",
    "onnxruntime",
    "ai-edge-litert",
    "openvino",
    "numpy",
)


def machine_facts() -> dict[str, Any]:
    """Return what a figure depends on besides the code: processor, cores, bfloat16, versions."""
    return {
        "cpu": cpu_name(),
        "cores": usable_cores(),
        "bfloat16": cpu_has_bfloat16(),
        "python": platform.python_version(),
        "versions": {name: found for name in LIBRARIES if (found := _version(name))},
    }


def machine_line(facts: dict[str, Any]) -> str:
    """Return the facts as one readable line."""
    arithmetic = "bfloat16 in hardware" if facts["bfloat16"] else "no bfloat16 in hardware"
    libraries = ", ".join(f"{name} {number}" for name, number in facts["versions"].items())
    return (
        f"{facts['cpu']}, {facts['cores']} cores, {arithmetic}; "
        f"Python {facts['python']}, {libraries}"
    )


def interleaved_medians(sides: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Return each side's median seconds a call.

    The sides take turns (A, B, A, B, ...), so that what else the machine does meets all alike; the
    first round, in which graphs are traced and caches filled, is not counted. A side must not
    return before its work is done.

    Args:
        sides: What to time, by name.
        rounds: Counted calls of each side, at least 1.
    """
    return {name: median(times) for name, times in interleaved_seconds(sides, rounds).items()}


def interleaved_seconds(
    sides: dict[str, Callable[[], object]], rounds: int
) -> dict[str, list[float]]:
    """Return every counted call's seconds, see `interleaved_medians`."""
    times: dict[str, list[float]] = {name: [] for name in sides}
    for counted in (False, *(True,) * rounds):
        for name, side in sides.items():
            begun = time.perf_counter()
            side()
            if counted:
                times[name].append(time.perf_counter() - begun)
    return times


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
