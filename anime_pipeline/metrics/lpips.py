"""LPIPS (Zhang et al., CVPR 2018, equation 1): how far two pictures look apart; lower is better.

Protocol: RGB in [-1, 1] at its own size, version 0.1 weights (`models.lpips`), channels normalised
to unit length at each place, squared differences weighted by the heads, averaged over places,
summed over five layers. AlexNet's is the authors' choice for judging, but networks trained
towards VGG16 features, and noise that pleases AlexNet, can each win one of the two: read both.
"""

from typing import Any

import numpy as np

from anime_pipeline.core.errors import invalid
from anime_pipeline.core.machine import has_keras
from anime_pipeline.core.storage import sha256_of

NETS = ("alex", "vgg")
EPSILON = 1e-10  # the authors'
SMALLEST_PX = 32  # AlexNet's last map still has a place


class Lpips:
    """Distances of many pictures from their references; make one and keep it.

    Attributes:
        net: ``"alex"`` or ``"vgg"``.
        sha256: Of the file of its weights.
    """

    def __init__(self, net: str) -> None:
        """Load the network.

        Args:
            net: One of `NETS`.

        Raises:
            PipelineError: If its weights are missing or damaged.
        """
        if net not in NETS:
            raise invalid("net", f"one of {', '.join(NETS)}", repr(net))
        # Here, not on top: the report's other measures need no framework.
        from anime_pipeline.models import backend
        from anime_pipeline.models.assets import LPIPS_FILES, find_asset
        from anime_pipeline.models.lpips import load_lpips
        from anime_pipeline.models.ranges import to_model

        ops = backend.keras.ops
        loaded = load_lpips(net)

        def directions(images: Any) -> list[Any]:
            maps = loaded.model(to_model(images))
            lengths = [ops.sqrt(ops.sum(ops.square(m), axis=-1, keepdims=True)) for m in maps]
            return [m / (length + EPSILON) for m, length in zip(maps, lengths, strict=True)]

        def apart(first: list[Any], images: Any) -> Any:
            total: Any = 0.0
            for a, b, head in zip(first, directions(images), loaded.heads, strict=True):
                total += ops.mean(ops.sum(ops.square(a - b) * head, axis=-1), axis=(1, 2))
            return total

        path = find_asset(LPIPS_FILES[net])
        self.net, self.sha256 = net, sha256_of(path) if path else ""
        self._directions = backend.jit(directions)
        self._apart = backend.jit(apart)
        self._to_device = backend.to_device

    def __call__(self, references: np.ndarray, images: np.ndarray) -> np.ndarray:
        """Measure several versions of each picture; the references are looked at once.

        Args:
            references: uint8 [N, H, W, 3] with H, W >= 32; N is what memory allows at once.
            images: uint8 [K, N, H, W, 3], K versions.

        Returns:
            float64 [K, N], 0 for equal pictures, seldom above 1.
        """
        if (
            references.dtype != np.uint8
            or images.dtype != np.uint8
            or references.ndim != 4
            or images.shape[1:] != references.shape
            or min(references.shape[1:3]) < SMALLEST_PX
        ):
            expected = f"references uint8 [N, H, W, 3] with H, W >= {SMALLEST_PX} and images uint8"
            received = f"{references.dtype}{references.shape}, {images.dtype}{images.shape}"
            raise invalid("images", f"{expected} [K, N, H, W, 3]", received)
        first = self._directions(self._to_device(references))
        rows = [self._apart(first, self._to_device(version)) for version in images]
        return np.array([np.asarray(row) for row in rows], np.float64)


def why_missing(net: str) -> str | None:
    """Return why LPIPS, or its network alone, cannot be had here and what to do, or None."""
    from anime_pipeline.models.assets import LPIPS_FILES, find_asset

    if not find_asset(LPIPS_FILES[net]):
        return (
            f"$ANIME_PIPELINE_ASSETS names no folder with {LPIPS_FILES[net]}; set it to the one "
            "that holds this file, or fetch it: anime-pipeline models fetch FOLDER"
        )
    if not has_keras():
        return "Keras is not installed; install the package with all it requires"
    return None
