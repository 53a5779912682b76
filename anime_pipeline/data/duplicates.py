"""Near-duplicates: the same drawing saved twice, resized, recompressed, tinted or mirrored.

Pictures are compared as 16x16 colour thumbnails. A first pass at 4x4 finds the few candidates:
averaging pixels never increases the root-mean-square difference, so that pass loses nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import cv2
import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from anime_pipeline.core.storage import atomic_write, cache_folder

THUMBNAIL_PX = 16

# RMS difference in grey levels. Among 14,310 faces all pairs below 15 show one drawing, and half
# of all faces have no other within 44.
SAME_BELOW = 15.0

# Pale sketches and flat pictures differ by little without being the same.
SAME_BELOW_CONTRAST = 0.35

_COARSE_PX = 4
_DISTANCES_AT_ONCE = 5_000_000  # bounds memory, as does the next
_PAIRS_AT_ONCE = 20_000


def thumbnail(image: np.ndarray) -> np.ndarray:
    """Return uint8 [16, 16, 3] of a whole RGB picture of any size, squeezed to a square."""
    size = (THUMBNAIL_PX, THUMBNAIL_PX)
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA))


def near_duplicate_groups(thumbnails: np.ndarray) -> np.ndarray:
    """Number the groups of pictures that show the same drawing, mirrored or not.

    Args:
        thumbnails: uint8 [N, 16, 16, 3], see `thumbnail`.

    Returns:
        int32 [N]: pictures of one group share a number; most are alone in theirs.
    """
    count = len(thumbnails)
    flat = thumbnails.reshape(count, THUMBNAIL_PX**2 * 3)
    contrast = flat.std(axis=1, dtype=np.float32)
    limit = np.minimum(SAME_BELOW, SAME_BELOW_CONTRAST * contrast)
    # Exact copies first: sets with very many of them would make very many pairs.
    groups = np.unique(flat, axis=0, return_inverse=True)[1].reshape(count)
    coarse = _coarse(thumbnails)
    for mirrored in (False, True):
        others = thumbnails[:, :, ::-1] if mirrored else thumbnails
        for left, right in _candidates(coarse, _coarse(others)):
            for start in range(0, len(left), _PAIRS_AT_ONCE):
                piece = slice(start, start + _PAIRS_AT_ONCE)
                apart = groups[left[piece]] != groups[right[piece]]
                i, j = left[piece][apart], right[piece][apart]
                difference = thumbnails[i].astype(np.float32) - others[j]
                rms = np.sqrt(np.mean(np.square(difference), axis=(1, 2, 3)))
                same = rms <= np.minimum(limit[i], limit[j])
                groups = _joined(groups, i[same], j[same])
    return np.asarray(groups, np.int32)


def _joined(groups: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Join the groups of paired pictures."""
    if not len(left):
        return groups
    size = int(groups.max()) + 1
    edges = (np.ones(len(left), bool), (groups[left], groups[right]))
    _, joined = connected_components(coo_array(edges, shape=(size, size)), directed=False)
    return np.asarray(joined[groups])


def cached_groups(thumbnails: np.ndarray) -> np.ndarray:
    """Return `near_duplicate_groups`, remembered in the cache folder: large sets take seconds."""
    thumbnails = np.ascontiguousarray(thumbnails)
    key = hashlib.sha256(
        thumbnails.tobytes() + f"{SAME_BELOW} {SAME_BELOW_CONTRAST}".encode()
    ).hexdigest()[:32]
    path = cache_folder() / f"groups-{key}.npy"
    try:
        groups = np.load(path, allow_pickle=False)
        if groups.shape == (len(thumbnails),) and groups.dtype == np.int32:
            return np.asarray(groups)
    except (OSError, ValueError, EOFError):
        pass  # never computed, or damaged: computed now
    groups = near_duplicate_groups(thumbnails)
    atomic_write(path, lambda file: np.save(file, groups))
    return groups


def repeated(groups: np.ndarray) -> list[np.ndarray]:
    """Return the positions of each group that holds more than one picture, in order."""
    counts = np.bincount(groups)
    order = np.argsort(groups, kind="stable")
    members = np.split(order, np.cumsum(counts)[:-1])
    return sorted((m for m in members if len(m) > 1), key=lambda m: int(m[0]))


def _coarse(thumbnails: np.ndarray) -> np.ndarray:
    """Average to 4x4: float32 [N, 48], centred for precision."""
    step = THUMBNAIL_PX // _COARSE_PX
    cells = thumbnails.reshape(-1, _COARSE_PX, step, _COARSE_PX, step, 3)
    means = cells.mean(axis=(2, 4), dtype=np.float32) - 127.5
    return np.asarray(means.reshape(len(thumbnails), _COARSE_PX**2 * 3))


def _candidates(ours: np.ndarray, others: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield index pairs (i < j) whose coarse forms differ by less than the limit."""
    limit = SAME_BELOW**2 * ours.shape[1] + 1.0  # and a little for rounding
    squares = np.square(others).sum(axis=1)
    height = max(1, _DISTANCES_AT_ONCE // max(len(ours), 1))
    for start in range(0, len(ours), height):
        rows = ours[start : start + height]
        # Only j >= start: the pairs before were found from the other side.
        distance = squares[None, start:] - 2 * rows @ others[start:].T
        near = distance < (limit - np.square(rows).sum(axis=1))[:, None]
        left, right = np.nonzero(near)
        later = left < right
        yield left[later] + start, right[later] + start
