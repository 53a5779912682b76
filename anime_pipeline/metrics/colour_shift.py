"""Whether flat areas keep their colour: mean CIEDE2000 (Sharma et al., 2005) at 8x8 pixels.

Both pictures are averaged down to 8x8, which leaves colours and takes away edges and texture, then
compared in Lab (D65). About 1 is just noticeable; lower is better.
"""

import cv2
import numpy as np

from anime_pipeline.images.colour import delta_e, rgb_to_lab

CELLS = 8


def colour_shift(reference: np.ndarray, image: np.ndarray) -> float:
    """Return the mean colour difference of two uint8 [H, W, 3] pictures, H and W >= 8."""
    return float(delta_e(_cells(reference), _cells(image)).mean())


def _cells(image: np.ndarray) -> np.ndarray:
    """Average to Lab [8, 8, 3]; as floats, so that rounding shifts nothing."""
    small = cv2.resize(image.astype(np.float32), (CELLS, CELLS), interpolation=cv2.INTER_AREA)
    return rgb_to_lab(small)
