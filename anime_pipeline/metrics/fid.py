"""Frechet inception distance (Heusel et al., NeurIPS 2017), on the features that define it.

Protocol: `pool_3` of the Inception-v3 of 2015-12-05, which resizes to 299 px by itself, unscaled,
covariances over n - 1. The literature draws 50,000; the estimate falls with the number of faces, so
compare only figures of the same n, and n with the figure. It was fitted to photographs: anime faces
are far from what it knows, which is why KID on VGG16 is this project's measure.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from anime_pipeline.metrics.frechet import frechet

Progress = Callable[[int, int], None]
Extractor = Callable[[np.ndarray, Progress | None], np.ndarray]


def fid(
    real: np.ndarray, fake: np.ndarray, inception: Extractor, progress: Progress | None = None
) -> tuple[float, float]:
    """Return the FID of drawn faces, and of one half of the real ones against the other.

    Args:
        real: uint8 [N, S, S, 3], N >= 4, in random order.
        fake: uint8 [M, S, S, 3], M >= 2.
        inception: See `models.inception.Inception`.
        progress: Called with (done, total).
    """
    total = len(real) + len(fake)
    seen_real = inception(real, progress and (lambda done, _: progress(done, total)))
    seen_fake = inception(fake, progress and (lambda done, _: progress(len(real) + done, total)))
    return frechet(seen_real, seen_fake), frechet(seen_real[::2], seen_real[1::2])
