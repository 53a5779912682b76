"""Whether generated faces are copies: how near the nearest training face is, against real faces.

Real faces never trained on set the measure (Meehan et al., "A non-parametric test to detect
data-copying", AISTATS 2020, compare the same two sets of distances): generated faces should be no
nearer to training faces than those are. Use it twice, on `Features` for a likeness that survives
shifts, and on `thumbnails` for one that everybody sees.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from anime_pipeline.metrics.features import check_features, distances

THUMBNAIL_PX = 16
PERCENTILE = 1
CHUNK = 256  # rows of a distance matrix in memory at once


@dataclass(frozen=True)
class Memorisation:
    """Nearest training faces, and how near they are against held-out faces.

    Attributes:
        distances: [N] of each generated face to its nearest training face.
        indices: int64 [N], which training face that is.
        views: int64 [N], in which view it was nearest, e.g. 0 as it is and 1 mirrored.
        held_out_distances: [M], the same for held-out real faces.
        close_share: Generated faces nearer than the held-out ones' 1st percentile. About 0.01
            without memorising.
        median_ratio: Median distance over the held-out ones'. About 1 or above without memorising.
    """

    distances: np.ndarray
    indices: np.ndarray
    views: np.ndarray
    held_out_distances: np.ndarray
    close_share: float
    median_ratio: float


def memorisation(
    fake: np.ndarray, held_out: np.ndarray, training: Sequence[np.ndarray]
) -> Memorisation:
    """Measure how near generated faces come to training faces.

    Args:
        fake: Features [N, D] of generated faces.
        held_out: Features [M, D] of real faces kept from training, and not copies of any in it.
        training: Views of the training faces, each [T, D] in the same order. If training mirrored
            them, give two: the faces as they are, and mirrored (``images[:, :, ::-1]``). A mirrored
            copy would go unseen otherwise.
    """
    found, indices, views = nearest(fake, training)
    reference, _, _ = nearest(held_out, training)
    middle = float(np.median(reference))
    if middle == 0:
        raise ValueError(
            "Invalid value for argument `held_out`. Expected faces that are not in `training`. "
            f"Received: {np.count_nonzero(reference == 0)} of {len(reference)} that are"
        )
    return Memorisation(
        distances=found,
        indices=indices,
        views=views,
        held_out_distances=reference,
        close_share=float((found < np.percentile(reference, PERCENTILE)).mean()),
        median_ratio=float(np.median(found)) / middle,
    )


def nearest(
    queries: np.ndarray, views: Sequence[np.ndarray]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find the nearest row in any of several views; memory stays at 256 rows of distances.

    Args:
        queries: [N, D].
        views: Arrays [T, D], all of one shape.

    Returns:
        Distances float64 [N], rows int64 [N] and views int64 [N].
    """
    if not len(views) or len({view.shape for view in views}) > 1:
        raise ValueError(
            "Invalid value for argument `views`. Expected arrays [T, D] of one shape. "
            f"Received: {[view.shape for view in views]}"
        )
    for view in views:
        check_features(queries=queries, view=view)
    found = [np.empty(len(queries)), *np.empty((2, len(queries)), np.int64)]
    for start in range(0, len(queries), CHUNK):
        part = slice(start, start + CHUNK)
        for array, values in zip(found, _nearest_of_few(queries[part], views), strict=True):
            array[part] = values
    return found[0], found[1], found[2]


def _nearest_of_few(
    queries: np.ndarray, views: Sequence[np.ndarray]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows = np.stack([distances(queries, view).argmin(1) for view in views])  # [V, N]
    # Anew from the differences: exact, so that a copy is at 0.
    apart = np.stack(
        [np.linalg.norm(queries - view[row], axis=1) for view, row in zip(views, rows, strict=True)]
    )
    best = apart.argmin(0)
    each = np.arange(len(queries))
    return apart[best, each], rows[best, each], best


def thumbnails(images: np.ndarray) -> np.ndarray:
    """Return faces at 16 px as rows whose distance is the RMS difference in grey levels.

    Args:
        images: uint8 [N, S, S, 3]. Sixteen pixels blur away what a slight shift would change.

    Returns:
        float64 [N, 768].
    """
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3 or not len(images):
        raise ValueError(
            "Invalid value for argument `images`. Expected uint8 [N, S, S, 3] with N >= 1. "
            f"Received: {images.dtype}{images.shape}"
        )
    side = (THUMBNAIL_PX, THUMBNAIL_PX)
    small = [cv2.resize(i.astype(np.float32), side, interpolation=cv2.INTER_AREA) for i in images]
    rows = np.stack(small).reshape(len(images), -1).astype(np.float64)
    return rows / np.sqrt(rows.shape[1])
