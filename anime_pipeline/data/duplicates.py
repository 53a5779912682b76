"""Near-duplicates: the same drawing saved twice, resized, recompressed, tinted or mirrored.

Perceptual hashes, as libraries have them, see brightness alone, and a mirrored picture as another.
So pictures are compared as 16x16 colour thumbnails. Averaging pixels never increases the
root-mean-square difference, so two cheaper passes before the full one lose nothing: brightness, by
which pictures are sorted to be compared with their neighbours only, then 4x4 cells.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import suppress

import cv2
import numpy as np

from anime_pipeline.core.arrays import UNREADABLE, open_arrays
from anime_pipeline.core.storage import atomic_write, cache_folder
from anime_pipeline.data import nearby
from anime_pipeline.data.parallel import in_order
from anime_pipeline.images.rows import Pictures

THUMBNAIL_PX = 16
THUMBNAIL_SHAPE = (THUMBNAIL_PX, THUMBNAIL_PX, 3)

# RMS difference in grey levels. Among 14,310 faces all pairs below 15 show one drawing, and half
# of all faces have no other within 44.
SAME_BELOW = 15.0

# Pale sketches and flat pictures differ by little without being the same.
SAME_BELOW_CONTRAST = 0.35

_COARSE_PX = 4
_TILE = 1024  # pictures compared with as many others at once: bounds memory, as do the next two
_PAIRS_AT_ONCE = 20_000
_AVERAGED_AT_ONCE = 4096
_NO_MATRIX = np.empty((0, 0), np.float32)  # to be added to a product

Progress = Callable[[int, int], None]


def thumbnail(image: np.ndarray) -> np.ndarray:
    """Return uint8 [16, 16, 3] of a whole RGB picture of any size, squeezed to a square."""
    size = (THUMBNAIL_PX, THUMBNAIL_PX)
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA))


def near_duplicate_groups(
    thumbnails: Pictures, progress: Progress | None = None, indexed: bool | None = None
) -> np.ndarray:
    """Number the groups of pictures that show the same drawing, mirrored or not.

    Args:
        thumbnails: uint8 [N, 16, 16, 3], see `thumbnail`.
        progress: Called with (done, N) now and then.
        indexed: Whether candidates are found by an index, which may miss some; None: beyond a
            size, where the library for it is installed.

    Returns:
        int32 [N]: pictures of one group share a number; most are alone in theirs.
    """
    # Exact copies first: sets with very many of them would make very many pairs.
    groups = _exact_copies(thumbnails)
    coarse, contrast = _averages(thumbnails)
    limit = np.minimum(SAME_BELOW, SAME_BELOW_CONTRAST * contrast)
    if indexed is None:
        indexed = len(thumbnails) > nearby.BEYOND and nearby.has_index()
    candidates = nearby.Nearby(coarse, limit) if indexed else _Candidates(coarse, limit)
    del coarse  # large, and in there in another order
    workers = 1 if indexed else 0  # it has threads of its own
    with in_order(candidates.find, candidates.tiles(), workers) as tiles:  # type: ignore[arg-type]
        for row, found in tiles:
            if progress:
                progress(row, len(thumbnails))
            for mirrored, left, right in found:
                groups = _joined_where_same(thumbnails, limit, groups, mirrored, left, right)
    if progress:
        progress(len(thumbnails), len(thumbnails))
    return np.asarray(groups, np.int32)


def _exact_copies(thumbnails: Pictures) -> np.ndarray:
    """Number the groups of equal thumbnails in the order in which each is met first, int32 [N]."""
    digests = np.empty(len(thumbnails), "V16")  # as objects they would take ten times as much
    for start, piece in zip(_starts(thumbnails), _pieces(thumbnails), strict=True):
        found = b"".join(hashlib.sha256(picture.tobytes()).digest()[:16] for picture in piece)
        digests[start : start + len(piece)] = np.frombuffer(found, "V16")
    _, first, groups = np.unique(digests, return_index=True, return_inverse=True)
    numbers = np.empty(len(first), np.int32)
    numbers[np.argsort(first)] = np.arange(len(first))
    return numbers[groups]


def _joined_where_same(
    thumbnails: Pictures,
    limit: np.ndarray,
    groups: np.ndarray,
    mirrored: bool,
    left: np.ndarray,
    right: np.ndarray,
) -> np.ndarray:
    """Compare candidates in full and join the groups of those that show the same drawing."""
    for start in range(0, len(left), _PAIRS_AT_ONCE):
        piece = slice(start, start + _PAIRS_AT_ONCE)
        apart = groups[left[piece]] != groups[right[piece]]
        i, j = left[piece][apart], right[piece][apart]
        other = thumbnails[j][:, :, ::-1] if mirrored else thumbnails[j]
        difference = thumbnails[i].astype(np.float32) - other
        rms = np.sqrt(np.mean(np.square(difference), axis=(1, 2, 3)))
        same = rms <= np.minimum(limit[i], limit[j])
        groups = _joined(groups, i[same], j[same])
    return groups


def _joined(groups: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    if not len(left):
        return groups
    # Here: slower to import than remembered groups are to read.
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    size = int(groups.max()) + 1
    edges = (np.ones(len(left), bool), (groups[left], groups[right]))
    _, joined = connected_components(coo_array(edges, shape=(size, size)), directed=False)
    return np.asarray(joined[groups])


def cached_groups(thumbnails: Pictures, progress: Progress | None = None) -> np.ndarray:
    """Return `near_duplicate_groups`, remembered in the cache folder: large sets take seconds."""
    digest = hashlib.sha256()
    for piece in _pieces(thumbnails):
        digest.update(np.ascontiguousarray(piece).data)
    digest.update(f"{SAME_BELOW} {SAME_BELOW_CONTRAST}".encode())
    path = cache_folder() / f"groups-{digest.hexdigest()[:32]}.npz"
    with suppress(*UNREADABLE), open_arrays(path) as arrays:  # never computed, or damaged
        groups = arrays.read("groups")["groups"]
        if groups.shape == (len(thumbnails),) and groups.dtype == np.int32:
            return groups
    groups = near_duplicate_groups(thumbnails, progress)
    atomic_write(path, lambda file: np.savez(file, groups=groups))
    return groups


def _starts(thumbnails: Pictures) -> range:
    return range(0, len(thumbnails), _AVERAGED_AT_ONCE)


def _pieces(thumbnails: Pictures) -> Iterator[np.ndarray]:
    """Yield all thumbnails, a few thousand at a time."""
    for start in _starts(thumbnails):
        yield thumbnails[start : start + _AVERAGED_AT_ONCE]


def repeated(groups: np.ndarray) -> list[np.ndarray]:
    """Return the positions of each group that holds more than one picture, in order."""
    counts = np.bincount(groups)
    order = np.argsort(groups, kind="stable")
    members = np.split(order, np.cumsum(counts)[:-1])
    return sorted((m for m in members if len(m) > 1), key=lambda m: int(m[0]))


def _averages(thumbnails: Pictures) -> tuple[np.ndarray, np.ndarray]:
    """Return the means of 4x4 cells, float32 [N, 4, 4, 3], and the contrast of the whole, [N]."""
    step = THUMBNAIL_PX // _COARSE_PX
    coarse = np.empty((len(thumbnails), _COARSE_PX, _COARSE_PX, 3), np.float32)
    contrast = np.empty(len(thumbnails), np.float32)
    for start, thumbs in zip(_starts(thumbnails), _pieces(thumbnails), strict=True):
        piece = slice(start, start + len(thumbs))
        wide = thumbs.astype(np.float32)
        contrast[piece] = wide.std(axis=(1, 2, 3))
        cells = wide.reshape(-1, _COARSE_PX, step, _COARSE_PX, step, 3)
        coarse[piece] = cells.mean(axis=(2, 4))
    return coarse, contrast


class _Candidates:
    """Finds the pairs whose cells are alike, a tile at a time."""

    def __init__(self, coarse: np.ndarray, limit: np.ndarray) -> None:
        """Take float32 [N, 4, 4, 3] cells and the largest RMS difference that each allows, [N]."""
        brightness = coarse.mean(axis=(1, 2, 3), dtype=np.float64)  # the mirrored picture's, too
        self.order = np.argsort(brightness, kind="stable")
        self.brightness = brightness[self.order]
        cells = coarse[self.order] - np.float32(127.5)  # centred for precision
        forms = (cells, np.ascontiguousarray(cells[:, :, ::-1]))
        self.plain, self.mirrored = (form.reshape(-1, _COARSE_PX**2 * 3) for form in forms)
        squares = np.square(self.plain).sum(axis=1)
        # |a - b|^2 < limit, written as a.b - |b|^2 / 2 > (|a|^2 - limit) / 2.
        allowed = np.square(limit[self.order]) * self.plain.shape[1] + 1.0  # a little for rounding
        self.half_squares, self.least = squares / 2, ((squares - allowed) / 2)[:, None]

    def tiles(self) -> Iterator[tuple[int, int]]:
        """Yield the first row and column of each tile that can hold a pair."""
        for top in range(0, len(self.order), _TILE):
            last = self.brightness[top : top + _TILE][-1] + SAME_BELOW + 0.01  # as above
            end = int(np.searchsorted(self.brightness, last, "right"))
            # Only from the diagonal on: the pairs before are found from the other side.
            yield from ((top, first) for first in range(top, end, _TILE))

    def find(self, tile: tuple[int, int]) -> tuple[int, list[tuple[bool, np.ndarray, np.ndarray]]]:
        """Return the tile's row, and (whether the second is mirrored, indices, indices)."""
        top, first = tile
        rows, columns = slice(top, top + _TILE), slice(first, first + _TILE)
        found = []
        for mirrored, form in ((False, self.plain), (True, self.mirrored)):
            # NumPy's product takes twice the processor time: its own threads wait for each other.
            score = np.asarray(
                cv2.gemm(self.plain[rows], form[columns], 1, _NO_MATRIX, 0, flags=cv2.GEMM_2_T)
            )
            score -= self.half_squares[None, columns]
            left, right = np.divmod(np.flatnonzero(score > self.least[rows]), score.shape[1])
            left, right = left + top, right + first
            later = left < right
            found.append((mirrored, self.order[left[later]], self.order[right[later]]))
        return top, found
