"""Every random draw is a pure function of (seed, stream, index): NumPy Philox, no hidden state.

Philox is counter-based (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011):
the stream's name and seed make the key, the index makes the counter, so any step or picture can be
drawn alone, in any order, with the same result.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from anime_pipeline.core.config import MAX_SEED

_ORDERS_KEPT = 4  # of two epochs that a batch may straddle, of two sets that a step may take


def stream(seed: int, name: str, index: int = 0) -> np.random.Generator:
    """Return the generator for one (seed, stream, index).

    Args:
        seed: User-visible seed, 0 to 2**63 - 1.
        name: What the numbers are for, e.g. ``"latent"``; names keep streams independent.
        index: Step, epoch or picture number.

    Returns:
        A fresh generator; the same arguments always give the same numbers.

    Raises:
        ValueError: If `seed` or `index` is out of range.
    """
    if not 0 <= seed <= MAX_SEED or index < 0:
        raise ValueError(
            f"Invalid value for `seed` or `index`. Expected 0..{MAX_SEED} and >= 0. "
            f"Received: seed={seed}, index={index}"
        )
    key = np.frombuffer(hashlib.sha256(f"{name}\0{seed}".encode()).digest()[:16], dtype=np.uint64)
    # The index sits in the counter's top word: 2**192 draws before two indices could meet.
    return np.random.Generator(np.random.Philox(key=key, counter=[0, 0, 0, index]))


def latents(seeds: Sequence[int], dim: int, distribution: str = "normal") -> np.ndarray:
    """Draw one latent vector per seed: the same seed is the same vector in every batch.

    Args:
        seeds: User-visible seeds, one per picture.
        dim: Length of a latent vector.
        distribution: ``"normal"`` for N(0, 1) or ``"uniform"`` for U(-1, 1).

    Returns:
        float32 array [N, dim].
    """
    rows = [latent_batch(seed, "latent", 0, (dim,), distribution) for seed in seeds]
    return np.stack(rows) if rows else np.zeros((0, dim), np.float32)


def latent_batch(seed: int, name: str, step: int, shape: tuple[int, ...], kind: str) -> np.ndarray:
    """Draw a training batch of latents for one step: float32 array of `shape`."""
    generator = stream(seed, name, step)
    if kind == "normal":
        return generator.standard_normal(shape, dtype=np.float32)
    if kind == "uniform":
        return (generator.random(shape, dtype=np.float32) * 2 - 1).astype(np.float32)
    raise ValueError(
        "Invalid value for argument `distribution`. Expected 'normal' or 'uniform'. "
        f"Received: {kind!r}"
    )


def batch_indices(seed: int, step: int, batch_size: int, count: int) -> np.ndarray:
    """Return which of `count` images make batch number `step`.

    The sequence is the concatenation of one permutation per epoch, so every image is seen once an
    epoch and a batch may straddle two epochs; small sets simply repeat.

    Returns:
        int64 array [batch_size].
    """
    if count < 1:
        raise ValueError(f"Invalid value for argument `count`. Expected >= 1. Received: {count}")
    start = step * batch_size
    positions = np.arange(start, start + batch_size)
    epochs = positions // count
    result = np.empty(batch_size, np.int64)
    for epoch in np.unique(epochs):
        here = epochs == epoch
        result[here] = _order(seed, int(epoch), count)[positions[here] % count]
    return result


@lru_cache(maxsize=_ORDERS_KEPT)
def _order(seed: int, epoch: int, count: int) -> np.ndarray:
    """Return an epoch's permutation, read-only: at millions it takes longer than many a step."""
    order = stream(seed, "order", epoch).permutation(count)
    order.flags.writeable = False
    return order
