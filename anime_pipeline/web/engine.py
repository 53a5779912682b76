"""Pictures of many requests, computed together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from anime_pipeline import Pipeline
from anime_pipeline.core.config import SCALE


@dataclass(frozen=True)
class Drawing:
    """One picture to be made.

    Attributes:
        pipeline: What makes it.
        latent: float32 [D], truncated already.
        condition: float32 [K], what it shall show.
        size: Its side, one of the pipeline's.
    """

    pipeline: Pipeline
    latent: np.ndarray
    condition: np.ndarray
    size: int

    @property
    def enlargements(self) -> int:
        """How often stage two is used."""
        return self.pipeline.sizes.index(self.size)

    @property
    def cost(self) -> int:
        """What it takes, in faces enlarged once."""
        return max(1, sum((SCALE * SCALE) ** index for index in range(self.enlargements)))

    @property
    def kind(self) -> Hashable:
        """What pictures share that can be made together."""
        upscaler = self.pipeline.upscaler if self.enlargements else None
        return self.pipeline.generator, upscaler, self.size


def compute(drawings: Sequence[Drawing]) -> list[np.ndarray]:
    """Make the pictures, those of the same models and size together.

    Returns:
        uint8 [S, S, 3] each, in the order of `drawings`.
    """
    pictures: list[np.ndarray] = [np.zeros(0)] * len(drawings)
    alike: dict[Hashable, list[int]] = defaultdict(list)
    for index, drawing in enumerate(drawings):
        alike[drawing.kind].append(index)
    for places in alike.values():
        first = drawings[places[0]]
        latent = np.stack([drawings[index].latent for index in places])
        condition = np.stack([drawings[index].condition for index in places])
        made = first.pipeline.draw(latent, condition, first.size)
        for index, picture in zip(places, made, strict=True):
            pictures[index] = picture
    return pictures
