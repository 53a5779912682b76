"""Colours under transparency: what is not seen must not bleed into what is."""

import math
from collections.abc import Iterator

import cv2
import numpy as np

# From this alpha on colours are kept as they are. Below it they hardly show, and are often left
# behind by an eraser.
SEEN = 32
# How far, in pixels, colours can bleed. What lies further from anything that is seen better keeps
# its own colour: a faint glow, or a picture that is faint all over.
BLEED_PX = 4
BAND_ROWS = 128  # converted to floats at once; even, so that cells of two rows lie in one band


def split_alpha(rgba: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Divide RGBA into colours that may be filtered and the alpha.

    Pixels that cannot be seen hold any colour, often black or white, and a filter that mixes them
    in draws a fringe. They get the premultiplied mean of visible pixels nearby instead: close to a
    shape its own colour, far away that of the whole. Pixels that hardly show beside others that do
    are drawn towards that mean, the more the fainter they are.

    Args:
        rgba: uint8 [H, W, 4], not premultiplied.

    Returns:
        uint8 [H, W, 3], equal to the input wherever alpha is at least `SEEN`, or above 0 and the
        highest within `BLEED_PX`; and uint8 alpha [H, W].
    """
    alpha = np.ascontiguousarray(rgba[..., 3])
    rgb = np.ascontiguousarray(rgba[..., :3])
    lowest, highest = int(alpha.min()), int(alpha.max())
    if highest == 0:
        return np.zeros_like(rgb), alpha
    if lowest >= min(SEEN, highest):
        return rgb, alpha
    below = _fill(*_halved(rgba))
    for rows, window in _bands(len(alpha), BLEED_PX):
        peak = cv2.dilate(alpha[window], np.ones((2 * BLEED_PX + 1,) * 2, np.uint8))
        peak = peak[rows.start - window.start :][: rows.stop - rows.start]
        own = np.minimum(1, alpha[rows] / np.clip(peak, 1, SEEN).astype(np.float32))
        faint = own < 1
        if not faint.any():
            continue
        # A power, as beside an opaque pixel a filter over premultiplied colours would give this
        # one no more than alpha / 255 of the weight.
        share = (own**4)[..., None]
        colours = rgb[rows].astype(np.float32)
        weight = (alpha[rows] / np.float32(255))[..., None]
        mean = weight * colours + (1 - weight) * _doubled(below, rows, alpha.shape[1])
        drawn = share * colours + (1 - share) * mean
        rgb[rows][faint] = np.clip(np.rint(drawn[faint]), 0, 255)
    return rgb, alpha


def _bands(height: int, margin: int = 0) -> Iterator[tuple[slice, slice]]:
    """Yield bands of rows, each also with a margin where there is more."""
    for top in range(0, height, BAND_ROWS):
        bottom = min(height, top + BAND_ROWS)
        yield slice(top, bottom), slice(max(0, top - margin), min(height, bottom + margin))


def _fill(premultiplied: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return colours everywhere, from averages over ever larger cells where nearer ones are empty.

    The pull and push of Gortler et al., "The Lumigraph", SIGGRAPH 1996, section 3.4. Overwrites
    its argument.
    """
    height, width = weight.shape
    below = None
    if max(height, width) > 1:
        below = _fill(_half(premultiplied), _half(weight))
    for rows, _ in _bands(height):
        known = weight[rows][..., None]
        colour = premultiplied[rows] / np.maximum(known, 1e-6)
        if below is not None:
            colour = known * colour + (1 - known) * _doubled(below, rows, width)
        premultiplied[rows] = colour
    return premultiplied


def _halved(rgba: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return premultiplied colours and weights at half the size, without floats at the whole."""
    colours, weights = [], []
    for rows, _ in _bands(len(rgba)):
        weight = rgba[rows][..., 3] / np.float32(255)
        colours.append(_half(rgba[rows][..., :3] * weight[..., None]))
        weights.append(_half(weight))
    return np.concatenate(colours), np.concatenate(weights)


def _half(cells: np.ndarray) -> np.ndarray:
    """Return means over 2 x 2 cells; the last row or column of an odd number counts twice."""
    height, width = cells.shape[:2]
    even = cv2.copyMakeBorder(cells, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
    half = ((height + 1) // 2, (width + 1) // 2)
    small = cv2.resize(even, half[::-1], interpolation=cv2.INTER_AREA)
    return np.asarray(small.reshape(*half, *cells.shape[2:]), np.float32)


def _doubled(below: np.ndarray, rows: slice, width: int) -> np.ndarray:
    """Return rows (from an even number on) of what `_half` made small, interpolated."""
    low = max(0, rows.start // 2 - 1)
    window = below[low : (rows.stop + 1) // 2 + 1]
    size = (2 * window.shape[1], 2 * window.shape[0])
    wide = cv2.resize(window, size, interpolation=cv2.INTER_LINEAR)
    return np.asarray(wide[rows.start - 2 * low : rows.stop - 2 * low, :width])


def keep_flat(picture: np.ndarray, enlarged: np.ndarray, first_row: int, height: int) -> np.ndarray:
    """Return what was enlarged, exactly as the source is wherever that is of one value around.

    A network moves a flat colour by a few levels, and a second pass makes a texture of that; alpha
    of 1 or 254 shows as a veil, so only 0 and 255 are kept of it.

    Args:
        picture: uint8 [H, W] alpha or [H, W, 3] before enlargement.
        enlarged: uint8 [h, w] or [h, w, 3], rows from `first_row` on.
        first_row: Row of the enlarged picture that the strip begins with.
        height: Of the enlarged picture.
    """
    rows = _sources(np.arange(first_row, first_row + len(enlarged)), len(picture), height)
    columns = _sources(np.arange(enlarged.shape[1]), picture.shape[1], enlarged.shape[1])
    # A side that shrinks mixes more than two pixels each way.
    reach = math.ceil(2 * max(1, len(picture) / height))
    across = math.ceil(2 * max(1, picture.shape[1] / enlarged.shape[1]))
    low, high = max(0, rows[0] - reach), rows[-1] + reach + 1
    kernel = np.ones((2 * reach + 1, 2 * across + 1), np.uint8)
    least, most = cv2.erode(picture[low:high], kernel), cv2.dilate(picture[low:high], kernel)
    at = np.ix_(rows - low, columns)
    least, flat = least[at], (least == most)[at]
    if picture.ndim == 2:
        flat &= (least == 0) | (least == 255)
    else:
        flat = flat.all(axis=2, keepdims=True)
    return np.where(flat, least, enlarged)


def _sources(numbers: np.ndarray, have: int, wanted: int) -> np.ndarray:
    """Return the source pixels in which the centres of a result's pixels lie, along one side."""
    return np.minimum((2 * numbers + 1) * have // (2 * wanted), have - 1)
