"""What this machine offers; no framework is imported but by the function that says so."""

import importlib
import importlib.util
import json
import math
import os
import platform
import re
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from anime_pipeline.core.errors import PipelineError, UsageError
from anime_pipeline.core.files import MAX_DOCUMENT_BYTES, read_regular
from anime_pipeline.core.platform import held_bytes, peak_memory_bytes
from anime_pipeline.core.signals import answering_stop_signals
from anime_pipeline.core.storage import cache_folder

BACKENDS = ("tensorflow", "jax")

# oneDNN multiplies for TensorFlow and OpenVINO; its settings are read by both.
ARITHMETIC_SETTINGS = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "TF_ENABLE_ONEDNN_OPTS")
ISA_WITHOUT_BFLOAT16 = (
    "SSE41",
    "AVX",
    "AVX2",
    "AVX2_VNNI",
    "AVX2_VNNI_2",  # converts bfloat16, multiplies float32
    "AVX512_CORE",
    "AVX512_CORE_VNNI",
)


def select_backend() -> str:
    """Choose the Keras backend before Keras is imported; called by every package that imports it.

    TensorFlow unless `KERAS_BACKEND` says otherwise or only JAX is installed. Also quietens
    TensorFlow's start-up chatter, which would mix with the messages meant for people.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if "KERAS_BACKEND" not in os.environ:
        only_jax = not importlib.util.find_spec("tensorflow") and importlib.util.find_spec("jax")
        os.environ["KERAS_BACKEND"] = "jax" if only_jax else "tensorflow"
    _shield_keras()
    if os.environ["KERAS_BACKEND"] not in BACKENDS:
        raise UsageError(
            f"Invalid value for $KERAS_BACKEND. Expected one of {', '.join(BACKENDS)}. Received: "
            f"{os.environ['KERAS_BACKEND']!r}"
        )
    return os.environ["KERAS_BACKEND"]


# What Keras writes there itself. Anything else, of another project of the same user, would change
# what our networks compute, or keep Keras from starting.
KERAS_DEFAULTS = {"floatx": "float32", "epsilon": 1e-7, "image_data_format": "channels_last"}


def _shield_keras() -> None:
    # Keras reads the user's from $KERAS_HOME when it is imported. A home of our own then stands in;
    # what was downloaded to the other is still found.
    if "keras" in sys.modules:
        return
    # As Keras finds it; os.path's, for pathlib's raises for a user without a home.
    home = Path(os.environ.get("KERAS_HOME") or os.path.expanduser("~/.keras"))
    if not os.path.lexists(home / "keras.json"):
        return
    try:
        settings = json.loads(read_regular(home / "keras.json", MAX_DOCUMENT_BYTES))
        settings.pop("backend", None)  # which $KERAS_BACKEND decides
        harmless = settings.items() <= KERAS_DEFAULTS.items()
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        harmless = False
    if harmless:
        return
    ours = cache_folder() / "keras"
    with suppress(OSError):
        ours.mkdir(parents=True, exist_ok=True)
        if (home / "models").is_dir() and not os.path.lexists(ours / "models"):
            (ours / "models").symlink_to((home / "models").resolve())
    os.environ["KERAS_HOME"] = str(ours)


def has_keras() -> bool:
    """Tell whether Keras and a backend for it are installed; a slim installation has neither."""
    backends = any(importlib.util.find_spec(name) for name in BACKENDS)
    return backends and importlib.util.find_spec("keras") is not None


def import_keras_quietly() -> None:
    """Choose the backend and import Keras with the native libraries' start-up lines silenced.

    TensorFlow's C++ logs before its log level is read, on the file descriptor itself, so that is
    what must be redirected; Python errors still propagate.
    """
    select_backend()
    if "keras" in sys.modules:
        return
    try:
        with quiet_stderr(), _interrupts_deferred():
            importlib.import_module("keras")
    except ModuleNotFoundError as error:
        if not has_keras():
            raise  # a slim installation: said in words by `errors.in_words`
        raise PipelineError(
            f"{error.name} is not installed, which this command needs with the backend "
            f"{os.environ['KERAS_BACKEND']}. Install all that the package requires (pip install . "
            "in the project's folder; JAX: '.[jax]'), or set $KERAS_BACKEND to another."
        ) from None


def quiet_stderr() -> AbstractContextManager[None]:
    """Drop what is written to the file descriptor of stderr, by native code too."""
    return quiet_descriptor(2)


@contextmanager
def quiet_descriptor(number: int) -> Iterator[None]:
    """Drop what is written to the file descriptor of stdout (1) or stderr (2)."""
    stream = (sys.stdout, sys.stderr)[number - 1]
    if stream:
        stream.flush()
    saved = os.dup(number)
    try:
        with open(os.devnull, "wb") as sink:
            os.dup2(sink.fileno(), number)
        yield
    finally:
        os.dup2(saved, number)
        os.close(saved)


@contextmanager
def _interrupts_deferred() -> Iterator[None]:
    """Let Ctrl-C wait: in the middle of these imports native code swallows it, or crashes."""
    asked: list[int] = []
    with answering_stop_signals(asked.append, callable):
        yield
    if asked:
        raise KeyboardInterrupt


def cpu_has_bfloat16() -> bool:
    """Tell whether bfloat16 is multiplied in hardware: AVX512-BF16 or AMX-BF16, and not forbidden.

    Elsewhere it is emulated, slower than float32; OpenVINO's kernels may even crash.
    """
    flags = _cpuinfo()
    return ("avx512_bf16" in flags or "amx_bf16" in flags) and not bfloat16_forbidden_by()


def bfloat16_forbidden_by() -> str:
    """Return the setting, NAME=VALUE, that holds oneDNN to instructions without bfloat16, or ""."""
    # As oneDNN reads them: the first that is set, in capitals or not; an unknown name is ignored.
    for name in ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"):
        if value := os.environ.get(name):
            return f"{name}={value}" if value.upper() in ISA_WITHOUT_BFLOAT16 else ""
    return ""


def arithmetic_settings() -> list[str]:
    """Return the settings, NAME=VALUE, that change how fast a CPU multiplies."""
    return [f"{name}={os.environ[name]}" for name in ARITHMETIC_SETTINGS if os.environ.get(name)]


def cpu_name() -> str:
    """Return the processor's name as the system gives it."""
    named = re.search(r"^model name\s*:\s*(.*)", _cpuinfo(), re.MULTILINE)
    return named[1].strip() if named else platform.processor() or platform.machine()


def _cpuinfo() -> str:
    try:
        return Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""


def usable_cores() -> int:
    """Return how many hardware threads this process may use; a container may get few.

    A container's share of time, such as Kubernetes' limit of 2, counts as so many, rounded up.
    """
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    return min([cores, *_quota(), *_most_threads])


CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")  # of the container; without one there is no such file


def _quota() -> list[int]:
    """Return how many cores' time the control group has (cgroup v2); none where it has all."""
    with suppress(OSError, ValueError):  # its first word may be "max"
        quota_us, period_us = map(int, CPU_QUOTA.read_text().split())
        return [max(1, math.ceil(quota_us / period_us))]
    return []


_most_threads: list[int] = []


def limit_threads(most: int) -> None:
    """Let this process compute with no more threads than that; one of several has a share."""
    _most_threads[:] = [most]


def resident_bytes() -> int:
    """Return how much memory this process holds now; where the system won't say, its peak, or 0."""
    return held_bytes() or peak_memory_bytes() or 0
