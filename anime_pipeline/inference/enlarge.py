"""Any picture to any size: passes of the 4x network, and a reduction where that is too much."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from PIL import Image

from anime_pipeline.core.config import SCALE
from anime_pipeline.images.codec import has_alpha, to_rgb
from anime_pipeline.images.save import WHOLE_BYTES_PER_PX
from anime_pipeline.images.strips import resize_strips
from anime_pipeline.images.transparency import keep_flat, split_alpha
from anime_pipeline.inference.memory import Budget
from anime_pipeline.inference.target import Size, Target
from anime_pipeline.inference.upscaler import PLAIN, Extras, Progress, Upscaler


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
    ) -> None:
        """Take what every picture shares.

        Args:
            upscaler: The loaded network.
            target: How large results shall be.
            extras: What surrounds the network.
            max_bytes: Memory of the whole process, see `memory.Budget`.
        """
        self.upscaler = upscaler
        self.target = target
        self.extras = extras
        self._budget = Budget.begin(max_bytes)

    def __call__(
        self, picture: Image.Image, progress: Progress | None = None, whole: bool = False
    ) -> Enlarged:
        """Prepare one upright sRGB picture; the work is done when the strips are read.

        Transparency is enlarged by the same network, so that the edge of a shape and its alpha
        agree; grey stays grey.

        Args:
            picture: Any mode that `images.codec` reads.
            progress: Called with (done, total).
            whole: Whether the result will be held as a whole beside the strips.

        Raises:
            DataError: If it cannot become so large, its mode is unknown, or memory is short.
        """
        size = self.target.size(picture.width, picture.height)
        tile_px = self._tile_px(picture.size, size, size[0] * size[1] if whole else 0)
        rgb, alpha = _planes(picture)
        if alpha is None or alpha.min() == 255:
            strips = self._strips(rgb, size, tile_px, progress)
            if alpha is not None:
                return Enlarged(size, 4, map(_opaque, strips))
            grey = picture.mode in ("1", "L") or picture.mode.startswith("I")
            return Enlarged(size, 1, map(_to_grey, strips)) if grey else Enlarged(size, 3, strips)
        halves = [_part(progress, index) for index in (0, 1)]
        colours = self._strips(rgb, size, tile_px, halves[0])
        masks = self._alpha_strips(alpha, size, tile_px, halves[1])
        return Enlarged(size, 4, (np.dstack(pair) for pair in zip(colours, masks, strict=True)))

    def frames(
        self, frames: Sequence[Image.Image], progress: Progress | None = None
    ) -> Iterator[np.ndarray]:
        """Enlarge the frames of an animation, one that repeats only once.

        Yields:
            uint8 [H, W, 3 | 4].

        Raises:
            DataError: As for a picture; at once, not with the first frame.
        """
        size = self.target.size(*frames[0].size)
        self._tile_px(frames[0].size, size, size[0] * size[1] * len(frames))
        return self._frames(frames, progress)

    def _frames(
        self, frames: Sequence[Image.Image], progress: Progress | None
    ) -> Iterator[np.ndarray]:
        known: dict[bytes, np.ndarray] = {}
        for index, frame in enumerate(frames):
            begin, end = index / len(frames), (index + 1) / len(frames)
            content = hashlib.sha256(frame.tobytes()).digest()
            if content not in known:
                known[content] = self(frame, _slice(progress, begin, end)).whole()
            yield known[content]

    def _tile_px(self, size: Size, wanted: Size, whole_px: int) -> int:
        twice = wanted[0] > SCALE * size[0] or wanted[1] > SCALE * size[1]
        last = tuple(-(-side // SCALE) for side in wanted) if twice else size
        held = whole_px * WHOLE_BYTES_PER_PX + last[0] * last[1] * 8
        return self._budget.tile_px(last[0], self.extras, held, bool(whole_px))

    def _strips(
        self, rgb: np.ndarray, size: Size, tile_px: int, progress: Progress | None
    ) -> Iterator[np.ndarray]:
        height, width = rgb.shape[:2]
        factor = max(size[0] / width, size[1] / height)
        if factor <= 1:  # nothing to invent
            yield from resize_strips([rgb], (width, height), size)
            return
        if factor > SCALE:
            # Down to a quarter of the goal before the second pass: the network knows crisp pixels,
            # and it has a quarter of them or fewer to do.
            quarter = (math.ceil(size[0] / SCALE), math.ceil(size[1] / SCALE))
            share = width * height / (width * height + quarter[0] * quarter[1])
            first = self._strips(rgb, quarter, tile_px, _slice(progress, 0, share))
            rgb = np.concatenate(list(first))
            progress = _slice(progress, share, 1)
            height, width = rgb.shape[:2]
        strips = self.upscaler.strips(rgb, tile_px, progress, self.extras)
        yield from resize_strips(strips, (width * SCALE, height * SCALE), size)

    def _alpha_strips(
        self, alpha: np.ndarray, size: Size, tile_px: int, progress: Progress | None
    ) -> Iterator[np.ndarray]:
        """Enlarge alpha as a grey picture, uint8 [h, width] strips."""
        height, width = alpha.shape
        whole = size[0] == width * round(size[0] / width) and size[1] * width == size[0] * height
        scale = size[0] // width if whole else 0
        row = 0
        grey = np.repeat(alpha[..., None], 3, axis=2)
        for strip in self._strips(grey, size, tile_px, progress):
            mask = strip.mean(axis=2).round().astype(np.uint8)
            if scale:
                mask = keep_flat(alpha, mask, row, scale)
            row += len(mask)
            yield mask


def _planes(picture: Image.Image) -> tuple[np.ndarray, np.ndarray | None]:
    """Return colours [H, W, 3] and, where the picture has one, alpha [H, W]."""
    if not has_alpha(picture):
        return to_rgb(picture), None
    return split_alpha(np.asarray(picture.convert("RGBA")))


def _to_grey(strip: np.ndarray) -> np.ndarray:
    return np.asarray(cv2.cvtColor(strip, cv2.COLOR_RGB2GRAY))[..., None]


def _opaque(strip: np.ndarray) -> np.ndarray:
    return np.dstack([strip, np.full(strip.shape[:2], 255, np.uint8)])


def _slice(progress: Progress | None, begin: float, end: float) -> Progress | None:
    """Return a progress function for a part of the work, in thousandths of the whole."""
    if progress is None:
        return None
    return lambda done, total: progress(round(1000 * (begin + (end - begin) * done / total)), 1000)


def _part(progress: Progress | None, index: int) -> Progress | None:
    """Return progress of one of two halves that advance together."""
    if progress is None:
        return None
    callback: Callable[[int, int], Any] = progress
    return lambda done, total: callback(2 * done if index else 2 * done - 1, 2 * total)
