"""DiffAugment: random shifts and holes for real and fake alike, differentiable.

Zhao et al., "Differentiable Augmentation for Data-Efficient GAN Training", NeurIPS 2020:
translation by up to 1/8 of the side and a cut-out of half the side. Their colour part is left out,
because it would hide the hair and skin colours that the pictures are about.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops

from anime_pipeline.core.randomness import stream

TRANSLATION = 0.125
CUTOUT = 0.5


def draw(seed: int, name: str, step: int, count: int, size: int) -> dict[str, np.ndarray]:
    """Draw augmentation parameters for `count` pictures of side `size`.

    Returns:
        ``shift`` int32 [count, 2] (rows, columns) and ``hole`` int32 [count, 2], the cut-out's
        top-left corner, which may lie outside the picture.
    """
    generator = stream(seed, name, step)
    reach, hole = int(size * TRANSLATION + 0.5), int(size * CUTOUT + 0.5)
    shift = generator.integers(-reach, reach + 1, (count, 2), dtype=np.int32)
    corner = generator.integers(0, size + (1 - hole % 2), (count, 2), dtype=np.int32) - hole // 2
    return {"shift": shift, "hole": corner}


def apply(images: Any, parameters: dict[str, Any]) -> Any:
    """Shift and cut pictures [N, S, S, 3]; what is shifted in, and the hole, is mid-grey (0).

    The shift is two products with one-hot matrices: exact, deterministic and differentiable twice
    on every backend, where a gather's gradient is a slow scatter.
    """
    size = images.shape[1]
    positions = ops.arange(size, dtype="int32")
    shift, hole = parameters["shift"], parameters["hole"]
    # A source position outside the picture gives an all-zero row.
    rows = _one_hot(positions[None] - shift[:, :1], positions, images.dtype)
    columns = _one_hot(positions[None] - shift[:, 1:], positions, images.dtype)
    moved = ops.einsum("nij,njwc->niwc", rows, images)
    moved = ops.einsum("nij,nhjc->nhic", columns, moved)
    return moved * _keep_mask(hole, positions, size, images.dtype)


def _one_hot(source: Any, positions: Any, dtype: Any) -> Any:
    return ops.cast(ops.equal(source[:, :, None], positions[None, None]), dtype)


def _keep_mask(corner: Any, positions: Any, size: int, dtype: Any) -> Any:
    length = int(size * CUTOUT + 0.5)

    def inside(start: Any) -> Any:
        offset = positions[None] - start
        return ops.logical_and(offset >= 0, offset < length)

    hole = ops.logical_and(inside(corner[:, :1])[:, :, None], inside(corner[:, 1:])[:, None])
    return ops.cast(ops.logical_not(hole), dtype)[..., None]
