"""Animations: GIF, WebP and PNG files of more than one frame."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageSequence

from anime_pipeline.core.errors import DataError
from anime_pipeline.images.codec import MAX_PIXELS, naming

FORMATS = {"GIF": "gif", "WEBP": "webp", "PNG": "png"}
SUFFIXES = frozenset({".gif", ".webp", ".png"})
UNSAID_MS = 100  # what browsers take where a file gives no duration


@dataclass(frozen=True)
class Animation:
    """The frames of a file, each complete.

    Attributes:
        frames: RGB, or RGBA where any frame is transparent.
        durations_ms: How long each is shown.
        loop: How often it repeats, 0 for ever; None plays it once.
    """

    frames: list[Image.Image]
    durations_ms: list[int]
    loop: int | None


def animated_kind(path: Path) -> str | None:
    """Return ``"gif"``, ``"webp"`` or ``"png"`` for a file of several frames, by its header."""
    if path.suffix.lower() not in SUFFIXES or not path.is_file():
        return None
    try:
        with Image.open(path) as picture:
            moving = getattr(picture, "n_frames", 1) > 1
            return FORMATS.get(picture.format or "") if moving else None
    except Exception:  # damaged files are named when they are read
        return None


def read_animation(content: bytes, name: str = "image") -> Animation:
    """Decode all frames.

    Raises:
        DataError: If the file is damaged, or all frames together have too many pixels.
    """
    with naming(name):
        picture = Image.open(io.BytesIO(content))
        count = getattr(picture, "n_frames", 1)
        if picture.width * picture.height * count > MAX_PIXELS:
            raise DataError(
                f"{name}: {count} frames of {picture.width}x{picture.height} are more than "
                f"{MAX_PIXELS:,} pixels; resize it first"
            )
        loop = picture.info.get("loop")
        frames, durations = [], []
        for frame in ImageSequence.Iterator(picture):
            frames.append(frame.convert("RGBA"))  # first: some readers learn the duration with it
            durations.append(int(frame.info.get("duration") or UNSAID_MS))
    if all(frame.getchannel("A").getextrema() == (255, 255) for frame in frames):
        frames = [frame.convert("RGB") for frame in frames]
    return Animation(frames, durations, loop)
