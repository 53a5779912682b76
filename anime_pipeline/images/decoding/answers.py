"""What is told of a picture that was opened, and the few forms in which it is handed over."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

from anime_pipeline.images.codec import MAX_PIXELS, Opened, has_alpha, to_rgb, to_rgba
from anime_pipeline.images.frames import kind_of

MODES = ("L", "RGB", "RGBA")


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
    def of(cls, opened: Opened) -> Header:
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
