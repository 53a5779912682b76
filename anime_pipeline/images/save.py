"""Writing a finished picture in the format that was asked for, with what it must say of itself.

Results carry no metadata of their source: no EXIF, so no place where a photograph was taken.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import IO, Any

import cv2
import numpy as np
from PIL import Image

from anime_pipeline.core.errors import DataError
from anime_pipeline.images.png_stream import write_png_strips

SUFFIXES = {"png": ".png", "jpg": ".jpg", "webp": ".webp", "gif": ".gif"}
MAX_SIDES = {"jpg": 65_535, "webp": 16_383, "gif": 65_535}
IMAGE_DESCRIPTION = 0x010E  # EXIF tag
# Pillow's four bytes a pixel beside the array's three, and what the encoder keeps.
WHOLE_BYTES_PER_PX = 8


def check_size(size: tuple[int, int], kind: str) -> None:
    """Refuse a size that a format cannot hold.

    Raises:
        DataError: Saying which limit.
    """
    limit = MAX_SIDES.get(kind)
    if limit and max(size) > limit:
        raise DataError(
            f"image: {size[0]}x{size[1]} is more than {kind} can hold ({limit} px a side); write "
            "PNG, or ask for less"
        )


def write_picture(
    file: IO[bytes],
    size: tuple[int, int],
    channels: int,
    strips: Iterable[np.ndarray],
    kind: str,
    quality: int,
    text: dict[str, str],
) -> None:
    """Write one still picture.

    Args:
        file: Binary file to write to.
        size: Width and height.
        channels: 1, 3 or 4.
        strips: uint8 [h, width, channels], top to bottom; only PNG needs no whole picture.
        kind: ``"png"``, ``"jpg"`` or ``"webp"``.
        quality: 1 to 100, for JPEG and WebP; 100 makes WebP lossless.
        text: Entries that tell how it was made.
    """
    if kind == "png":
        write_png_strips(file, size, channels, strips, text)
        return
    whole = np.empty((size[1], size[0], channels), np.uint8)
    row = 0
    for strip in strips:
        whole[row : row + len(strip)] = strip
        row += len(strip)
    picture = Image.fromarray(whole[..., 0] if channels == 1 else whole)
    exif = _exif(text)
    if kind == "webp":
        lossless = quality == 100
        picture.save(file, "WEBP", quality=quality, lossless=lossless, exact=lossless, exif=exif)
        return
    if channels == 4:
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture).convert("RGB")
    # Full colour resolution: halved, red lines on skin smear.
    picture.save(file, "JPEG", quality=quality, subsampling=0, optimize=True, exif=exif)


def write_animation(
    file: IO[bytes],
    frames: Sequence[np.ndarray],
    durations_ms: Sequence[int],
    loop: int | None,
    kind: str,
    quality: int,
    text: dict[str, str],
) -> None:
    """Write frames uint8 [H, W, 3|4] of one size as an animation.

    Args:
        file: Binary file to write to.
        frames: The pictures in order.
        durations_ms: How long each is shown.
        loop: How often it repeats, 0 for ever; None plays it once.
        kind: ``"gif"``, ``"webp"`` or ``"png"``.
        quality: As in `write_picture`; a GIF has 256 colours anyway.
        text: Entries that tell how it was made.
    """
    options: dict[str, Any] = {"duration": list(durations_ms), "save_all": True}
    if loop is not None:
        options["loop"] = loop
    if kind == "gif":
        options |= {"comment": json.dumps(text).encode(), "disposal": 2}
    elif kind == "webp":
        lossless = quality == 100
        options |= {"quality": quality, "lossless": lossless, "exif": _exif(text)}
    else:
        options["exif"] = _exif(text)
    first, *rest = _with_palettes(frames) if kind == "gif" else map(Image.fromarray, frames)
    first.save(file, kind.upper(), append_images=rest, **options)


def _with_palettes(frames: Sequence[np.ndarray]) -> list[Image.Image]:
    """Reduce frames to one palette of 256 colours (with one each, colours flicker).

    A GIF's pixels are seen or not: what is less than half opaque is left out, as the last index.
    """
    some = np.linspace(0, len(frames) - 1, min(16, len(frames))).astype(int)
    samples = [cv2.resize(frames[i][..., :3], (64, 64), interpolation=cv2.INTER_AREA) for i in some]
    transparent = frames[0].shape[2] == 4
    palette = Image.fromarray(np.concatenate(samples)).quantize(255 if transparent else 256)
    pictures = []
    for frame in frames:
        picture = Image.fromarray(np.ascontiguousarray(frame[..., :3])).quantize(palette=palette)
        if transparent:
            indices = np.where(frame[..., 3] < 128, 255, np.asarray(picture)).astype(np.uint8)
            colours = picture.getpalette() or []
            picture = Image.fromarray(indices, "P")
            picture.putpalette(colours[: 255 * 3] + [0] * (256 * 3 - len(colours[: 255 * 3])))
            picture.info["transparency"] = 255
        pictures.append(picture)
    return pictures


def _exif(text: dict[str, str]) -> Image.Exif:
    exif = Image.Exif()
    exif[IMAGE_DESCRIPTION] = json.dumps(text)
    return exif
