"""Hair and skin colour of a face by pixel statistics: weighted modes of Lab colours, no network.

A face crop holds hair and skin in known places. The colours found there vote, each for those close
to it (a kernel density; Comaniciu & Meer, "Mean Shift", 2002), and the densest colour wins.
"""

from __future__ import annotations

from itertools import product

import cv2
import numpy as np

from anime_pipeline.core.errors import DataError
from anime_pipeline.data.characters import Colors, Rgb
from anime_pipeline.images.colour import lab_to_rgb, rgb_to_lab

MIN_SIDE_PX = 16
SIDE_PX = 32  # all that is looked at: colours of areas are no clearer in larger pictures

# How often (%) a place shows the colour that the table gives for hair or for skin: left half of
# 8x8 places, both sides averaged, over 10,000 close crops of faces.
HAIR_PLACES = (
    (31, 45, 51, 51),
    (44, 59, 57, 55),
    (48, 53, 30, 28),
    (43, 39, 10, 5),
    (36, 38, 6, 2),
    (29, 36, 15, 3),
    (24, 28, 20, 11),
    (18, 20, 15, 9),
)
SKIN_PLACES = (
    (8, 4, 4, 5),
    (4, 2, 5, 8),
    (3, 2, 7, 21),
    (3, 4, 12, 66),
    (5, 5, 50, 90),
    (7, 3, 34, 76),
    (11, 7, 7, 17),
    (14, 12, 13, 16),
)
MIN_HAIR_PLACE, MIN_SKIN_PLACE = 0.2, 0.5  # rarer places add time and mistakes

# Widths in Lab units: least CIEDE2000 against the tables of the same faces. Hair has more shades.
HAIR_WIDTH, HAIR_MEAN_WIDTH = 9.0, 8.0
SKIN_WIDTH, SKIN_MEAN_WIDTH = 3.0, 3.0
LIKE_SKIN_WIDTH, LIKE_SKIN_LOSS = 12.0, 0.99  # not all: a face of one colour has hair too
EVERY = 3  # pixels: all vote, but not all need to be candidates
# Skin's weight falls by e for each: shade and mouths are darker. Less of it makes no difference to
# light skin; more of it takes the whites of the eyes for the skin of a dark face.
SHADE_LIGHTNESS = 40.0
# A colour loses e^-3 if all of the border shows it: a plain background. Hair that fills the border
# of a close crop loses nothing by that; around a small face the border is seldom hair.
BORDER_WIDTH, BORDER_LOSS = 6.0, 3.0
SMALL_BORDER_LOSS = 8.0

# Wider pictures are looked at through the window in which skin lies most as SKIN_PLACES says.
WINDOW_SIDES = (0.85, 0.7, 0.55)  # shares of the picture's side; the last one makes a face small
WINDOW_PLACES = (0.2, 0.5, 0.8)  # shares of the room that is left
WHOLE_ADVANTAGE = 0.15  # in correlation: a window has to be clearly better
WINDOW_SKIN_WIDTH = 8.0


def _weights(places: tuple[tuple[int, ...], ...], least: float) -> np.ndarray:
    """Spread a table's left half over SIDE_PX x SIDE_PX pixels: float32, 0 below `least`."""
    left = np.array(places, np.float32) / 100
    whole = np.concatenate([left, left[:, ::-1]], axis=1)
    smooth = cv2.resize(whole, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_LINEAR)
    return np.where(smooth > least, smooth, 0).ravel()


# Where background shows most: upper corners and the sides above shoulders.
_BORDER = np.zeros((SIDE_PX, SIDE_PX), bool)
_BORDER[:20, :2] = _BORDER[:20, -2:] = True
_BORDER[:4, :4] = _BORDER[:4, -4:] = True
_HAIR = _weights(HAIR_PLACES, MIN_HAIR_PLACE) ** 2  # squared: sure places count for more
_SKIN = _weights(SKIN_PLACES, MIN_SKIN_PLACE)
_SKIN_PATTERN = _weights(SKIN_PLACES, 0) - _weights(SKIN_PLACES, 0).mean()
_SKIN_PATTERN /= np.linalg.norm(_SKIN_PATTERN)


def estimate_colors(rgb: np.ndarray) -> Colors:
    """Estimate the hair and skin colour of a face.

    Args:
        rgb: uint8 [H, W, 3], a face about in the middle of its picture, hair on top; sides of
            16 px or more.

    Returns:
        The colours, RGB 0..255; the same ones for the same picture on every call.

    Raises:
        ValueError: If the array is no uint8 RGB picture.
        DataError: If a side is shorter than 16 px.
    """
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8:
        raise ValueError(f"Expected uint8 [H, W, 3]. Received {rgb.dtype} {list(rgb.shape)}.")
    height, width = rgb.shape[:2]
    if min(height, width) < MIN_SIDE_PX:
        raise DataError(
            f"image: too small to tell colours. Expected sides of {MIN_SIDE_PX} px or more. "
            f"Received {width}x{height}. Leave it out, or give a larger copy."
        )
    reducing = min(height, width) >= SIDE_PX
    kind = cv2.INTER_AREA if reducing else cv2.INTER_LINEAR
    small = cv2.resize(rgb, (SIDE_PX, SIDE_PX), interpolation=kind)
    lab = rgb_to_lab(small).reshape(-1, 3)  # [1024, 3]

    skin = _skin(lab)
    border = lab[_BORDER.ravel()]
    top, left, side = _window(_kernel(lab, skin[None], WINDOW_SKIN_WIDTH)[:, 0])
    if side < SIDE_PX:
        seen = lab.reshape(SIDE_PX, SIDE_PX, 3)[top : top + side, left : left + side]
        seen = cv2.resize(seen, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_LINEAR)
        lab = seen.reshape(-1, 3)
        skin = _skin(lab)
    far = side <= round(SIDE_PX * WINDOW_SIDES[-1])
    hair = _hair(lab, skin, border, SMALL_BORDER_LOSS if far else BORDER_LOSS)
    return Colors(_rgb(hair), _rgb(skin))


def _skin(lab: np.ndarray) -> np.ndarray:
    """Return the densest colour [3] where skin is, the lit one rather than its shade."""
    colours, weights = lab[_SKIN > 0], _SKIN[_SKIN > 0]
    lit = np.exp((colours[:, 0] - 100) / SHADE_LIGHTNESS)
    return _mode(colours, weights * lit, SKIN_WIDTH, SKIN_MEAN_WIDTH)


def _hair(lab: np.ndarray, skin: np.ndarray, border: np.ndarray, loss: float) -> np.ndarray:
    """Return the densest colour [3] where hair is that is neither skin nor background."""
    colours, weights = lab[_HAIR > 0], _HAIR[_HAIR > 0]
    like_skin = _kernel(colours, skin[None], LIKE_SKIN_WIDTH)[:, 0]
    like_border = _kernel(colours, border, BORDER_WIDTH).mean(axis=1)
    weights = weights * (1 - LIKE_SKIN_LOSS * like_skin) * np.exp(-loss * like_border)
    return _mode(colours, weights, HAIR_WIDTH, HAIR_MEAN_WIDTH)


def _window(skin_map: np.ndarray) -> tuple[int, int, int]:
    """Find the square in which likeness to skin [SIDE_PX^2] lies as in a close crop of a face.

    Returns:
        Top, left and side in pixels; the whole picture unless a smaller square is clearly better.
    """
    picture = skin_map.reshape(SIDE_PX, SIDE_PX)
    best, score = (0, 0, SIDE_PX), _likeness(picture) + WHOLE_ADVANTAGE
    for share in WINDOW_SIDES:
        side = round(SIDE_PX * share)
        starts = [round((SIDE_PX - side) * place) for place in WINDOW_PLACES]
        for top, left in product(starts, starts):
            seen = picture[top : top + side, left : left + side]
            seen = cv2.resize(seen, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_LINEAR)
            found = _likeness(seen)
            if found > score:
                best, score = (top, left, side), found
    return best


def _likeness(skin_map: np.ndarray) -> float:
    """Return the correlation (-1..1) of a map [SIDE_PX, SIDE_PX] with the places of skin."""
    centred = skin_map.ravel() - skin_map.mean()
    length = float(np.linalg.norm(centred))
    return float(centred @ _SKIN_PATTERN) / length if length > 1e-3 else 0.0  # one colour: nothing


def _kernel(first: np.ndarray, second: np.ndarray, width: float) -> np.ndarray:
    """Return a Gaussian of the distances between colours [N, 3] and [M, 3]: [N, M] in 0..1."""
    # |a - b|^2 by one matrix product: three times as fast as the differences.
    squares = (first**2).sum(axis=1)[:, None] + (second**2).sum(axis=1)
    return np.exp((squares - 2 * (first @ second.T)) / np.float32(-2 * width**2))


def _mode(colours: np.ndarray, weights: np.ndarray, width: float, mean_width: float) -> np.ndarray:
    """Return the mean colour [3] around the densest of the weighted colours [N, 3]."""
    candidates = colours[::EVERY]
    densest = candidates[(_kernel(candidates, colours, width) @ weights).argmax()]
    near = weights * _kernel(colours, densest[None], mean_width)[:, 0]
    return np.asarray((near[:, None] * colours).sum(axis=0) / near.sum())


def _rgb(lab: np.ndarray) -> Rgb:
    red, green, blue = lab_to_rgb(lab).tolist()
    return red, green, blue
