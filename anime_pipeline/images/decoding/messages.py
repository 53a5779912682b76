"""What a decoder process and whoever uses it say to each other, and the limits it works within.

Of a picture that was opened, what its file says, and the few forms in which it is handed over.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any, Literal, Self

from PIL import Image

from anime_pipeline.images.codec import MAX_PIXELS, Opened, has_alpha, to_rgb, to_rgba
from anime_pipeline.images.frames import kind_of

MODES = ("L", "RGB", "RGBA")
Want = Literal["still", "moving"]  # one picture, or all frames of an animation

PIXELS = 16_000_000
BYTES_PER_PX = 32  # what is held of a picture at once; most for 16 bits in a colour space: 24
LENGTH_BYTES = 4
BAND_BYTES = 2**20  # of a picture that is handed over in parts
MOST_MESSAGE_BYTES = 2**24  # that an animation's durations need


@dataclass(frozen=True)
class Limits:
    """What decoding one picture may take.

    Attributes:
        cpu_s: Processor time for up to 16 megapixels, of all frames together; more in proportion.
        memory_bytes: Memory beyond that of the pixels.
    """

    cpu_s: float = 10.0
    memory_bytes: int = 512_000_000

    def cpu_for(self, pixels: int) -> float:
        """Return the processor time for a picture, in seconds."""
        return self.cpu_s * max(1.0, pixels / PIXELS)

    def memory_for(self, pixels: int) -> int:
        """Return the memory for a picture and its pixels, in bytes."""
        return self.memory_bytes + BYTES_PER_PX * pixels


def pack(message: dict[str, Any]) -> bytes:
    """Return a message as bytes that tell their own length."""
    text = json.dumps(message).encode()
    return len(text).to_bytes(LENGTH_BYTES) + text


def read(pipe: IO[bytes]) -> dict[str, Any] | None:
    """Wait for a message; None once nobody is left who could send one."""
    length = pipe.read(LENGTH_BYTES)
    if len(length) < LENGTH_BYTES:
        return None
    found: dict[str, Any] = json.loads(pipe.read(int.from_bytes(length)))
    return found


def bands(size: tuple[int, int], channels: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield the parts in which a picture is handed over: left, top, right and bottom."""
    rows = max(1, BAND_BYTES // (size[0] * channels))
    for top in range(0, size[1], rows):
        yield 0, top, size[0], min(top + rows, size[1])


@dataclass(frozen=True)
class Header:
    """What a file says of its picture before that is decoded.

    Attributes:
        format: By Pillow's name.
        size: Width and height, before the picture is turned upright.
        alpha: Whether it has transparency.
        moves: Whether there are several pictures in it.
        kind: Of an animation, what it is written as, see `frames.kind_of`.
        pixels: Of all frames that there are to decode.
    """

    format: str
    size: tuple[int, int]
    alpha: bool
    moves: bool
    kind: str | None
    pixels: int

    @classmethod
    def of(cls, opened: Opened) -> Self:
        """Read it."""
        picture = opened.picture
        kind = kind_of(opened.content)
        frames = getattr(picture, "n_frames", 1) if kind else 1
        pixels = picture.width * picture.height
        # What has more is refused.
        whole = min(pixels * frames, max(pixels, MAX_PIXELS))
        moves = bool(getattr(picture, "is_animated", False))
        return cls(picture.format or "", picture.size, has_alpha(picture), moves, kind, whole)


def simple(picture: Image.Image, name: str) -> Image.Image:
    """Return an upright picture in one of three modes: L where it is grey, RGB or RGBA."""
    if has_alpha(picture):
        return picture if picture.mode == "RGBA" else Image.fromarray(to_rgba(picture, name))
    if picture.mode in MODES:
        return picture
    rgb = to_rgb(picture, name)
    grey = picture.mode == "1" or picture.mode.startswith("I")
    return Image.fromarray(rgb[..., 0] if grey else rgb)
