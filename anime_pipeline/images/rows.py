"""Pictures of a set as one array of which only the rows that are asked for are read."""

from __future__ import annotations

import mmap
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

Key: TypeAlias = "int | slice | Sequence[int] | np.ndarray"

_AT_ONCE = 4096  # rows that are asked for ahead: more might push each other out of memory again


class _View(ABC):
    """Rows of pictures, indexed along the first axis as an array is, and a copy as a whole."""

    shape: tuple[int, ...]

    def __len__(self) -> int:
        return self.shape[0]

    @abstractmethod
    def __getitem__(self, key: Key) -> np.ndarray: ...

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("An array of chosen rows is always a copy. Received: copy=False")
        return np.asarray(self[:], dtype)


class Rows(_View):
    """A choice of pictures in any order; costs eight bytes each, however large they are.

    A single row is a view, read-only where the pictures are mapped; several are a copy.
    """

    def __init__(self, images: Pictures, rows: np.ndarray) -> None:
        """Choose rows.

        Args:
            images: uint8 [N, S, S, 3], memory-mapped where memory is to be saved.
            rows: int64 [M], which of them.
        """
        self._images = images
        self._rows = rows
        self.shape = (len(rows), *images.shape[1:])

    def __getitem__(self, key: Key) -> np.ndarray:
        return np.asarray(self._images[self._rows[key]])


class Joined(_View):
    """Mapped arrays one after another, as large as one likes: larger than memory, for example.

    Rows of a batch lie far apart, so the system is told not to read on beyond them, and to read all
    of a batch at once, instead of each when it is touched.
    """

    def __init__(self, parts: Sequence[np.ndarray]) -> None:
        """Join arrays of one kind and shape but for the first axis."""
        self._parts = parts
        self._ends = np.cumsum([len(part) for part in parts])
        self.shape = (int(self._ends[-1]), *parts[0].shape[1:])
        self.dtype = parts[0].dtype
        for part in parts:
            if isinstance(part.base, mmap.mmap) and hasattr(mmap, "MADV_RANDOM"):
                part.base.madvise(mmap.MADV_RANDOM)

    def __getitem__(self, key: Key) -> np.ndarray:
        if isinstance(key, slice):
            return self._rows(np.arange(len(self))[key])
        rows = np.asarray(key)
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows
        if rows.size and not -len(self) <= rows.min() <= rows.max() < len(self):
            raise IndexError(f"Expected rows of {len(self)}. Received: {rows.min()}..{rows.max()}")
        rows = rows % max(len(self), 1)
        if rows.ndim:
            return self._rows(rows.ravel()).reshape(*rows.shape, *self.shape[1:])
        part = int(np.searchsorted(self._ends, rows, "right"))
        return np.asarray(self._parts[part][int(rows - self._ends[part])])

    def _rows(self, rows: np.ndarray) -> np.ndarray:
        result = np.empty((len(rows), *self.shape[1:]), self.dtype)
        for start in range(0, len(rows), _AT_ONCE):
            piece = rows[start : start + _AT_ONCE]
            numbers = np.searchsorted(self._ends, piece, "right")
            order = np.argsort(numbers, kind="stable")
            found, begins = np.unique(numbers[order], return_index=True)
            places = np.split(order, begins[1:])
            inside = [piece[at] - self._ends[n] for n, at in zip(found, places, strict=True)]
            for number, within in zip(found, inside, strict=True):
                _read_ahead(self._parts[number], within % len(self._parts[number]))
            for number, at, within in zip(found, places, inside, strict=True):
                result[start + at] = self._parts[number][within]
        return result


def _read_ahead(array: np.ndarray, rows: np.ndarray) -> None:
    """Have the system begin to read rows of a mapped array; it waits for none of them."""
    mapped = array.base
    if not isinstance(mapped, mmap.mmap) or not hasattr(mmap, "MADV_WILLNEED"):
        return
    # NumPy maps a file from the page on in which the array begins.
    first = getattr(array, "offset", 0) % mmap.ALLOCATIONGRANULARITY
    size = array.strides[0]
    starts = first + np.unique(rows) * size
    breaks = np.flatnonzero(np.diff(starts) > size) + 1
    for run in np.split(starts, breaks):
        begin = int(run[0]) // mmap.PAGESIZE * mmap.PAGESIZE
        mapped.madvise(mmap.MADV_WILLNEED, begin, int(run[-1]) + size - begin)


Pictures: TypeAlias = np.ndarray | Rows | Joined
