"""How much a set of faces varies, by features and by multi-scale structural similarity.

MS-SSIM between random pairs (Odena et al., "Conditional image synthesis with auxiliary classifier
GANs", ICML 2017, section 4.2) shows a collapse: pairs of a collapsed set are alike. Read both
beside the figure of real faces; more varied than real is no virtue.
"""

import numpy as np
from scipy.spatial.distance import pdist

from anime_pipeline.core.errors import invalid
from anime_pipeline.core.randomness import stream
from anime_pipeline.metrics.features import check_features, check_images
from anime_pipeline.metrics.memorisation import thumbnails

# Weights of the three finest scales in Wang et al., "Multiscale structural similarity", 2003. Their
# five scales and 11 px window need pictures of 176 px; three and 5 px fit into 32 px (32, 16, 8).
WEIGHTS = np.array([0.0448, 0.2856, 0.3001]) / (0.0448 + 0.2856 + 0.3001)
WINDOW_PX = 5
SMALLEST_PX = WINDOW_PX << (len(WEIGHTS) - 1)
PAIRS = 1000
CHUNK = 500


def thumbnail_ratio(real: np.ndarray, fake: np.ndarray) -> float:
    """Return how varied drawn faces are beside real ones, at 8x8: layout and colours, no texture.

    Args:
        real: uint8 [N, S, S, 3].
        fake: uint8 [M, S, S, 3].

    Returns:
        1 where they vary as real ones do, 0 where all are alike.
    """
    return mean_pair_distance(fake) / max(mean_pair_distance(real), 1e-6)


def mean_pair_distance(images: np.ndarray, size_px: int = 8) -> float:
    """Return the mean distance between thumbnails of uint8 [N, S, S, 3], in grey levels."""
    return float(pdist(thumbnails(images, size_px)).mean()) if len(images) > 1 else 0.0


def mean_distance(features: np.ndarray) -> float:
    """Return the mean Euclidean distance over all pairs of different rows of [N, D]."""
    check_features(least=2, features=features)
    return float(pdist(features).mean())


def distance_ratio(real: np.ndarray, fake: np.ndarray) -> float:
    """Return the generated set's mean distance over the real one's: 1 is as varied, 0 collapsed."""
    check_features(least=2, real=real, fake=fake)
    if not (reference := mean_distance(real)):
        raise invalid("real", "rows that differ", f"{len(real)} equal ones")
    return mean_distance(fake) / reference


def ms_ssim(images: np.ndarray) -> float:
    """Return the mean MS-SSIM of random pairs of different faces: 1 if all are the same.

    TensorFlow's `ssim_multiscale` with three scales and a 5 px window, on RGB.

    Args:
        images: uint8 [N, S, S, 3] with S >= 20.
    """
    check_images(images, 2, SMALLEST_PX)
    first, second = draw_pairs(len(images))
    values = [
        _ms_ssim_of_pairs(images[first[at : at + CHUNK]], images[second[at : at + CHUNK]])
        for at in range(0, PAIRS, CHUNK)
    ]
    return float(np.concatenate(values).mean())


def draw_pairs(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw indices of pairs of different members of `count`: two int64 [PAIRS]."""
    random = stream(0, "ms-ssim pairs")
    first = random.integers(0, count, PAIRS)
    return first, (first + random.integers(1, count, PAIRS)) % count


def _ms_ssim_of_pairs(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    # Here, not on top: it takes seconds to import, and only this function needs it.
    import tensorflow as tf

    values = tf.image.ssim_multiscale(
        first, second, max_val=255, power_factors=WEIGHTS.tolist(), filter_size=WINDOW_PX
    )
    return np.asarray(values, np.float64)
