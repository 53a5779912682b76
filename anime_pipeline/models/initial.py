"""Initial weights drawn on the host: the same on every backend, a function of (seed, layer name).

Keras's own initialisers draw with the backend's generator, so the same seed would start TensorFlow
and JAX from different weights.
"""

from __future__ import annotations

import math
from typing import Any

import keras

from anime_pipeline.core.randomness import stream


class SeededNormal(keras.initializers.Initializer):
    """Normal weights of a fixed or a fan-dependent standard deviation.

    Args:
        seed: The run's seed.
        name: The layer's name, which keeps layers independent.
        stddev: Fixed standard deviation; 0 derives it from the layer's fans.
        gain: Variance times fan-in: 2 for He et al. (ICCV 2015). 0 takes Glorot and Bengio's
            2 / (fan-in + fan-out) (AISTATS 2010).
    """

    def __init__(self, seed: int, name: str, stddev: float = 0.0, gain: float = 2.0) -> None:
        self.seed = seed
        self.name = name
        self.stddev = stddev
        self.gain = gain

    def __call__(self, shape: tuple[int, ...], dtype: Any = None) -> Any:
        """Draw weights of a dense [in, out] or convolution [h, w, in, out] kernel."""
        area = math.prod(shape[:-2])
        if self.gain:
            variance = self.gain / (area * shape[-2])
        else:
            variance = 2 / (area * (shape[-2] + shape[-1]))
        scale = self.stddev or math.sqrt(variance)
        values = stream(self.seed, f"init {self.name}").standard_normal(shape, "float32") * scale
        return keras.ops.convert_to_tensor(values, dtype=dtype)
