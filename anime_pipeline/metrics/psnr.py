"""Peak signal-to-noise ratio on uint8 RGB (peak 255), and on BT.601 luma with a shaved border.

scikit-image computes it; this file fixes the protocol, which decides the figure.
"""

import numpy as np
from skimage.metrics import peak_signal_noise_ratio

from anime_pipeline.core.errors import invalid

# Rec. ITU-R BT.601 studio-range luma, the convention of the super-resolution literature.
LUMA_WEIGHTS = np.array([65.481, 128.553, 24.966])
LUMA_OFFSET = 16.0
LUMA_BORDER_PX = 4
CAP_DB = 100.0  # identical pictures have infinite PSNR, which no mean survives


def psnr_rgb(reference: np.ndarray, image: np.ndarray) -> float:
    """Return PSNR in dB over all RGB samples.

    Args:
        reference: uint8 [H, W, 3].
        image: uint8 [H, W, 3].
    """
    check_pair(reference, image)
    if np.array_equal(reference, image):
        return CAP_DB
    return float(peak_signal_noise_ratio(reference, image, data_range=255))


def psnr_y(reference: np.ndarray, image: np.ndarray, border_px: int = LUMA_BORDER_PX) -> float:
    """Return PSNR in dB on luma, `border_px` pixels shaved off each side."""
    check_pair(reference, image)
    first, second = _luma(reference, border_px), _luma(image, border_px)
    if np.array_equal(first, second):
        return CAP_DB
    return float(peak_signal_noise_ratio(first, second, data_range=255))


def _luma(image: np.ndarray, border_px: int) -> np.ndarray:
    height, width = image.shape[:2]
    inner = image[border_px : height - border_px, border_px : width - border_px]
    return inner.astype(np.float64) @ LUMA_WEIGHTS / 255.0 + LUMA_OFFSET


def check_pair(reference: np.ndarray, image: np.ndarray) -> None:
    """Raise ValueError unless both are uint8 arrays of one shape."""
    if reference.shape != image.shape or reference.dtype != np.uint8 or image.dtype != np.uint8:
        received = f"{reference.dtype}{reference.shape}, {image.dtype}{image.shape}"
        raise invalid("image", "two uint8 arrays of one shape [H, W, 3]", received)
