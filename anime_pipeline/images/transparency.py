"""Colours under transparency: what is not seen must not bleed into what is."""

from __future__ import annotations

import cv2
import numpy as np


def split_alpha(rgba: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Divide RGBA into colours that may be filtered and the alpha.

    Pixels that cannot be seen hold any colour, often black or white, and a filter that mixes them
    in draws a fringe. They get the premultiplied mean of visible pixels nearby instead: close to a
    shape its own colour, far away that of the whole.

    Args:
        rgba: uint8 [H, W, 4], not premultiplied.

    Returns:
        uint8 [H, W, 3], equal to the input wherever alpha is above 0, and uint8 alpha [H, W].
    """
    rgb, alpha = np.ascontiguousarray(rgba[..., :3]), np.ascontiguousarray(rgba[..., 3])
    hidden = alpha == 0
    if not hidden.any() or hidden.all():
        return (rgb if not hidden.all() else np.zeros_like(rgb)), alpha
    weight = alpha.astype(np.float32) / 255
    filled = _fill(rgb.astype(np.float32) * weight[..., None], weight)
    result = np.where(hidden[..., None], np.clip(np.rint(filled), 0, 255), rgb)
    return result.astype(np.uint8), alpha


def _fill(premultiplied: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return colours everywhere, from averages over ever larger cells where nearer ones are empty.

    The pull and push of Gortler et al., "The Lumigraph", SIGGRAPH 1996, section 3.4.
    """
    height, width = weight.shape
    colour = premultiplied / np.maximum(weight, 1e-6)[..., None]
    if min(height, width) == 1 and max(height, width) == 1:
        return np.asarray(colour)
    half = ((width + 1) // 2, (height + 1) // 2)
    coarse_weight = cv2.resize(weight, half, interpolation=cv2.INTER_AREA)
    coarse = cv2.resize(premultiplied, half, interpolation=cv2.INTER_AREA)
    below = _fill(coarse.reshape(half[1], half[0], 3), coarse_weight)
    wide = cv2.resize(below, (width, height), interpolation=cv2.INTER_LINEAR)
    known = np.minimum(weight, 1)[..., None]
    return np.asarray(known * colour + (1 - known) * wide.reshape(height, width, 3))


def keep_flat(alpha: np.ndarray, enlarged: np.ndarray, first_row: int, scale: int) -> np.ndarray:
    """Return enlarged alpha, exactly 0 or 255 wherever the neighbourhood is.

    A network leaves 1 or 254 in flat parts, which shows as a veil.

    Args:
        alpha: uint8 [H, W] before enlargement.
        enlarged: uint8 [h, scale * W], rows from `first_row` on.
        first_row: Row of the enlarged picture that the strip begins with.
        scale: How many times larger.
    """
    kernel = np.ones((5, 5), np.uint8)
    last = -(-(first_row + len(enlarged)) // scale)
    begin = first_row // scale
    low, high = max(0, begin - 2), min(len(alpha), last + 2)
    least, most = cv2.erode(alpha[low:high], kernel), cv2.dilate(alpha[low:high], kernel)
    flat = (least == most) & ((least == 0) | (least == 255))
    size = (enlarged.shape[1], flat.shape[0] * scale)
    wide = cv2.resize(flat.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    value = cv2.resize(least, size, interpolation=cv2.INTER_NEAREST)
    offset = first_row - low * scale
    window = slice(offset, offset + len(enlarged))
    return np.where(wide[window] > 0, value[window], enlarged)
