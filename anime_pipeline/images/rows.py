"""Some of a set's pictures as one array whose rows are read only when they are asked for."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np


class Rows:
    """A choice of pictures in any order; costs eight bytes each, however large they are.

    It is indexed along the first axis, as an array is. A single row is a view, read-only where the
    pictures are mapped; several are a copy.
    """

    def __init__(self, images: np.ndarray, rows: np.ndarray) -> None:
        """Choose rows.

        Args:
            images: uint8 [N, S, S, 3], memory-mapped where memory is to be saved.
            rows: int64 [M], which of them.
        """
        self._images = images
        self._rows = rows

    @property
    def shape(self) -> tuple[int, ...]:
        """That of the chosen pictures, [M, S, S, 3]."""
        return (len(self._rows), *self._images.shape[1:])

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, key: int | slice | np.ndarray) -> np.ndarray:
        return np.asarray(self._images[self._rows[key]])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("An array of chosen rows is always a copy. Received: copy=False")
        return np.asarray(self[:], dtype)


Pictures: TypeAlias = np.ndarray | Rows
