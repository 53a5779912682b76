"""Train, validation and test sides: decided by the pictures' content, so they never drift.

A picture's side follows from the sha256 of its bytes, so renaming or moving files changes nothing.
Near-duplicates share a side, the furthest from training among them, so that nothing held out has
been seen in another form. Adding a near-duplicate can therefore move its group; nothing else moves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

TEST_SHARE = 0.15
VAL_SHARE = 0.05

# Raise when the rule changes, so that no run is resumed on another division of its pictures.
RULE_VERSION = 2

_TRAIN, _VAL, _TEST, _LEFT_OUT = range(4)


@dataclass(frozen=True)
class Split:
    """Positions of the pictures on each side, ascending."""

    train: np.ndarray
    val: np.ndarray
    test: np.ndarray


def split_by_content(hashes: np.ndarray, groups: np.ndarray, train_count: int = 0) -> Split:
    """Divide pictures 80/5/15 into train, val and test.

    Args:
        hashes: uint64 [N], the leading 8 bytes of each file's sha256.
        groups: int [N], equal for near-duplicates; see `data.duplicates`.
        train_count: 0 for the stable shares; otherwise exactly this many training pictures, about
            a twentieth of the rest for val and the remainder for test. An exact count cannot be
            stable when files are added; where it falls inside a group of near-duplicates, the
            group's held-out pictures are left out altogether.

    Raises:
        ValueError: If `train_count` is negative or more than there are pictures.
    """
    if not 0 <= train_count <= len(hashes):
        raise ValueError(
            f"Invalid value for argument `train_count`. Expected 0..{len(hashes)} (the usable "
            f"pictures). Received: {train_count}"
        )
    groups = np.unique(groups, return_inverse=True)[1]
    side = _exact(hashes, groups, train_count) if train_count else _by_hash(hashes, groups)
    train, val, test = (np.flatnonzero(side == which) for which in (_TRAIN, _VAL, _TEST))
    return Split(train, val, test)


def _by_hash(hashes: np.ndarray, groups: np.ndarray) -> np.ndarray:
    position = hashes / np.float64(2**64)
    side = np.full(len(hashes), _TRAIN)
    side[position < TEST_SHARE + VAL_SHARE] = _VAL
    side[position < TEST_SHARE] = _TEST
    furthest = np.zeros(groups.max(initial=-1) + 1, side.dtype)
    np.maximum.at(furthest, groups, side)
    return furthest[groups]


def _exact(hashes: np.ndarray, groups: np.ndarray, train_count: int) -> np.ndarray:
    """Take groups whole, in the order of their largest hash; the cut falls inside one at most."""
    largest = np.zeros(groups.max(initial=-1) + 1, np.uint64)
    np.maximum.at(largest, groups, hashes)
    order = np.lexsort((hashes, largest[groups]))
    held_out = order[: len(order) - train_count]
    side = np.full(len(hashes), _TRAIN)
    side[held_out] = _TEST
    side[held_out[: len(held_out) // 20]] = _VAL
    nearest = np.full(len(largest), _LEFT_OUT)
    np.minimum.at(nearest, groups, side)
    side[side > nearest[groups]] = _LEFT_OUT
    return side
