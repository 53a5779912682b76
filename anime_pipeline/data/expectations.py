"""What can be expected of training on a set of pictures, where that is little."""

from __future__ import annotations

import numpy as np

from anime_pipeline.data.duplicates import cached_groups
from anime_pipeline.data.store import Store

FEW = 20
FLAT_LEVELS = 2  # of 255: what compression makes of one colour


def poor_prospects(store: Store, train: np.ndarray) -> list[str]:
    """Say in plain words what pictures this poor will give; nothing where they are not.

    Args:
        store: Decoded pictures.
        train: Rows on the training side.
    """
    count = len(train)
    said = []
    groups = cached_groups(store.thumbnails)[train]
    thumbnails = store.thumbnails[train].astype(np.int16)
    spans = thumbnails.max(axis=(1, 2)) - thumbnails.min(axis=(1, 2))  # [N, 3]
    flat = np.flatnonzero(spans.max(axis=1) <= FLAT_LEVELS)
    if len(flat):
        example = store.records[train[flat[0]]].path
        said.append(
            f"Warning: {len(flat)} of {count} training pictures show one flat colour (first "
            f"{example}). Expect flat pictures as often; leave them out unless you want that."
        )
    if count > 1 and len(set(groups.tolist())) == 1:
        said.append(
            f"Warning: all {count} training pictures are the same one, or nearly. Expect that "
            "picture for every seed, whatever is asked for."
        )
    elif count <= FEW:
        pictures = "picture" if count == 1 else "pictures"
        said.append(
            f"Warning: {count} training {pictures}. Expect what is learnt by heart, copies with "
            "blemishes rather than new pictures. A few hundred give something, a few thousand "
            "give variety."
        )
    return said
