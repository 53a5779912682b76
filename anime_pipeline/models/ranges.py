"""Between pictures (uint8, 0..255) and what the networks compute with; the only such place.

Stage one and every HR picture are in [-1, 1]; LR pictures enter stage two in [0, 1], as in the
SRGAN paper's section 3.2. NumPy arrays stay NumPy arrays, so that drawing needs no framework.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def to_model(images: Any) -> Any:
    """Map uint8 pictures to float32 in [-1, 1]."""
    return _float32(images) / 127.5 - 1.0


def lr_to_model(lr_images: Any) -> Any:
    """Map uint8 LR pictures to float32 in [0, 1]."""
    return _float32(lr_images) / 255.0


def to_levels(images: Any) -> np.ndarray:
    """Map model output in [-1, 1] to float32 grey levels 0..255, neither rounded nor clipped."""
    return np.asarray((np.asarray(images, np.float32) + 1) * np.float32(127.5))


def to_uint8(images: Any) -> np.ndarray:
    """Map model output in [-1, 1] to uint8, rounding to the nearest grey level."""
    return np.clip(np.rint(to_levels(images)), 0, 255).astype(np.uint8)


def _float32(images: Any) -> Any:
    if isinstance(images, np.ndarray):
        return images.astype(np.float32)
    from keras import ops

    return ops.cast(images, "float32")
