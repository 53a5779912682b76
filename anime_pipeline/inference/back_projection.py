"""Correcting an enlarged picture until it reduces to the input again.

Irani and Peleg, "Improving Resolution by Image Registration", CVGIP 1991: the error of the reduced
result is enlarged and added. It removes colour shift and some of the error, as far as the input was
made by the reduction that is assumed here, Pillow's antialiased bicubic.
"""

import numpy as np
from PIL import Image

STEP = 0.8  # below 1: the kernels together are no exact inverse of each other


def back_project(levels: np.ndarray, lr_image: np.ndarray, rounds: int) -> np.ndarray:
    """Return a picture that reduces to nearly `lr_image`.

    Args:
        levels: float32 [sH, sW, 3] in 0..255, not rounded.
        lr_image: uint8 [H, W, 3].
        rounds: How often to correct; 0 returns `levels`.

    Returns:
        float32 [sH, sW, 3], not clipped.
    """
    small, large = lr_image.shape[1::-1], levels.shape[1::-1]
    target = lr_image.astype(np.float32)
    result: np.ndarray = np.asarray(levels, np.float32)
    for _ in range(rounds):
        # Clipped as the file will be, or the correction would chase what no file can hold.
        error = target - _resized(np.clip(result, 0, 255), (small[0], small[1]))
        result = result + STEP * _resized(error, (large[0], large[1]))
    return result


def _resized(levels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    channels = [
        np.asarray(Image.fromarray(levels[..., channel]).resize(size, Image.Resampling.BICUBIC))
        for channel in range(3)
    ]
    return np.stack(channels, axis=-1)
