"""Animations: GIF, WebP, PNG and AVIF files of more than one frame."""

import io
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from PIL import Image, ImageSequence, features

from anime_pipeline.core.errors import DataError
from anime_pipeline.core.files import open_regular
from anime_pipeline.images.codec import naming, to_rgba, turn_of
from anime_pipeline.images.formats import apng, gif
from anime_pipeline.images.formats.composition import compose
from anime_pipeline.images.formats.png import without_damaged_extras
from anime_pipeline.images.formats.profiles import to_srgb
from anime_pipeline.images.headers import open_header, timed
from anime_pipeline.images.loading import MAX_PIXELS, opened, read_frame

# By Pillow's names, what they are written as: nothing here writes AVIF, and PNG loses nothing.
FORMATS = {"GIF": "gif", "WEBP": "webp"} | ({"AVIF": "png"} if features.check("avif") else {})
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
    """Return what a file of several frames is written as, ``"gif"``, ``"webp"`` or ``"png"``.

    Its content tells, not its name; None for all others.

    Raises:
        DataError: If that cannot be told in the time that a header may take.
    """
    with suppress(OSError), open_regular(path) as file:  # or it is named when it is read
        return _kind(file)
    return None


def kind_of(content: bytes) -> str | None:
    """Return the same for a file's bytes."""
    return _kind(io.BytesIO(content))


def _kind(file: IO[bytes]) -> str | None:
    frames = apng.count_frames(timed(file))
    if frames:
        return "png" if frames > 1 else None
    file.seek(0)
    try:
        with open_header(file, list(FORMATS)) as picture:
            moves = getattr(picture, "n_frames", 1) > 1
            return FORMATS[picture.format or ""] if moves else None
    except DataError:  # of no format that its decoder will look at for longer
        raise
    except Exception:  # no animation, or damaged: that is named when it is read
        return None


def read_animation(content: bytes, name: str = "image") -> Animation:
    """Decode all frames.

    Raises:
        DataError: If the file is damaged, or all frames together have too many pixels.
    """
    with naming(name):
        content = without_damaged_extras(content)
        picture = opened(content, name)
        loop, durations = _plays(picture), []
        turn, profile = turn_of(picture), picture.info.get("icc_profile")
        frames = []
        for still, duration_ms in _shown(picture, content, name):
            # The frames of a PNG are in sRGB already: its chunks say more than a profile.
            if profile and picture.format != "PNG":
                still.info["icc_profile"] = profile
            still = Image.fromarray(to_rgba(to_srgb(still), name))
            frames.append(still if turn is None else still.transpose(turn))
            durations.append(duration_ms or UNSAID_MS)
    if all(frame.getchannel("A").getextrema() == (255, 255) for frame in frames):
        frames = [frame.convert("RGB") for frame in frames]
    return Animation(frames, durations, loop)


def _shown(picture: Image.Image, content: bytes, name: str) -> Iterator[tuple[Image.Image, int]]:
    """Yield what is seen of each frame, and for how long, in ms; 0 where nothing is said."""
    if picture.format not in ("PNG", "GIF"):
        _check_pixels(name, picture.size, [picture.size] * getattr(picture, "n_frames", 1))
        for frame in ImageSequence.Iterator(picture):
            frame.load()  # first: some readers learn the duration with it
            yield frame.copy(), int(frame.info.get("duration") or 0)
        return
    # Twice: what all frames take is known before the first is decoded.
    if picture.format == "PNG":
        size, frames = picture.size, apng.stored_frames
    else:
        size, frames = gif.canvas_of(content), gif.stored_frames
    _check_pixels(name, size, (frame.size for frame in frames(content)))
    pictures = compose(size, frames(content), lambda part: read_frame(part, name))
    for stored, still in zip(frames(content), pictures, strict=True):
        yield still, stored.duration_ms


def _check_pixels(name: str, size: tuple[int, int], frames: Iterable[tuple[int, int]]) -> None:
    """Refuse an animation whose frames, all held at once, have too many pixels."""
    count = pixels = 0
    for frame in frames:
        count += 1
        pixels += max(size[0] * size[1], frame[0] * frame[1])
    if pixels > MAX_PIXELS:
        raise DataError(
            f"{name}: {count} frames of {size[0]}x{size[1]} are more than {MAX_PIXELS:,} pixels; "
            "resize it first"
        )


def _plays(picture: Image.Image) -> int:
    """Return how many times a file is played, 0 for ever.

    A GIF counts what follows the first time, as browsers and gif2webp read it, and is played once
    if it gives no number; PNG and WebP count all.
    """
    loop = picture.info.get("loop")
    if picture.format != "GIF":
        return int(loop or 0)
    return 1 if loop is None else int(loop) + 1 if loop else 0
