"""Improved precision and recall (Kynkaanniemi et al., NeurIPS 2019, equations 1 and 2).

A set's manifold is the union of balls around its members, each reaching to the k-th neighbour.
"""

from typing import NamedTuple

import numpy as np

from anime_pipeline.metrics.features import check_features, distances

NEIGHBOURS = 3  # the paper's k; the row itself does not count
LIMIT = 1000  # both shares depend on the number of faces, so it is fixed


class PrecisionRecall(NamedTuple):
    """Two shares in [0, 1]: 1 and 1 for equal sets, 0 and 0 for sets far apart.

    Attributes:
        precision: Generated faces on the real manifold: are they good?
        recall: Real faces on the generated manifold: are all kinds there?
    """

    precision: float
    recall: float


def precision_recall(real: np.ndarray, fake: np.ndarray) -> PrecisionRecall:
    """Compare two sets of features, of each the first `LIMIT` rows.

    Args:
        real: Features [N, D], divided by `common_scale`.
        fake: Features [M, D], divided by the same scale.
    """
    real, fake = real[:LIMIT], fake[:LIMIT]
    check_features(least=NEIGHBOURS + 1, real=real, fake=fake)
    apart = distances(real, fake)
    return PrecisionRecall(
        precision=float((apart <= _radii(real)[:, None]).any(0).mean()),
        recall=float((apart <= _radii(fake)[None]).any(1).mean()),
    )


def _radii(features: np.ndarray) -> np.ndarray:
    """Return each row's distance to its k-th neighbour: [N]. Place 0 is the row itself."""
    return np.partition(distances(features, features), NEIGHBOURS, axis=1)[:, NEIGHBOURS]
