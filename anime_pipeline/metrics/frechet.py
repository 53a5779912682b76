"""Frechet distance of two Gaussians (Heusel et al., NeurIPS 2017, equation 6), on any features.

Called FID on those of Inception-v3 alone: `pool_3` of the network of 2015-12-05, which resizes to
299 px by itself, unscaled, covariances over n - 1. The literature draws 50,000; the estimate falls
with the number of faces, so compare only figures of the same n, and n with the figure. Inception
was fitted to photographs: anime faces are far from what it knows, which is why KID is this
project's measure.
"""

import numpy as np

from anime_pipeline.core.progress import Progress, ignored
from anime_pipeline.metrics.features import Extractor, check_features, of_sets


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


def fid(
    real: np.ndarray, fake: np.ndarray, inception: Extractor, progress: Progress = ignored
) -> tuple[float, float]:
    """Return the FID of drawn faces, and of one half of the real ones against the other.

    Args:
        real: uint8 [N, S, S, 3], N >= 4, in random order.
        fake: uint8 [M, S, S, 3], M >= 2.
        inception: See `models.inception.Inception`.
        progress: Called with (done, total).
    """
    real, fake = of_sets(inception, [real, fake], progress)
    return frechet(real, fake), frechet(real[::2], real[1::2])
