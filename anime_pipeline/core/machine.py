"""What this machine offers, learned without importing a machine-learning framework."""

from __future__ import annotations

import importlib.util
import os
import platform
from pathlib import Path


def select_backend() -> str:
    """Choose the Keras backend before Keras is imported; called by every package that imports it.

    TensorFlow unless `KERAS_BACKEND` says otherwise or only JAX is installed. Also quietens
    TensorFlow's start-up chatter, which would mix with the messages meant for people.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if "KERAS_BACKEND" not in os.environ:
        only_jax = not importlib.util.find_spec("tensorflow") and importlib.util.find_spec("jax")
        os.environ["KERAS_BACKEND"] = "jax" if only_jax else "tensorflow"
    return os.environ["KERAS_BACKEND"]


def cpu_has_bfloat16() -> bool:
    """Tell whether the CPU multiplies bfloat16 in hardware (AVX512-BF16 or AMX-BF16)."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def cpu_name() -> str:
    """Return the processor's name as the system gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
