"""Stage one at work: seeds to faces."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from anime_pipeline.core.config import DcganConfig
from anime_pipeline.core.randomness import latents
from anime_pipeline.models import backend
from anime_pipeline.models.dcgan import build_generator
from anime_pipeline.models.ranges import to_uint8
from anime_pipeline.models.weights import DCGAN_KIND, Weights, assign, load_weights


class FaceGenerator:
    """A trained generator: the same seed is the same face, whatever the batch.

    Example:
        >>> faces = FaceGenerator.load(find_weights("dcgan", DCGAN_KIND)).generate([0, 1, 2])
        >>> faces.shape
        (3, 32, 32, 3)
    """

    def __init__(self, weights: Weights) -> None:
        config = weights.read_config(DcganConfig)
        # Inference is always float32, or a picture would depend on the machine.
        self.config = DcganConfig(**{**vars(config), "precision": "float32"})
        self.weights = weights
        self._model = build_generator(self.config)
        assign(self._model, weights)
        self._draw = backend.jit(lambda latent: self._model(latent, training=False))

    @classmethod
    def load(cls, path: Path) -> FaceGenerator:
        """Load a weights file of a DCGAN generator."""
        return cls(load_weights(path, DCGAN_KIND))

    def generate(
        self,
        seeds: Sequence[int],
        batch_size: int = 32,
        progress: Callable[[int, int], None] | None = None,
    ) -> np.ndarray:
        """Draw one face per seed.

        Args:
            seeds: Seeds, 0 to 2**63 - 1; no truncation is applied to the latents.
            batch_size: Faces computed at once; does not change them by more than a grey level.
            progress: Called with (done, total).

        Returns:
            uint8 [N, S, S, 3], RGB.
        """
        config = self.config
        latent = latents(seeds, config.latent_dim, config.latent_distribution)
        batches = [np.zeros((0, config.image_size, config.image_size, 3), np.uint8)]
        for start in range(0, len(latent), batch_size):
            part = latent[start : start + batch_size]
            batches.append(to_uint8(self._draw(part)))
            if progress:
                progress(start + len(part), len(latent))
        return np.concatenate(batches)
