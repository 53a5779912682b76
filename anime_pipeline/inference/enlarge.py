"""Any picture to any size: passes of the 4x network, and a reduction where that is too much."""

import hashlib
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from anime_pipeline.core.config import SCALE
from anime_pipeline.core.progress import Progress, ignored
from anime_pipeline.images.codec import has_alpha, to_rgb, to_rgba
from anime_pipeline.images.transparency import keep_flat, split_alpha
from anime_pipeline.images.writing.save import whole_bytes
from anime_pipeline.images.writing.strips import resize_strips
from anime_pipeline.inference.memory import MAX_TILE_PX, Budget
from anime_pipeline.inference.target import Size, Target
from anime_pipeline.inference.upscaler import PLAIN, Extras, Upscaler

# Measured peaks over a picture's pixels: Pillow's, our arrays and what `split_alpha` works with.
RGB_BYTES_PER_PX = 10
CONVERTED_BYTES_PER_PX = 14
ALPHA_BYTES_PER_PX = 24
GREY_BAND_ROWS = 256  # looked at together; most pictures show a colour in the first
SOURCE_FRAME_BYTES_PER_PX = 8  # every frame of an animation, as RGBA and then as RGB


@dataclass(frozen=True)
class Enlarged:
    """A result that is computed while it is read, strip by strip.

    Attributes:
        size: Width and height.
        channels: 1 (grey), 3 (RGB) or 4 (RGBA).
        strips: uint8 [h, width, channels], top to bottom.
    """

    size: Size
    channels: int
    strips: Iterator[np.ndarray]

    def whole(self) -> np.ndarray:
        """Return all strips as one picture; to be called once."""
        return np.concatenate(list(self.strips))


class Enlarger:
    """Enlarges pictures of any mode with one upscaler, within a limit of memory."""

    def __init__(
        self,
        upscaler: Upscaler,
        target: Target,
        extras: Extras = PLAIN,
        max_bytes: int | None = None,
        most_tile_px: int = MAX_TILE_PX,
    ) -> None:
        """Take what every picture shares.

        Args:
            upscaler: The loaded network.
            target: How large results shall be.
            extras: What surrounds the network.
            max_bytes: Memory of the whole process, see `memory.Budget`.
            most_tile_px: Side of the largest tile, for callers with other work between two.
        """
        self._most_tile_px = most_tile_px
        self.upscaler = upscaler
        self.target = target
        self.extras = extras
        self._budget = Budget(max_bytes)

    def __call__(
        self, picture: Image.Image, progress: Progress = ignored, kind: str = "png"
    ) -> Enlarged:
        """Prepare one upright sRGB picture; the work is done when the strips are read.

        Transparency is enlarged by the same network, so that the edge of a shape and its alpha
        agree; where R = G = B in every pixel, it stays so.

        Args:
            picture: Any mode that `images.codec` reads.
            progress: Called with (done, total).
            kind: The format it will be written in: all but PNG hold the whole result.

        Raises:
            DataError: If it cannot become so large, its mode is unknown, or memory is short.
        """
        size = self.target.size(picture.width, picture.height)
        held = size[0] * size[1] * whole_bytes(kind, _channels(picture))
        instead = "" if kind == "png" else "write PNG, which is encoded in strips"
        tile_px = self._tile_px(picture, size, held, instead)
        return self._enlarged(picture, size, tile_px, progress)

    def _enlarged(
        self, picture: Image.Image, size: Size, tile_px: int, progress: Progress
    ) -> Enlarged:
        through = has_alpha(picture)
        rgb, alpha = split_alpha(to_rgba(picture)) if through else (to_rgb(picture), None)
        grey = is_grey(rgb)
        if alpha is None or alpha.min() == 255:
            strips, channels = self._strips(rgb, size, tile_px, progress, grey), _channels(picture)
            return Enlarged(size, channels, (_with_channels(strip, channels) for strip in strips))
        halves = [_part(progress, index) for index in (0, 1)]
        colours = self._strips(rgb, size, tile_px, halves[0], grey)
        masks = self._alpha_strips(alpha, size, tile_px, halves[1])
        return Enlarged(size, 4, (np.dstack(pair) for pair in zip(colours, masks, strict=True)))

    def frames(
        self,
        frames: Sequence[Image.Image],
        progress: Progress = ignored,
        kind: str = "png",
    ) -> Iterator[np.ndarray]:
        """Enlarge the frames of an animation, one that repeats only once.

        Args:
            frames: Upright and of one size; RGB or RGBA.
            progress: Called with (done, total).
            kind: The format they will be written in; none is encoded frame by frame.

        Yields:
            uint8 [H, W, 3 | 4].

        Raises:
            DataError: As for a picture; at once, not with the first frame.
        """
        size = self.target.size(*frames[0].size)
        area, channels = frames[0].width * frames[0].height, _channels(frames[0])
        held = size[0] * size[1] * whole_bytes(kind, channels, len(frames))
        held += area * SOURCE_FRAME_BYTES_PER_PX * len(frames)
        instead = "take fewer or smaller frames: an animation is held as a whole"
        tile_px = self._tile_px(frames[0], size, held, instead)
        return self._frames(frames, size, tile_px, progress)

    def _frames(
        self, frames: Sequence[Image.Image], size: Size, tile_px: int, progress: Progress
    ) -> Iterator[np.ndarray]:
        known: dict[bytes, np.ndarray] = {}
        for index, frame in enumerate(frames):
            begin, end = index / len(frames), (index + 1) / len(frames)
            content = hashlib.sha256(frame.tobytes()).digest()
            if content not in known:
                part = _slice(progress, begin, end)
                known[content] = self._enlarged(frame, size, tile_px, part).whole()
            yield known[content]

    def _tile_px(self, picture: Image.Image, wanted: Size, held: int, instead: str) -> int:
        """Choose tiles for a picture that is decoded, with `held` bytes kept beside its strips."""
        size, alpha = picture.size, has_alpha(picture)
        width, streams = size[0], 2 if alpha else 1
        plain = RGB_BYTES_PER_PX if picture.mode == "RGB" else CONVERTED_BYTES_PER_PX
        held += size[0] * size[1] * (ALPHA_BYTES_PER_PX if alpha else plain)
        if max(wanted[0] / size[0], wanted[1] / size[1]) > SCALE:
            between = _quarter(size, wanted)
            held += between[0] * between[1] * 6 * streams  # its strips, and these put together
            width = between[0]
        tile_px = self._budget.tile_px(width, self.extras, held, instead, streams)
        return min(tile_px, self._most_tile_px)

    def _strips(
        self,
        rgb: np.ndarray,
        size: Size,
        tile_px: int,
        progress: Progress,
        grey: bool = False,
    ) -> Iterator[np.ndarray]:
        height, width = rgb.shape[:2]
        factor = max(size[0] / width, size[1] / height)
        if factor <= 1:  # nothing to invent
            yield from resize_strips([rgb], (width, height), size)
            return
        if factor > SCALE:
            quarter = _quarter((width, height), size)
            share = width * height / (width * height + quarter[0] * quarter[1])
            first = self._strips(rgb, quarter, tile_px, _slice(progress, 0, share), grey)
            rgb = np.concatenate(list(_keeping_flat(rgb, quarter, first)))
            progress = _slice(progress, share, 1)
            height, width = rgb.shape[:2]
        strips = self.upscaler.strips(rgb, tile_px, progress, self.extras)
        if grey:  # between two passes, too: the second would make more of any tint
            strips = map(_without_tint, strips)
        result = resize_strips(strips, (width * SCALE, height * SCALE), size)
        yield from _keeping_flat(rgb, size, result) if factor > SCALE else result

    def _alpha_strips(
        self, alpha: np.ndarray, size: Size, tile_px: int, progress: Progress
    ) -> Iterator[np.ndarray]:
        """Enlarge alpha as a grey picture, uint8 [h, width] strips."""
        grey = np.repeat(alpha[..., None], 3, axis=2)
        strips = self._strips(grey, size, tile_px, progress)
        masks = (strip.mean(axis=2).round().astype(np.uint8) for strip in strips)
        invented = size[0] > alpha.shape[1] or size[1] > alpha.shape[0]
        return _keeping_flat(alpha, size, masks) if invented else masks


def _keeping_flat(
    picture: np.ndarray, size: Size, strips: Iterable[np.ndarray]
) -> Iterator[np.ndarray]:
    row = 0
    for strip in strips:
        yield keep_flat(picture, strip, row, size[1])
        row += len(strip)


def _quarter(size: Size, wanted: Size) -> Size:
    """Return the size between two passes: a quarter of the goal.

    The network knows crisp pixels, and it has a quarter of them or fewer to do. But no side is made
    smaller than it is: one that hardly grows would lose what the picture shows.
    """
    return max(size[0], math.ceil(wanted[0] / SCALE)), max(size[1], math.ceil(wanted[1] / SCALE))


def _channels(picture: Image.Image) -> int:
    """Return how many channels a picture's result has: 1 (grey), 3 (RGB) or 4 (RGBA)."""
    if has_alpha(picture):
        return 4
    return 1 if picture.mode in ("1", "L") or picture.mode.startswith("I") else 3


def is_grey(rgb: np.ndarray) -> bool:
    """Tell whether R = G = B in every pixel of uint8 [H, W, 3], whatever mode the file has.

    Drawings in black and white come as RGB, palettes and colour JPEG, and a tint that a network
    gives their lines is seen at once.
    """
    for top in range(0, len(rgb), GREY_BAND_ROWS):
        band = rgb[top : top + GREY_BAND_ROWS]
        if (band[..., :2] != band[..., 1:]).any():
            return False
    return True


def _without_tint(strip: np.ndarray) -> np.ndarray:
    grey = cv2.cvtColor(strip, cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB))


def _with_channels(strip: np.ndarray, channels: int) -> np.ndarray:
    if channels < 4:
        return strip[..., :channels]
    return np.dstack([strip, np.full(strip.shape[:2], 255, np.uint8)])


def _slice(progress: Progress, begin: float, end: float) -> Progress:
    """Return a progress function for a part of the work, in thousandths of the whole."""
    return lambda done, total: progress(round(1000 * (begin + (end - begin) * done / total)), 1000)


def _part(progress: Progress, index: int) -> Progress:
    """Return progress of one of two halves that advance together."""
    return lambda done, total: progress(2 * done if index else 2 * done - 1, 2 * total)
