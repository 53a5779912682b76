"""Many pictures as one: grids with a thin gap between them, and tables with words and colours."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from anime_pipeline.core.errors import invalid
from anime_pipeline.images.rows import Pictures

Labels = Mapping[str, tuple[int, int, int]]  # a few words, and a colour, RGB 0..255

PAPER = (255, 255, 255)
INK = (40, 36, 52)
GAP_PX = 6
SWATCH_PX = 14
TEXT_PX = 15


def make_grid(images: np.ndarray, columns: int = 0, magnify: int = 1, gap: int = 2) -> np.ndarray:
    """Lay pictures out in rows.

    Args:
        images: uint8 [N, H, W, 3].
        columns: Pictures a row; 0 chooses the nearest to a square.
        magnify: Whole-number nearest-neighbour enlargement, so that 32 px faces can be seen.
        gap: Pixels between pictures.

    Returns:
        uint8 [H', W', 3].
    """
    if images.ndim != 4 or images.shape[-1] != 3 or len(images) == 0:
        raise invalid("images", "uint8 [N, H, W, 3], N >= 1", images.shape)
    count, height, width = images.shape[:3]
    columns = min(columns or math.ceil(math.sqrt(count)), count)
    rows = math.ceil(count / columns)
    height, width = height * magnify, width * magnify
    shape = (rows * (height + gap) + gap, columns * (width + gap) + gap, 3)
    canvas = np.full(shape, 255, np.uint8)
    for index, image in enumerate(images):
        row, column = divmod(index, columns)
        top, left = gap + row * (height + gap), gap + column * (width + gap)
        large = image.repeat(magnify, axis=0).repeat(magnify, axis=1)
        canvas[top : top + height, left : left + width] = large
    return canvas


def spread(images: Pictures, count: int) -> np.ndarray:
    """Return at most `count` pictures at even distances through the set."""
    if len(images) <= count:
        return np.asarray(images)
    return images[np.linspace(0, len(images) - 1, count).astype(int)]


def labelled_sheet(pictures: np.ndarray, rows: Labels, columns: Labels) -> np.ndarray:
    """Lay pictures out in rows and columns with their labels.

    Args:
        pictures: uint8 [len(rows) * len(columns), S, S, 3], row after row.
        rows: Words for each row and the colour of the small square beside them, at the left.
        columns: The same for each column, on top.

    Returns:
        uint8 [H, W, 3].
    """
    side = pictures.shape[1]
    font = ImageFont.load_default(TEXT_PX)
    left = GAP_PX * 3 + SWATCH_PX + max(int(font.getlength(text)) for text in rows)
    top = GAP_PX * 2 + TEXT_PX + SWATCH_PX
    step = side + GAP_PX
    sheet = Image.new("RGB", (left + len(columns) * step, top + len(rows) * step), PAPER)
    pen = ImageDraw.Draw(sheet)
    for index, (text, colour) in enumerate(columns.items()):
        middle = left + index * step + side // 2
        pen.text((middle, GAP_PX), text, INK, font, anchor="mt")
        _swatch(pen, middle - SWATCH_PX // 2, top - SWATCH_PX - GAP_PX // 2, colour)
    for index, (text, colour) in enumerate(rows.items()):
        middle = top + index * step + side // 2
        _swatch(pen, GAP_PX, middle - SWATCH_PX // 2, colour)
        pen.text((GAP_PX * 2 + SWATCH_PX, middle), text, INK, font, anchor="lm")
    for index, picture in enumerate(pictures):
        row, column = divmod(index, len(columns))
        sheet.paste(Image.fromarray(picture), (left + column * step, top + row * step))
    return np.asarray(sheet)


def captioned_rows(rows: Sequence[tuple[str, np.ndarray]]) -> np.ndarray:
    """Lay rows of pictures out below each other, each under a caption of its own.

    Args:
        rows: A line of text, empty to go on with the row above, and uint8 [n, S, S, 3] of one S.

    Returns:
        uint8 [H, W, 3].
    """
    font = ImageFont.load_default(TEXT_PX)
    side = rows[0][1].shape[1]
    step, caption_px = side + GAP_PX, TEXT_PX + 2 * GAP_PX
    widths = [max(len(pictures) * step, int(font.getlength(text))) for text, pictures in rows]
    height = sum(step + (caption_px if text else 0) for text, _ in rows)
    sheet = Image.new("RGB", (max(widths) + 2 * GAP_PX, height + GAP_PX), PAPER)
    pen, top = ImageDraw.Draw(sheet), GAP_PX
    for text, pictures in rows:
        if text:
            pen.text((GAP_PX, top + GAP_PX // 2), text, INK, font)
            top += caption_px
        for index, picture in enumerate(pictures):
            sheet.paste(Image.fromarray(picture), (GAP_PX + index * step, top))
        top += step
    return np.asarray(sheet)


def _swatch(pen: ImageDraw.ImageDraw, x: int, y: int, colour: tuple[int, int, int]) -> None:
    pen.rectangle((x, y, x + SWATCH_PX, y + SWATCH_PX), colour, INK)
