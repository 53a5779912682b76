"""Frechet distance of two Gaussians (Heusel et al., NeurIPS 2017, equation 6), on any features.

Not called FID, a name that stands for Inception-v3 features and 50,000 pictures. The estimate falls
with the number of faces, so compare only figures of the same n.
"""

from __future__ import annotations

import numpy as np

from anime_pipeline.metrics.features import check_features


def frechet(real: np.ndarray, fake: np.ndarray) -> float:
    """Return |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)), not negative.

    With centred features A and B over sqrt(n - 1), C1 = A'A and C2 = B'B, and the trace of the root
    is the sum of the singular values of A B'. A root of C1 C2 itself is ill-conditioned, and with
    fewer faces than features it need not exist; this always does.

    Args:
        real: Features [N, D], divided by `common_scale`.
        fake: Features [M, D], divided by the same scale.
    """
    check_features(least=2, real=real, fake=fake)
    first, second = _spread(real), _spread(fake)
    shared = np.linalg.svd(first @ second.T, compute_uv=False).sum()
    means = np.square(real.mean(0) - fake.mean(0)).sum()
    distance = means + np.square(first).sum() + np.square(second).sum() - 2 * shared
    return max(0.0, float(distance))


def _spread(features: np.ndarray) -> np.ndarray:
    """Return R [min(N, D), D] with R'R the covariance: singular values outlive a rotation."""
    centred = (features - features.mean(0)) / np.sqrt(len(features) - 1)
    return np.asarray(np.linalg.qr(centred, mode="r"))
