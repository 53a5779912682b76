"""Writing a finished picture in the format that was asked for, with what it must say of itself.

Results carry no metadata of their source: no EXIF, so no place where a photograph was taken.
"""

import io
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import cv2
import numpy as np
from PIL import Image

from anime_pipeline.core.errors import DataError, PipelineError
from anime_pipeline.core.storage import atomic_write_bytes
from anime_pipeline.images.codec import to_rgb
from anime_pipeline.images.writing.png_stream import write_png_strips

SUFFIXES = {"png": ".png", "jpg": ".jpg", "webp": ".webp", "gif": ".gif"}
MAX_SIDES = {"jpg": 65_535, "webp": 16_383, "gif": 65_535}
PALETTE_FRAMES = 64  # enough to find the colours of a walk
IMAGE_DESCRIPTION = 0x010E  # EXIF tag
MAX_LOOP = 65_535  # WebP and GIF have 16 bits for it
# What the file's 16 bits of hundredths hold, and WebP's 24 bits of thousandths.
MAX_GIF_MS, MAX_WEBP_MS = 655_350, 2**24 - 1
MAX_WEBP_TOTAL_MS = 2**31 - 1  # libwebp counts from the beginning, in an int
# Measured peaks of encoding a whole picture, by format and channels: our array, Pillow's copy and
# what the encoder keeps. A PNG still is encoded in strips.
STILL_BYTES_PER_PX = {
    "png": {1: 0, 3: 0, 4: 0},
    "jpg": {1: 6, 3: 16, 4: 20},
    "webp": {1: 31, 3: 33, 4: 38},
}
# The same of animations: each frame's copies and compressed data, and the encoder's once.
FRAME_BYTES_PER_PX = {"png": 11, "webp": 8, "gif": 7}
ENCODER_BYTES_PER_PX = 50


def whole_bytes(kind: str, channels: int, frames: int = 0) -> int:
    """Return what encoding takes in bytes a pixel: of a still, or of so many frames together."""
    if frames:
        return frames * FRAME_BYTES_PER_PX[kind] + ENCODER_BYTES_PER_PX
    return STILL_BYTES_PER_PX[kind][channels]


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
        write_png_strips(file, size, channels, strips, text, seal=True)
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
        picture = Image.fromarray(to_rgb(picture))
    # Full colour resolution: halved, red lines on skin smear.
    picture.save(file, "JPEG", quality=quality, subsampling=0, optimize=True, exif=exif)


def write_animation(
    file: IO[bytes],
    frames: Sequence[np.ndarray],
    durations_ms: Sequence[int],
    loop: int,
    kind: str,
    quality: int,
    text: dict[str, str] | str,
) -> None:
    """Write frames uint8 [H, W, 3|4] of one size as an animation.

    Args:
        file: Binary file to write to.
        frames: The pictures in order.
        durations_ms: How long each is shown.
        loop: How many times it is played in all, 0 for ever.
        kind: ``"gif"``, ``"webp"`` or ``"png"``.
        quality: As in `write_picture`; a GIF has 256 colours anyway.
        text: Entries that tell how it was made; or a plain comment, of a GIF.
    """
    first, *rest = _with_palettes(frames) if kind == "gif" else map(Image.fromarray, frames)
    options: dict[str, Any] = {"save_all": True, "loop": min(loop, MAX_LOOP)}
    if kind == "gif":
        durations_ms = list(_gif_durations([first, *rest], durations_ms))
        # Optimised, each frame gets a palette of its own, in other order, and where the one
        # before is cleared to "transparent" black that is seen goes with it.
        comment = text if isinstance(text, str) else json.dumps(text)
        options |= {"comment": comment.encode(), "disposal": 2, "optimize": False}
        # A GIF counts what follows the first time, and says nothing where nothing does.
        options["loop"] = None if loop == 1 else min(max(0, loop - 1), MAX_LOOP)
    elif kind == "webp":
        lossless = quality == 100
        longest = min(MAX_WEBP_MS, MAX_WEBP_TOTAL_MS // len(frames))
        durations_ms = [min(duration, longest) for duration in durations_ms]
        options |= {"quality": quality, "lossless": lossless, "exif": _exif(text)}
    else:
        options["exif"] = _exif(text)
        durations_ms = [_png_duration(duration) for duration in durations_ms]
    first.save(file, kind.upper(), append_images=rest, duration=list(durations_ms), **options)


def encode_gif(frames: np.ndarray, fps: float, comment: str = "") -> bytes:
    """Encode frames uint8 [T, H, W, 3] as a GIF that repeats for ever."""
    file = io.BytesIO()
    write_animation(file, list(frames), [round(1000 / fps)] * len(frames), 0, "gif", 100, comment)
    return file.getvalue()


def write_mp4(path: Path, frames: np.ndarray, fps: float) -> None:
    """Write frames uint8 [T, H, W, 3] as MPEG-4 video; odd sides lose a pixel.

    Raises:
        PipelineError: If this build of OpenCV cannot encode it.
    """
    height, width = (side - side % 2 for side in frames.shape[1:3])
    path.parent.mkdir(parents=True, exist_ok=True)
    # OpenCV writes only to paths; the finished bytes then go through the one atomic write.
    with tempfile.TemporaryDirectory() as folder:
        made = os.path.join(folder, "video.mp4")
        video = cv2.VideoWriter(made, cv2.VideoWriter.fourcc(*"mp4v"), fps, (width, height))
        if not video.isOpened():
            raise PipelineError(
                f"{path}: this build of OpenCV cannot write MP4. Choose a name that ends in .gif."
            )
        for frame in frames:
            video.write(cv2.cvtColor(frame[:height, :width], cv2.COLOR_RGB2BGR))
        video.release()
        atomic_write_bytes(path, Path(made).read_bytes())


def _gif_durations(pictures: Sequence[Image.Image], durations_ms: Sequence[int]) -> Iterator[int]:
    """Limit durations to what a GIF holds; Pillow adds up those of frames that do not change."""
    shown, before = 0, b""
    for picture, duration in zip(pictures, durations_ms, strict=True):
        content = picture.tobytes()
        shown = shown if content == before else 0
        yield min(duration, MAX_GIF_MS - shown)
        shown, before = min(shown + duration, MAX_GIF_MS), content


def _png_duration(duration_ms: int) -> int:
    """Round to what a fraction of two 16-bit numbers expresses: the longer, the coarser."""
    for step in (1, 10, 100, 1000):
        if duration_ms <= 65_535 * step:
            return round(duration_ms / step) * step
    return 65_535_000


def _with_palettes(frames: Sequence[np.ndarray]) -> list[Image.Image]:
    """Reduce frames to one palette of 256 colours (with one each, colours flicker).

    A GIF's pixels are seen or not: what is less than half opaque is left out, as the last index.
    """
    some = np.linspace(0, len(frames) - 1, min(PALETTE_FRAMES, len(frames))).astype(int)
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


def _exif(text: dict[str, str] | str) -> Image.Exif:
    exif = Image.Exif()
    exif[IMAGE_DESCRIPTION] = json.dumps(text)
    return exif
