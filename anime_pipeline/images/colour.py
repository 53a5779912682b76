"""Colours between sRGB and CIE Lab (D65), where distances are close to what people see."""

from __future__ import annotations

import numpy as np
from skimage.color import deltaE_ciede2000, lab2rgb, rgb2lab


def rgb_to_lab(rgb: np.ndarray) -> np.ndarray:
    """Map sRGB 0..255 of shape [..., 3] to Lab float32: L 0..100, a and b about -128..127."""
    return rgb2lab(np.asarray(rgb, np.float64) / 255).astype(np.float32)


def lab_to_rgb(lab: np.ndarray) -> np.ndarray:
    """Map Lab [..., 3] to sRGB uint8; colours outside sRGB are clipped."""
    return np.rint(lab2rgb(np.asarray(lab, np.float64)) * 255).clip(0, 255).astype(np.uint8)


def delta_e(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return CIEDE2000 differences of Lab colours [..., 3]: about 1 is just noticeable."""
    return np.asarray(deltaE_ciede2000(first, second), np.float32)
