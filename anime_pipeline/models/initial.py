"""Initial weights drawn on the host: the same on every backend, a function of (seed, layer name).

Keras's own initialisers draw with the backend's generator, so the same seed would start TensorFlow
and JAX from different weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras

from anime_pipeline.architectures.layers import Start
from anime_pipeline.core.randomness import stream


def seeded_normal(seed: int, name: str, start: Start) -> Callable[..., Any]:
    """Return an initialiser of dense [in, out] or convolution [h, w, in, out] kernels.

    Args:
        seed: The run's seed.
        name: The layer's name, which keeps layers independent.
        start: Standard deviation, or variance times fan-in: 2 is He et al. (ICCV 2015), and 0 takes
            Glorot and Bengio's 2 / (fan-in + fan-out) (AISTATS 2010).
    """

    def initial(shape: tuple[int, ...], dtype: Any = None) -> Any:
        fan_in, fan_out = (math.prod(shape[:-2]) * side for side in shape[-2:])
        variance = start.gain / fan_in if start.gain else 2 / (fan_in + fan_out)
        scale = start.stddev or math.sqrt(variance)
        values = stream(seed, f"init {name}").standard_normal(shape, "float32") * scale
        return keras.ops.convert_to_tensor(values, dtype=dtype)

    return initial
