"""Whether generated faces are copies: how near the nearest training face is, against real faces.

Real faces never trained on set the measure (Meehan et al., "A non-parametric test to detect
data-copying", AISTATS 2020, compare the same two sets of distances): generated faces should be no
nearer to training faces than those are. Use it twice, on `Features` for a likeness that survives
shifts, and on `thumbnails` for one that everybody sees.
"""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from anime_pipeline.core.errors import invalid
from anime_pipeline.metrics.features import check_features, check_images, distances

THUMBNAIL_PX = 16
PERCENTILE = 1
CHUNK = 256  # rows of a distance matrix in memory at once


class Nearest(NamedTuple):
    """The nearest training face of each of some faces.

    Attributes:
        distances: float64 [N], how near it is.
        indices: int64 [N], which it is.
        views: int64 [N], in which view it was nearest, e.g. 0 as it is and 1 mirrored.
    """

    distances: np.ndarray
    indices: np.ndarray
    views: np.ndarray


class Memorisation(NamedTuple):
    """Nearest training faces, and how near they are against held-out faces.

    Attributes:
        generated: Of each generated face.
        held_out: Of each held-out real face.
        close_share: Generated faces nearer than the held-out ones' 1st percentile. About 0.01
            without memorising.
        median_ratio: Median distance over the held-out ones'. About 1 or above without memorising.
    """

    generated: Nearest
    held_out: Nearest
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
    found, kept = nearest(fake, training), nearest(held_out, training)
    reference = kept.distances
    middle = float(np.median(reference))
    if middle == 0:
        received = f"{np.count_nonzero(reference == 0)} of {len(reference)} that are"
        raise invalid("held_out", "faces that are not in `training`", received)
    close = found.distances < np.percentile(reference, PERCENTILE)
    return Memorisation(
        found, kept, float(close.mean()), float(np.median(found.distances)) / middle
    )


def nearest(queries: np.ndarray, views: Sequence[np.ndarray]) -> Nearest:
    """Find the nearest row in any of several views; memory stays at 256 rows of distances.

    Args:
        queries: [N, D].
        views: Arrays [T, D], all of one shape.
    """
    if not len(views) or len({view.shape for view in views}) > 1:
        raise invalid("views", "arrays [T, D] of one shape", [view.shape for view in views])
    for view in views:
        check_features(queries=queries, view=view)
    chunks = (queries[at : at + CHUNK] for at in range(0, len(queries), CHUNK))
    parts = [_nearest_of_few(chunk, views) for chunk in chunks]
    return Nearest(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def _nearest_of_few(queries: np.ndarray, views: Sequence[np.ndarray]) -> Nearest:
    rows = np.stack([distances(queries, view).argmin(1) for view in views])  # [V, N]
    nearest = np.stack([view[row] for view, row in zip(views, rows, strict=True)])
    # Anew from the differences: exact, so that a copy is at 0.
    apart = np.linalg.norm(queries - nearest, axis=2)
    best, each = apart.argmin(0), np.arange(len(queries))
    return Nearest(apart[best, each], rows[best, each], best)


def thumbnails(images: np.ndarray, size_px: int = THUMBNAIL_PX) -> np.ndarray:
    """Return small faces as rows whose distance is the RMS difference in grey levels.

    Args:
        images: uint8 [N, S, S, 3].
        size_px: Sixteen pixels blur away what a slight shift would change.

    Returns:
        float64 [N, 3 * size_px**2].
    """
    check_images(images)
    side = (size_px, size_px)
    small = [cv2.resize(i.astype(np.float32), side, interpolation=cv2.INTER_AREA) for i in images]
    rows = np.stack(small).reshape(len(images), -1).astype(np.float64)
    return rows / np.sqrt(rows.shape[1])
