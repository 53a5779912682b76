"""Grids of pictures: one array of many faces, with a thin gap between them."""

from __future__ import annotations

import math

import cv2
import numpy as np


def make_grid(
    images: np.ndarray, columns: int = 0, magnify: int = 1, gap: int = 2, background: int = 255
) -> np.ndarray:
    """Lay pictures out in rows.

    Args:
        images: uint8 [N, H, W, 3].
        columns: Pictures a row; 0 chooses the nearest to a square.
        magnify: Whole-number nearest-neighbour enlargement, so that 32 px faces can be seen.
        gap: Pixels between pictures.
        background: Grey level of the gaps.

    Returns:
        uint8 [H', W', 3].
    """
    if images.ndim != 4 or images.shape[-1] != 3 or len(images) == 0:
        raise ValueError(
            "Invalid value for argument `images`. Expected uint8 of shape [N, H, W, 3], N >= 1. "
            f"Received: shape={images.shape}"
        )
    count, height, width = images.shape[:3]
    columns = columns or math.ceil(math.sqrt(count))
    columns = min(columns, count)
    rows = math.ceil(count / columns)
    cell_h, cell_w = height * magnify + gap, width * magnify + gap
    canvas = np.full((rows * cell_h + gap, columns * cell_w + gap, 3), background, np.uint8)
    for index, image in enumerate(images):
        row, column = divmod(index, columns)
        top, left = gap + row * cell_h, gap + column * cell_w
        big = cv2.resize(
            image, (width * magnify, height * magnify), interpolation=cv2.INTER_NEAREST
        )
        canvas[top : top + height * magnify, left : left + width * magnify] = big
    return canvas


def spread(images: np.ndarray, count: int) -> np.ndarray:
    """Return at most `count` pictures at even distances through the set."""
    if len(images) <= count:
        return np.asarray(images)
    return images[np.linspace(0, len(images) - 1, count).astype(int)]
