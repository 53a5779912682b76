"""Grids of pictures: one array of many faces, with a thin gap between them."""

from __future__ import annotations

import math

import numpy as np


def make_grid(images: np.ndarray, columns: int = 0, magnify: int = 1, gap: int = 2) -> np.ndarray:
    """Lay pictures out in rows.

    Args:
        images: uint8 [N, H, W, 3].
        columns: Pictures a row; 0 chooses the nearest to a square.
        magnify: Whole-number nearest-neighbour enlargement, so that 32 px faces can be seen.
        gap: Pixels between pictures.

    Returns:
        uint8 [H', W', 3].
    """
    if images.ndim != 4 or images.shape[-1] != 3 or len(images) == 0:
        raise ValueError(
            "Invalid value for argument `images`. Expected uint8 of shape [N, H, W, 3], N >= 1. "
            f"Received: shape={images.shape}"
        )
    count, height, width = images.shape[:3]
    columns = min(columns or math.ceil(math.sqrt(count)), count)
    rows = math.ceil(count / columns)
    height, width = height * magnify, width * magnify
    shape = (rows * (height + gap) + gap, columns * (width + gap) + gap, 3)
    canvas = np.full(shape, 255, np.uint8)
    for index, image in enumerate(images):
        row, column = divmod(index, columns)
        top, left = gap + row * (height + gap), gap + column * (width + gap)
        large = image.repeat(magnify, axis=0).repeat(magnify, axis=1)
        canvas[top : top + height, left : left + width] = large
    return canvas


def spread(images: np.ndarray, count: int) -> np.ndarray:
    """Return at most `count` pictures at even distances through the set."""
    if len(images) <= count:
        return np.asarray(images)
    return images[np.linspace(0, len(images) - 1, count).astype(int)]
