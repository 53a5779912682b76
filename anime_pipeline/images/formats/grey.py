"""Grey of 16 and 32 bits to 8: what is black and white, and which level means nothing is there."""

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from anime_pipeline.core.errors import DataError
from anime_pipeline.images.formats.png_colour import grey_curve

MOST_16, MOST_32 = 2**16 - 1, 2**32 - 1
BITS, PHOTOMETRIC, SAMPLE_FORMAT = 258, 262, 339  # TIFF tags
MIN_IS_WHITE, UNSIGNED = 0, 1
BAND_ROWS = 256


def is_wide(picture: Image.Image) -> bool:
    """Tell whether a picture is grey of more than 8 bits."""
    return picture.mode.startswith("I")


def to_eight_bits(
    picture: Image.Image, name: str, curve: np.ndarray | None = None, key: int | None = None
) -> Image.Image:
    """Convert grey of 16 or 32 bits.

    Args:
        picture: A mode of Pillow's that begins with I, loaded, as it was opened.
        name: How error messages call the picture.
        curve: uint8 [65536], sRGB for each level of 16 bits; None: the levels are sRGB.
        key: The level that is transparent.

    Returns:
        Mode L, or LA if there is a key.

    Raises:
        DataError: If the numbers have no black and white that all programs agree upon.
    """
    levels = np.asarray(picture)
    if picture.mode == "I":
        levels = _sixteen_bits(picture, levels, name)
    table = grey_curve(None, MOST_16 + 1) if curve is None else curve
    most = 2 ** min(_tag(picture, BITS) or 16, 16) - 1  # the level of white
    if most != MOST_16:
        table = table[np.minimum(np.arange(MOST_16 + 1) * MOST_16 // most, MOST_16)]
    if _tag(picture, PHOTOMETRIC) == MIN_IS_WHITE:
        table = table[np.maximum(most - np.arange(MOST_16 + 1), 0)]
    grey = Image.fromarray(table[levels])
    if key is None:
        return grey
    alpha = Image.fromarray(np.where(levels == key, 0, 255).astype(np.uint8))
    return Image.merge("LA", (grey, alpha))


def _sixteen_bits(picture: Image.Image, levels: np.ndarray, name: str) -> np.ndarray:
    """Return the levels of mode I as uint16, if they are known to have a black and a white."""
    if picture.format == "PPM":  # scaled to 16 bits by Pillow, whatever its own white is
        return np.clip(levels, 0, MOST_16).astype(np.uint16)
    if picture.format != "TIFF" or _tag(picture, SAMPLE_FORMAT) not in (None, UNSIGNED):
        raise DataError(
            f"{name}: signed or 32-bit whole numbers as grey have no agreed black and white; save "
            "it as unsigned 16-bit grey"
        )
    result = np.empty(levels.shape, np.uint16)
    for top in range(0, len(levels), BAND_ROWS):
        rows = slice(top, top + BAND_ROWS)
        # Pillow calls them signed.
        wide = levels[rows].astype(np.int32).view(np.uint32).astype(np.float64)
        result[rows] = np.rint(wide * (MOST_16 / MOST_32))
    return result


def _tag(picture: Image.Image, number: int) -> int | None:
    """Return a TIFF's tag, of the first sample; None of other formats, and where there is none."""
    value = picture.tag_v2.get(number) if isinstance(picture, TiffImageFile) else None
    return int(value[0] if isinstance(value, tuple) else value) if value is not None else None
