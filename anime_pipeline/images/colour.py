"""Colours between sRGB and CIE Lab (D65), where distances are close to what people see.

The two conversions are scikit-image's `rgb2lab` and `lab2rgb` written out: they are needed for
every face that is drawn, and importing scikit-image would take longer than drawing it.
"""

import numpy as np

# IEC 61966-2-1, and CIE 15:2004 for Lab; the white is D65's under the 2 degree observer.
XYZ_OF_RGB = np.array(
    [
        [0.412453, 0.357580, 0.180423],
        [0.212671, 0.715160, 0.072169],
        [0.019334, 0.119193, 0.950227],
    ]
)
RGB_OF_XYZ = np.linalg.inv(XYZ_OF_RGB)
WHITE = np.array([0.95047, 1.0, 1.08883])
DARK, SLOPE, OFFSET = 0.008856, 7.787, 16 / 116  # below DARK the cube root is a straight line


def srgb_to_linear(value: np.ndarray) -> np.ndarray:
    """Return the linear light of sRGB from 0 to 1."""
    return np.where(value > 0.04045, ((value + 0.055) / 1.055) ** 2.4, value / 12.92)


def linear_to_srgb(linear: np.ndarray) -> np.ndarray:
    """Return sRGB uint8 of linear light, clipped to 0..1."""
    linear = np.clip(linear, 0, 1)
    bright = 1.055 * linear ** (1 / 2.4) - 0.055
    return np.rint(np.where(linear > 0.0031308, bright, 12.92 * linear) * 255).astype(np.uint8)


def rgb_to_lab(rgb: np.ndarray) -> np.ndarray:
    """Map sRGB 0..255 of shape [..., 3] to Lab float32: L 0..100, a and b about -128..127."""
    xyz = srgb_to_linear(np.asarray(rgb, np.float64) / 255) @ XYZ_OF_RGB.T / WHITE
    f = np.where(xyz > DARK, np.cbrt(xyz), SLOPE * xyz + OFFSET)
    x, y, z = np.moveaxis(f, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1).astype(np.float32)


def lab_to_rgb(lab: np.ndarray) -> np.ndarray:
    """Map Lab [..., 3] to sRGB uint8; colours outside sRGB are clipped."""
    lightness, a, b = np.moveaxis(np.asarray(lab, np.float64), -1, 0)
    y = (lightness + 16) / 116
    f = np.stack([y + a / 500, y, np.maximum(y - b / 200, 0)], axis=-1)
    xyz = np.where(f > np.cbrt(DARK), f**3, (f - OFFSET) / SLOPE) * WHITE
    return linear_to_srgb(xyz @ RGB_OF_XYZ.T)


def delta_e(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return CIEDE2000 differences of Lab colours [..., 3]: about 1 is just noticeable."""
    from skimage.color import deltaE_ciede2000

    return np.asarray(deltaE_ciede2000(first, second), np.float32)
