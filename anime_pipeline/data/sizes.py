"""Which HR size a set of pictures can serve, from file headers alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from PIL import UnidentifiedImageError

from anime_pipeline.core.errors import DataError
from anime_pipeline.core.files import open_regular
from anime_pipeline.data.dataset import Dataset
from anime_pipeline.images.headers import open_header

HR_SIZES = (128, 96, 64)
ENOUGH = 1000


def short_sides(datasets: Sequence[Dataset]) -> Iterator[int]:
    """Yield the short side in pixels of every picture whose header can be read."""
    for dataset in datasets:
        for record in dataset.records:
            try:
                with open_regular(record.path) as file, open_header(file) as picture:
                    yield min(picture.size)
            except (OSError, UnidentifiedImageError, ValueError, DataError):
                continue  # counted and named when the store is built


def choose_hr_size(datasets: Sequence[Dataset]) -> int:
    """Return the largest HR size that half of the pictures, or a thousand, can fill.

    Raises:
        DataError: If no picture reaches the smallest size; says which sizes were found.
    """
    found_px: list[int] = []
    largest = 0
    for side in short_sides(datasets):
        found_px.append(side)
        largest += side >= HR_SIZES[0]
        if largest >= ENOUGH:
            return HR_SIZES[0]  # whatever the others are
    sides = np.array(found_px, np.int64)
    for size in HR_SIZES:
        large_enough = int((sides >= size).sum())
        if large_enough and large_enough >= min(ENOUGH, len(sides) / 2):
            return size
    roots = ", ".join(str(dataset.root) for dataset in datasets)
    found = f"short sides {sides.min()}-{sides.max()} px" if len(sides) else "none readable"
    raise DataError(
        f"No HR pictures in {roots}: found {len(sides)} pictures, {found}. Needed: half of them "
        f"(or {ENOUGH}) with a short side of {HR_SIZES[0]} px, or at least {HR_SIZES[-1]} px to "
        "train on smaller crops."
    )
