"""Candidates for near-duplicates of very large sets, found by an index instead of by comparing all.

FAISS (Douze et al., "The Faiss library", 2024): cells of a k-means hold the pictures, and each is
compared with those of the nearest cells only. It may miss some; what it finds is checked as ever.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from anime_pipeline.core.machine import usable_cores
from anime_pipeline.images.rows import Pictures

# Pictures from which comparing all takes minutes: its time grows with the square.
BEYOND = 400_000
PROBES = 16  # cells looked into; benchmarks/near_duplicates.py tells what more or fewer cost
_QUERIES = 16_384  # at once
_TO_TRAIN_ON = 64  # pictures a cell
_MOST_CELLS = 4096


def has_index() -> bool:
    """Tell whether the library is installed."""
    return importlib.util.find_spec("faiss") is not None


class Nearby:
    """Finds pairs whose means of cells are alike, among the nearest ones."""

    def __init__(self, coarse: Pictures, limit: np.ndarray) -> None:
        """Build the index.

        Args:
            coarse: float32 [N, 4, 4, 3], a picture's means.
            limit: The largest RMS difference that each allows, [N].
        """
        faiss = _faiss()
        self._coarse, count = coarse, len(coarse)
        self._width = int(np.prod(coarse.shape[1:]))
        self._allowed = np.square(limit, dtype=np.float32) * self._width + 1.0  # for rounding
        cells = int(min(_MOST_CELLS, max(1, 2 * np.sqrt(count))))
        self._index = faiss.IndexIVFFlat(faiss.IndexFlatL2(self._width), self._width, cells)
        self._index.own_fields = False
        self._index.cp.min_points_per_centroid = 1  # small sets are for tests; it would complain
        self._index.nprobe = min(PROBES, cells)
        step = max(1, count // (cells * _TO_TRAIN_ON))
        self._index.train(self._vectors(slice(0, None, step)))
        for start in range(0, count, _QUERIES):
            self._index.add(self._vectors(slice(start, start + _QUERIES)))

    def _vectors(self, rows: slice, mirrored: bool = False) -> np.ndarray:
        means = np.asarray(self._coarse[rows])
        means = means[:, :, ::-1] if mirrored else means
        return np.ascontiguousarray(means.reshape(len(means), -1))

    def tiles(self) -> Iterator[int]:
        """Yield the first picture of each lot."""
        yield from range(0, len(self._coarse), _QUERIES)

    def find(self, first: int) -> tuple[int, list[tuple[bool, np.ndarray, np.ndarray]]]:
        """Return the lot, and (whether the second is mirrored, indices, indices)."""
        found = []
        for mirrored in (False, True):
            vectors = self._vectors(slice(first, first + _QUERIES), mirrored)
            ends, distances, right = self._index.range_search(vectors, float(self._allowed.max()))
            left = np.repeat(np.arange(first, first + len(vectors)), np.diff(ends.astype(np.int64)))
            near = distances <= np.minimum(self._allowed[left], self._allowed[right])
            near &= left != right
            found.append((mirrored, left[near], right[near]))
        return first, found


def _faiss() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what made its bindings
        import faiss
    faiss.omp_set_num_threads(usable_cores())
    return faiss
