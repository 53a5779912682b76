"""Animations: GIF, WebP and PNG files of more than one frame."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from PIL import Image, ImageSequence

from anime_pipeline.core.errors import DataError
from anime_pipeline.images.codec import MAX_PIXELS, naming, to_rgba, turn_of
from anime_pipeline.images.profiles import to_srgb

FORMATS = {"GIF": "gif", "WEBP": "webp", "PNG": "png"}
UNSAID_MS = 100  # what browsers take where a file gives no duration


@dataclass(frozen=True)
class Animation:
    """The frames of a file, each complete, upright and in sRGB.

    Attributes:
        frames: RGB, or RGBA where any frame is transparent.
        durations_ms: How long each is shown.
        loop: How many times it is played in all, 0 for ever.
    """

    frames: list[Image.Image]
    durations_ms: list[int]
    loop: int


def animated_kind(path: Path) -> str | None:
    """Return ``"gif"``, ``"webp"`` or ``"png"`` for a file of several frames, by its content."""
    return _kind(path) if path.is_file() else None  # opening a named pipe would wait for ever


def kind_of(content: bytes) -> str | None:
    """Return ``"gif"``, ``"webp"`` or ``"png"`` for bytes of several frames, None for others."""
    return _kind(io.BytesIO(content))


def _kind(source: Path | IO[bytes]) -> str | None:
    try:
        with Image.open(source, formats=list(FORMATS)) as picture:
            return FORMATS[picture.format or ""] if len(_frame_range(picture)) > 1 else None
    except Exception:  # no animation, or damaged: that is named when it is read
        return None


def _frame_range(picture: Image.Image) -> range:
    """Return the numbers of the frames that belong to the animation.

    A PNG may hold another picture in front, for programs that show no animations.
    """
    return range(int(getattr(picture, "default_image", False)), getattr(picture, "n_frames", 1))


def read_animation(content: bytes, name: str = "image") -> Animation:
    """Decode all frames.

    Raises:
        DataError: If the file is damaged, or all frames together have too many pixels.
    """
    with naming(name):
        picture = Image.open(io.BytesIO(content))
        numbers = _frame_range(picture)
        if picture.width * picture.height * len(numbers) > MAX_PIXELS:
            raise DataError(
                f"{name}: {len(numbers)} frames of {picture.width}x{picture.height} are more than "
                f"{MAX_PIXELS:,} pixels; resize it first"
            )
        loop = _plays(picture)
        turn, profile = turn_of(picture), picture.info.get("icc_profile")
        frames, durations = [], []
        for number, frame in enumerate(ImageSequence.Iterator(picture)):
            frame.load()  # first: some readers learn the duration with it
            if number not in numbers:
                continue
            still = frame.copy()
            if profile:
                still.info["icc_profile"] = profile
            still = Image.fromarray(to_rgba(to_srgb(still), name))
            frames.append(still if turn is None else still.transpose(turn))
            durations.append(int(frame.info.get("duration") or UNSAID_MS))
    if all(frame.getchannel("A").getextrema() == (255, 255) for frame in frames):
        frames = [frame.convert("RGB") for frame in frames]
    return Animation(frames, durations, loop)


def _plays(picture: Image.Image) -> int:
    """Return how many times a file is played, 0 for ever.

    A GIF counts what follows the first time, as browsers and gif2webp read it, and is played once
    if it gives no number; PNG and WebP count all.
    """
    loop = picture.info.get("loop")
    if picture.format != "GIF":
        return int(loop or 0)
    if loop is None:
        return 1
    return int(loop) + 1 if loop else 0
