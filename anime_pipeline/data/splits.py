"""Train, validation and test sides: decided by each picture's content, so they never drift.

A picture's side depends on the sha256 of its bytes alone: adding, renaming or moving files leaves
every other picture where it was, and an exact copy lands beside its original.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

TEST_SHARE = 0.15
VAL_SHARE = 0.05


@dataclass(frozen=True)
class Split:
    """Positions of the pictures on each side, ascending."""

    train: np.ndarray
    val: np.ndarray
    test: np.ndarray


def split_by_content(hashes: np.ndarray, train_count: int = 0) -> Split:
    """Divide pictures 80/5/15 into train, val and test.

    Args:
        hashes: uint64 [N], the leading 8 bytes of each file's sha256.
        train_count: 0 for the stable shares; otherwise exactly this many training pictures, a
            twentieth of the rest for val and the remainder for test. An exact count cannot be
            stable when files are added.

    Raises:
        ValueError: If `train_count` is negative or more than there are pictures.
    """
    if not 0 <= train_count <= len(hashes):
        raise ValueError(
            f"Invalid value for argument `train_count`. Expected 0..{len(hashes)} (the usable "
            f"pictures). Received: {train_count}"
        )
    if train_count:
        order = np.argsort(hashes, kind="stable")
        rest = order[: len(order) - train_count]
        val_count = len(rest) // 20
        sides = (order[len(rest) :], rest[:val_count], rest[val_count:])
        train, val, test = (np.sort(side) for side in sides)
        return Split(train, val, test)
    position = hashes / np.float64(2**64)
    test_side = position < TEST_SHARE
    val_side = ~test_side & (position < TEST_SHARE + VAL_SHARE)
    return Split(
        np.flatnonzero(~test_side & ~val_side), np.flatnonzero(val_side), np.flatnonzero(test_side)
    )
