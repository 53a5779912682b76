"""Resizing inside a network: linear, so one matrix for rows and for columns."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops
from PIL import Image


def resizing(size: int, side: int) -> np.ndarray:
    """Return Pillow's bicubic resizing, with antialias, as float32 [side, size]."""
    rows = Image.fromarray(np.eye(size, dtype=np.float32))
    return np.asarray(rows.resize((size, side), Image.Resampling.BICUBIC))


def resized(images: Any, matrix: np.ndarray) -> Any:
    """Resize pictures [N, S, S, C] by a matrix [T, S] to [N, T, T, C]."""
    images = ops.einsum("ih,nhwc->niwc", matrix, images)
    return ops.einsum("jw,niwc->nijc", matrix, images)


def mean_reduced(images: Any, times: int) -> Any:
    """Reduce pictures [N, H, W, C] to the means of squares of `times` pixels' side."""
    count, height, width, channels = images.shape
    squares = (count, height // times, times, width // times, times, channels)
    return ops.mean(ops.reshape(images, squares), axis=(2, 4))
