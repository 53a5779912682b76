"""Structural similarity (Wang et al., 2004): scikit-image with its default 7x7 window, on RGB."""

import numpy as np
from skimage.metrics import structural_similarity


def ssim_rgb(reference: np.ndarray, image: np.ndarray) -> float:
    """Return SSIM averaged over the three channels of uint8 [H, W, 3] pictures."""
    return float(structural_similarity(reference, image, channel_axis=2, data_range=255))
