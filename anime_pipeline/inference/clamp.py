"""Keeping a network from painting into what is plainly empty.

Trained on small crops of busy pictures, an upscaler can draw marks into large flat areas, which it
has hardly seen. Where the input hardly varies, the result may hardly leave its range; beside
lines and edges the limit is so wide that it never matters.
"""

import cv2
import numpy as np

REACH_PX = 2  # LR pixels each way that belong to a place
SLACK = 2.0  # grey levels that are allowed anywhere: all that a flat colour may move
GROWTH = 2.0  # how often the range of the place may be left on either side


def clamp(levels: np.ndarray, lr_image: np.ndarray) -> np.ndarray:
    """Limit each pixel by the range of the input around it.

    Args:
        levels: float32 [sH, sW, 3] in grey levels, not rounded.
        lr_image: uint8 [H, W, 3].

    Returns:
        float32 [sH, sW, 3].
    """
    window = np.ones((2 * REACH_PX + 1, 2 * REACH_PX + 1), np.uint8)
    low = cv2.erode(lr_image, window).astype(np.float32)
    high = cv2.dilate(lr_image, window).astype(np.float32)
    room = GROWTH * (high - low) + SLACK
    size = levels.shape[1::-1]
    floor = cv2.resize(low - room, size, interpolation=cv2.INTER_NEAREST)
    ceiling = cv2.resize(high + room, size, interpolation=cv2.INTER_NEAREST)
    return np.clip(levels, floor, ceiling)
