"""What a benchmark's page shows of a picture: a window to look closely at, and a map of errors."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

LARGEST_WINDOW_PX = 48
STEP_PX = 4  # windows begin between LR pixels
FULL_LEVELS = 64  # mean error over R, G and B at which the colours end
PALETTE = cv2.COLORMAP_INFERNO  # black, violet, red, yellow; even steps look even


class Window(NamedTuple):
    """A square part of a picture, in pixels."""

    top: int
    left: int
    side: int

    def cut(self, image: np.ndarray) -> np.ndarray:
        """Return the part of [H, W, C]."""
        return image[self.top : self.top + self.side, self.left : self.left + self.side]


def hardest_window(hr_image: np.ndarray, result: np.ndarray) -> Window:
    """Return where a result is furthest from the original: uint8 [H, W, 3] both.

    The side is half the picture's, at most 48 px, so that the page can show it well enlarged.
    """
    error = error_levels(hr_image, result)
    height, width = error.shape
    side = min(LARGEST_WINDOW_PX, height // 2, width // 2)
    sums = cv2.integral(error)
    totals = (
        sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    )[::STEP_PX, ::STEP_PX]
    top, left = np.unravel_index(totals.argmax(), totals.shape)
    return Window(int(top) * STEP_PX, int(left) * STEP_PX, side)


def error_levels(hr_image: np.ndarray, result: np.ndarray) -> np.ndarray:
    """Return the mean absolute error over R, G and B: float32 [H, W], 0..255 grey levels."""
    return np.asarray(
        np.abs(hr_image.astype(np.float32) - result.astype(np.float32)).mean(axis=2), np.float32
    )


def error_map(hr_image: np.ndarray, result: np.ndarray) -> np.ndarray:
    """Return the error in colours, uint8 [H, W, 3]: black is none, light yellow 64 or more."""
    return _coloured(error_levels(hr_image, result) / FULL_LEVELS)


def error_scale() -> np.ndarray:
    """Return the colours from no error to 64 levels: uint8 [1, 256, 3]."""
    return _coloured(np.linspace(0, 1, 256, dtype=np.float32)[None])


def _coloured(shares: np.ndarray) -> np.ndarray:
    levels = np.rint(np.clip(shares, 0, 1) * 255).astype(np.uint8)
    return np.ascontiguousarray(cv2.applyColorMap(levels, PALETTE)[..., ::-1])
