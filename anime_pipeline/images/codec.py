"""Bytes to RGB uint8 arrays and back: the one place where picture files are decoded and encoded.

Pillow decodes (it knows EXIF orientation, palettes, 16-bit and CMYK, and names what is wrong).
For whole sets of small files that have none of that, see `images.plain`.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from PIL import ExifTags, Image, PngImagePlugin, UnidentifiedImageError

from anime_pipeline.core.errors import DataError
from anime_pipeline.core.storage import atomic_write_bytes
from anime_pipeline.images.formats.grey import is_wide, to_eight_bits
from anime_pipeline.images.formats.png import without_damaged_extras
from anime_pipeline.images.loading import MAX_PIXELS as MAX_PIXELS
from anime_pipeline.images.loading import loaded, opened

if TYPE_CHECKING:
    from anime_pipeline.core.config import Fit

# Pillow's names; what it converts to RGB without guessing a range. I and its kin are 16-bit.
READABLE_MODES = frozenset(
    ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV")
)

# By EXIF orientation; 1 and whatever is not defined need none.
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# What the libraries say for it where Python has no error of its own.
OUT_OF_MEMORY = ("out of memory", "Insufficient memory", "Failed to allocate")


class NotAPictureError(DataError):
    """The bytes are no picture in any of the formats that were asked for."""


class MoreMemoryError(DataError):
    """A picture needs more memory than there is."""


@dataclass(frozen=True)
class Opened:
    """A picture file whose header has been read, and nothing else.

    Attributes:
        picture: As Pillow opened it.
        content: The file, without what is damaged and not needed.
        name: How error messages call it.
    """

    picture: Image.Image
    content: bytes
    name: str

    def load(self) -> Image.Image:
        """Decode it to an upright picture of any mode; to be called once."""
        with naming(self.name):
            result = loaded(self.picture, self.content, self.name)
            turn = turn_of(self.picture)
            return result if turn is None else result.transpose(turn)


def decode(content: bytes, name: str = "image") -> np.ndarray:
    """Decode picture bytes to upright RGB.

    Args:
        content: A PNG, JPEG, WebP, GIF, AVIF, BMP or TIFF file's bytes; first frame if animated.
        name: How error messages call the picture.

    Returns:
        uint8 array [H, W, 3], RGB; transparency is laid over white.

    Raises:
        DataError: If the bytes are empty, no picture, truncated or too large; says which.
    """
    return to_rgb(open_header(content, name).load(), name)


def open_header(
    content: bytes, name: str = "image", formats: tuple[str, ...] | None = None
) -> Opened:
    """Read a picture's header.

    Args:
        content: The file's bytes.
        name: How error messages call the picture.
        formats: The only ones to try, by Pillow's names; None for all in `headers.KNOWN`.

    Raises:
        DataError: As in `decode`.
    """
    if not content:
        raise NotAPictureError(f"{name}: the file is empty (0 bytes)")
    with naming(name):
        content = without_damaged_extras(content)
        return Opened(opened(content, name, formats), content, name)


def turn_of(picture: Image.Image) -> Image.Transpose | None:
    """Return what makes a picture upright by its EXIF; None where that says nothing usable.

    Damaged EXIF must not cost a good picture. (Pillow's own `exif_transpose` also writes the EXIF
    anew, which nobody reads here and which damaged entries make fail.)
    """
    for elsewhere in ("xmp", "XML:com.adobe.xmp"):  # Pillow would look there, too; browsers do not
        picture.info.pop(elsewhere, None)
    try:
        return TURNS.get(picture.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # its parsers raise whatever hostile bytes lead to
        return None


@contextmanager
def naming(name: str) -> Iterator[None]:
    """Turn whatever Pillow raises on damaged bytes into one readable error."""
    try:
        yield
    except DataError:
        raise
    except UnidentifiedImageError:
        raise NotAPictureError(f"{name}: not a picture in a known format") from None
    except Exception as error:  # hostile bytes make its decoders raise struct.error and others
        reason = " ".join(str(error).split()) or type(error).__name__
        if isinstance(error, MemoryError) or any(words in reason for words in OUT_OF_MEMORY):
            raise MoreMemoryError(f"{name}: needs more memory than there is; resize it") from None
        raise DataError(f"{name}: damaged picture ({reason})") from None


def to_rgb(picture: Image.Image, name: str = "image") -> np.ndarray:
    """Convert an upright Pillow image of any mode to uint8 RGB [H, W, 3]; see `decode`."""
    with naming(name):
        if has_alpha(picture):
            rgba = Image.fromarray(to_rgba(picture, name))
            white = Image.new("RGBA", rgba.size, "white")
            return np.asarray(Image.alpha_composite(white, rgba).convert("RGB"))
        picture = _of_eight_bits(picture, name)
        # To the same mode, Pillow would copy.
        return np.asarray(picture if picture.mode == "RGB" else picture.convert("RGB"))


def to_rgba(picture: Image.Image, name: str = "image") -> np.ndarray:
    """Convert an upright Pillow image of any mode to uint8 RGBA [H, W, 4]; see `decode`."""
    with naming(name):
        picture = _of_eight_bits(picture, name)
        return np.asarray(picture if picture.mode == "RGBA" else picture.convert("RGBA"))


def _of_eight_bits(picture: Image.Image, name: str) -> Image.Image:
    if is_wide(picture):
        hidden = picture.info.get("transparency")
        return to_eight_bits(picture, name, key=hidden if isinstance(hidden, int) else None)
    if picture.mode not in READABLE_MODES:
        raise DataError(
            f"{name}: pixels of type {picture.mode} are not supported; save it as 8- or 16-bit "
            "RGB or grey"
        )
    return picture


def has_alpha(picture: Image.Image) -> bool:
    """Tell whether a picture carries transparency in any of Pillow's forms."""
    return picture.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in picture.info


def encode_png(image: np.ndarray, text: dict[str, str] | None = None) -> bytes:
    """Encode uint8 RGB(A) [H, W, 3|4] as PNG, with optional tEXt entries."""
    info = PngImagePlugin.PngInfo()
    for key, value in (text or {}).items():
        info.add_text(key, value)
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG", pnginfo=info)
    return buffer.getvalue()


def write_png(path: Path, image: np.ndarray, text: dict[str, str] | None = None) -> None:
    """Write a PNG atomically."""
    atomic_write_bytes(path, encode_png(image, text))


def fit_square(image: np.ndarray, size: int, fit: Fit) -> np.ndarray:
    """Bring a picture to a square of `size` pixels.

    Args:
        image: uint8 [H, W, 3].
        size: Side of the result in pixels.
        fit: ``crop`` keeps the centre, ``pad`` adds edge-coloured bars, ``stretch`` squeezes.

    Returns:
        uint8 [size, size, 3]; area-averaged when reducing, cubic when enlarging.
    """
    height, width = image.shape[:2]
    if fit == "crop":
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        image = image[top : top + side, left : left + side]
    elif fit == "pad":
        # Reduced first: a long thin picture padded at full size would take gigabytes.
        scale = size / max(height, width)
        height, width = max(1, round(height * scale)), max(1, round(width * scale))
        image = _resized(image, height, width)
        top, left = (size - height) // 2, (size - width) // 2
        bars = (top, size - height - top), (left, size - width - left)
        image = np.pad(image, (*bars, (0, 0)), "edge")
    return _resized(image, size, size)


def _resized(image: np.ndarray, height: int, width: int) -> np.ndarray:
    if image.shape[:2] == (height, width):
        return np.ascontiguousarray(image)
    reducing = image.shape[0] >= height and image.shape[1] >= width
    kind = cv2.INTER_AREA if reducing else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, (width, height), interpolation=kind))
