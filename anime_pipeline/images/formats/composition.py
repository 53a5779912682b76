"""Frames put together on a canvas, as the specifications of GIF and PNG have it.

Pillow composes them itself, but blends PNG's "over" into the alpha below it, and paints a GIF's
canvas with a background colour that no browser shows.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, auto

from PIL import Image


class Disposal(Enum):
    """What becomes of a frame's place once it has been shown."""

    KEEP = auto()
    CLEAR = auto()
    RESTORE = auto()


@dataclass(frozen=True)
class StoredFrame:
    """One frame as a file stores it.

    Attributes:
        content: A still file of the same format that holds it alone.
        size: Its width and height, which may be less than the canvas's.
        at: Its left upper corner on the canvas.
        duration_ms: How long it is shown.
        disposal: What is done before the next.
        over: Whether it is laid over what is there, or replaces it.
    """

    content: bytes
    size: tuple[int, int]
    at: tuple[int, int]
    duration_ms: int
    disposal: Disposal
    over: bool = True


def compose(
    size: tuple[int, int], frames: Iterable[StoredFrame], read: Callable[[bytes], Image.Image]
) -> Iterator[Image.Image]:
    """Yield what is seen of each frame.

    Args:
        size: Width and height of the canvas, at first transparent.
        frames: In order; what lies beyond the canvas is not seen.
        read: Decodes a frame's content to RGBA.

    Yields:
        RGBA pictures of that size.
    """
    canvas = Image.new("RGBA", size)
    for frame in frames:
        picture = read(frame.content)
        before = canvas.copy() if frame.disposal is Disposal.RESTORE else canvas
        if frame.over:
            canvas.alpha_composite(picture, frame.at)
        else:
            canvas.paste(picture, frame.at)
        yield canvas.copy()
        if frame.disposal is Disposal.CLEAR:
            left, top = frame.at
            canvas.paste((0, 0, 0, 0), (left, top, left + frame.size[0], top + frame.size[1]))
        else:
            canvas = before
