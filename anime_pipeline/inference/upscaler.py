"""Stage two at work: pictures of any size to pictures four times as large."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from anime_pipeline.core.config import SCALE, SrganConfig
from anime_pipeline.models import backend
from anime_pipeline.models.ranges import lr_to_model, to_uint8
from anime_pipeline.models.srgan import build_generator
from anime_pipeline.models.weights import SRGAN_KIND, Weights, assign, load_weights

TILE_PX = 192


def receptive_radius_px(config: SrganConfig) -> int:
    """Return how far, in LR pixels, an output pixel can see: one per 3x3 layer at LR size.

    The later layers work at twice and four times the size and together reach less than 4 px.
    """
    reference = config.architecture == "reference"
    return 2 * config.blocks + (10 if reference else 4)


class Upscaler:
    """A trained 4x upscaler.

    Large pictures are cut into tiles with a margin as wide as the network can see, so that tiling
    changes nothing but rounding.
    """

    def __init__(self, weights: Weights) -> None:
        config = weights.read_config(SrganConfig)
        self.config = SrganConfig(**{**vars(config), "precision": "float32"})
        self.weights = weights
        self._model = build_generator(self.config)
        assign(self._model, weights)
        self._margin = receptive_radius_px(self.config)
        self._run = backend.jit(lambda lr: self._model(lr, training=False))

    @classmethod
    def load(cls, path: Path) -> Upscaler:
        """Load a weights file of an SRGAN generator."""
        return cls(load_weights(path, SRGAN_KIND))

    def upscale_batch(
        self,
        lr_images: np.ndarray,
        batch_size: int = 8,
        progress: Callable[[int, int], None] | None = None,
    ) -> np.ndarray:
        """Upscale many pictures of one small size.

        Args:
            lr_images: uint8 [N, H, W, 3], RGB.
            batch_size: Pictures computed at once.
            progress: Called with (done, total).

        Returns:
            uint8 [N, 4H, 4W, 3].
        """
        count, height, width, _ = lr_images.shape
        results = np.empty((count, height * SCALE, width * SCALE, 3), np.uint8)
        for start in range(0, count, batch_size):
            part = lr_images[start : start + batch_size]
            results[start : start + len(part)] = to_uint8(self._run(lr_to_model(part)))
            if progress:
                progress(start + len(part), count)
        return results

    def upscale(
        self,
        lr_image: np.ndarray,
        tile_px: int = TILE_PX,
        progress: Callable[[int, int], None] | None = None,
    ) -> np.ndarray:
        """Upscale one picture of any size.

        Args:
            lr_image: uint8 [H, W, 3], RGB.
            tile_px: Side of a tile's inner part; bounds memory.
            progress: Called with (done, total) tiles.

        Returns:
            uint8 [4H, 4W, 3].
        """
        height, width = lr_image.shape[:2]
        result = np.empty((height * SCALE, width * SCALE, 3), np.uint8)
        corners = [
            (top, left) for top in range(0, height, tile_px) for left in range(0, width, tile_px)
        ]
        for done, (top, left) in enumerate(corners, start=1):
            bottom, right = min(top + tile_px, height), min(left + tile_px, width)
            # The margin is cut at the picture's edge, where the whole picture is padded too.
            above, before = min(self._margin, top), min(self._margin, left)
            window = lr_image[
                top - above : bottom + self._margin, left - before : right + self._margin
            ]
            large = self.upscale_batch(window[None])[0]
            y, x = above * SCALE, before * SCALE
            result[top * SCALE : bottom * SCALE, left * SCALE : right * SCALE] = large[
                y : y + (bottom - top) * SCALE, x : x + (right - left) * SCALE
            ]
            if progress:
                progress(done, len(corners))
        return result
