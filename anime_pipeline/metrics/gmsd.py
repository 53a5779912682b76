"""How well edges are kept: gradient magnitude similarity deviation (Xue et al., IEEE TIP 2014).

0 where all edges are as in the original; lower is better. As in the authors' code: grey levels
0..255 averaged over 2x2 blocks, Prewitt gradients, c = 170, and the standard deviation over places
(equations 3, 4 and 6), because a few ruined edges disturb more than an even haze.
"""

import cv2
import numpy as np
from scipy.ndimage import prewitt
from skimage.measure import block_reduce

from anime_pipeline.metrics.psnr import check_pair

STABILITY = 170.0  # the paper's c, for levels 0..255


def gmsd(reference: np.ndarray, image: np.ndarray) -> float:
    """Return the deviation of two uint8 [H, W, 3] pictures of one size: 0 to about 0.35."""
    check_pair(reference, image)
    first, second = _gradient(reference), _gradient(image)
    similarity = (2 * first * second + STABILITY) / (first**2 + second**2 + STABILITY)
    return float(similarity.std())


def _gradient(image: np.ndarray) -> np.ndarray:
    """Return gradient magnitudes [H / 2, W / 2] in levels per pixel."""
    grey = cv2.cvtColor(image.astype(np.float32), cv2.COLOR_RGB2GRAY).astype(np.float64)
    half = block_reduce(grey, (2, 2), np.mean)
    return np.asarray(np.hypot(*(prewitt(half, axis, mode="constant") / 3 for axis in (0, 1))))
