"""Resizing a picture that arrives strip by strip."""

import math
from collections.abc import Iterable, Iterator

import numpy as np
from PIL import Image

STRIP_PX = 256  # rows of the result computed at once
BICUBIC_SUPPORT = 2.0  # Pillow's kernel reaches two pixels, of the smaller picture, each way


def resize_strips(
    strips: Iterable[np.ndarray], size: tuple[int, int], wanted: tuple[int, int]
) -> Iterator[np.ndarray]:
    """Resize with Pillow's antialiased bicubic, keeping only the rows in memory that are needed.

    Args:
        strips: uint8 [h, W, C] strips of the source, top to bottom; C is 1, 3 or 4.
        size: Width and height of the source.
        wanted: Width and height of the result.

    Yields:
        uint8 [h, width, C] strips of the result: what resizing the whole would
        give, first across and then down, to rounding.
    """
    if size == wanted:
        yield from strips
        return
    ratio = size[1] / wanted[1]
    reach = math.ceil(BICUBIC_SUPPORT * max(ratio, 1.0)) + 1
    held, first = np.empty((0, 0, 0), np.uint8), 0  # source rows from number `first`
    source = iter(strips)
    for top in range(0, wanted[1], STRIP_PX):
        bottom = min(top + STRIP_PX, wanted[1])
        begin = max(0, math.floor(top * ratio) - reach)
        end = min(size[1], math.ceil(bottom * ratio) + reach)
        while first + len(held) < end:
            strip = next(source)
            held = np.concatenate([held, strip]) if held.size else strip
        held, first = held[begin - first :], begin
        # Given a box, Pillow still looks at the pixels around it.
        box = (top * ratio - first, bottom * ratio - first)
        yield _resize(held, (wanted[0], bottom - top), box)


def _resize(rows: np.ndarray, wanted: tuple[int, int], box: tuple[float, float]) -> np.ndarray:
    channels = rows.shape[2]
    if channels == 4:
        raise ValueError("Resize colour and alpha apart: their products are not bicubic.")
    picture = Image.fromarray(rows[..., 0] if channels == 1 else rows)
    height = rows.shape[0]
    low, high = max(0.0, box[0]), min(float(height), box[1])
    # First across, then down: left alone, Pillow orders the two by what the sizes make cheaper,
    # and rounding between them would differ from strip to strip.
    across = picture.resize((wanted[0], height), Image.Resampling.BICUBIC)
    result = np.asarray(
        across.resize(wanted, Image.Resampling.BICUBIC, box=(0.0, low, float(wanted[0]), high))
    )
    return result[..., None] if channels == 1 else result
