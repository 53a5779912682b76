"""Stage two at work: pictures of any size to pictures four times as large."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from anime_pipeline.core.config import SCALE, Precision, SrganConfig
from anime_pipeline.core.errors import invalid
from anime_pipeline.core.progress import Progress, batches, ignored
from anime_pipeline.inference.back_projection import back_project
from anime_pipeline.inference.clamp import clamp
from anime_pipeline.inference.runtime import SESSIONS, check_result, upscaler_graph
from anime_pipeline.models.ranges import lr_to_model, to_levels
from anime_pipeline.models.weights import SRGAN_KIND, Weights, load_weights

MIN_TILE_PX = 32
# How far, in LR pixels, a tile looks beyond its edge. The networks could see 36 px, and each round
# of back-projection 6 more, but what lies beyond moves even noise by less than 2 grey levels.
MARGIN_PX = 20


@dataclass(frozen=True)
class Extras:
    """What may follow or surround the network, at a price in time.

    Attributes:
        ensemble: Mean over the 8 turns and mirrorings of the input (Timofte et al., "Seven Ways to
            Improve Example-Based Single Image Super Resolution", CVPR 2016): 8 times as slow, less
            error.
        back_projections: Rounds of correcting the result until it reduces to the input again.
    """

    ensemble: bool = False
    back_projections: int = 0


PLAIN = Extras()


class Upscaler:
    """A trained 4x upscaler.

    Large pictures are cut into tiles with a margin (`MARGIN_PX`), so that tiling changes nothing
    but rounding.
    """

    def __init__(self, weights: Weights, precision: Precision = "float32") -> None:
        """Prepare the network.

        Args:
            weights: An SRGAN generator.
            precision: ``"bfloat16"`` is faster and a little coarser, see `inference.runtime`.

        Raises:
            CheckpointError: If the arrays are not those of the architecture.
            PipelineError: If this machine has no bfloat16.
        """
        config = weights.read_config(SrganConfig)
        self.config = SrganConfig(**{**vars(config), "precision": "float32"})
        self.weights = weights
        self._session = SESSIONS[precision](upscaler_graph(weights))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Load a weights file of an SRGAN generator."""
        return cls(load_weights(path, SRGAN_KIND))

    def upscale_batch(
        self,
        lr_images: np.ndarray,
        batch_size: int = 8,
        progress: Progress = ignored,
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
        for part in batches(count, batch_size, progress):
            results[part] = self._compute(lr_images[part])
        return results

    def strips(
        self,
        lr_image: np.ndarray,
        tile_px: int,
        progress: Progress = ignored,
        extras: Extras = PLAIN,
    ) -> Iterator[np.ndarray]:
        """Upscale one picture of any size, a row of tiles at a time.

        Args:
            lr_image: uint8 [H, W, 3], RGB.
            tile_px: Side of a tile's inner part; bounds memory.
            progress: Called with (done, total) LR pixels.
            extras: See `Extras`.

        Yields:
            uint8 [h, 4W, 3], top to bottom; all but the last have h = 4 tile_px.
        """
        height, width = lr_image.shape[:2]
        for top in range(0, height, tile_px):
            bottom = min(top + tile_px, height)
            strip = np.empty(((bottom - top) * SCALE, width * SCALE, 3), np.uint8)
            # The margin is cut at the picture's edge, where the whole picture is padded too.
            above = min(MARGIN_PX, top)
            for left in range(0, width, tile_px):
                right = min(left + tile_px, width)
                before = min(MARGIN_PX, left)
                window = lr_image[
                    top - above : bottom + MARGIN_PX, left - before : right + MARGIN_PX
                ]
                large = self._compute(window[None], extras)[0]
                y, x = above * SCALE, before * SCALE
                strip[:, left * SCALE : right * SCALE] = large[
                    y : y + len(strip), x : x + (right - left) * SCALE
                ]
                progress(top * width + (bottom - top) * right, height * width)
            yield strip

    def _compute(self, lr_images: np.ndarray, extras: Extras = PLAIN) -> np.ndarray:
        """Upscale one batch: uint8 to uint8."""
        if lr_images.dtype != np.uint8:
            raise invalid("lr_image", "uint8 pictures, 0 to 255", lr_images.dtype)
        levels = self._ensemble(lr_images) if extras.ensemble else self._levels(lr_images)
        finished = [
            clamp(back_project(large, small, extras.back_projections), small)
            for large, small in zip(levels, lr_images, strict=True)
        ]
        return np.clip(np.rint(np.stack(finished)), 0, 255).astype(np.uint8)

    def _levels(self, lr_images: np.ndarray) -> np.ndarray:
        images = self._session(lr_to_model(np.ascontiguousarray(lr_images)))
        return to_levels(check_result(images, self.weights))

    def _ensemble(self, lr_images: np.ndarray) -> np.ndarray:
        total: np.ndarray | float = 0.0
        for mirrored in (False, True):
            for turns in range(4):
                view = np.rot90(lr_images[:, :, ::-1] if mirrored else lr_images, turns, (1, 2))
                large = np.rot90(self._levels(view), -turns, (1, 2))
                total = total + (large[:, :, ::-1] if mirrored else large)
        return np.asarray(total) / 8
