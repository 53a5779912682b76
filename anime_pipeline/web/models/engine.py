"""Pictures of many requests, computed together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

import numpy as np

from anime_pipeline.core.config import SCALE
from anime_pipeline.inference.generator import FaceGenerator
from anime_pipeline.inference.upscaler import Upscaler

BATCH = 8  # of stage two: larger ones are no faster


@dataclass(frozen=True)
class Job:
    """One picture to be made.

    Attributes:
        generator: Stage one.
        latent: float32 [D], truncated already.
        condition: float32 [K], what it shall show.
        upscalers: Stage two, once for each enlargement by four: none leaves stage one's size.
    """

    generator: FaceGenerator
    latent: np.ndarray
    condition: np.ndarray
    upscalers: tuple[Upscaler, ...] = field(default=())

    @property
    def cost(self) -> int:
        """What it takes, in faces enlarged once."""
        return max(1, sum((SCALE * SCALE) ** index for index in range(len(self.upscalers))))


def compute(jobs: Sequence[Job]) -> list[np.ndarray]:
    """Make the pictures: those of one model in one batch, then those of one upscaler.

    Returns:
        uint8 [S, S, 3] each, in the order of `jobs`.
    """
    pictures: list[np.ndarray] = [np.zeros(0)] * len(jobs)
    for members in _groups([job.generator for job in jobs]):
        latent = np.stack([jobs[index].latent for index in members])
        condition = np.stack([jobs[index].condition for index in members])
        drawn = jobs[members[0]].generator.draw(latent, condition)
        for index, picture in zip(members, drawn, strict=True):
            pictures[index] = picture
    for level in range(max((len(job.upscalers) for job in jobs), default=0)):
        enlarged = [index for index, job in enumerate(jobs) if len(job.upscalers) > level]
        keys = [(jobs[i].upscalers[level], pictures[i].shape) for i in enlarged]
        for group in _groups(keys):
            members = [enlarged[index] for index in group]
            upscaler = jobs[members[0]].upscalers[level]
            batch = np.stack([pictures[index] for index in members])
            # Twice enlarged faces are sixteen times as large: one at a time is work enough.
            size = BATCH if level == 0 else 1
            for index, picture in zip(members, upscaler.upscale_batch(batch, size), strict=True):
                pictures[index] = picture
    return pictures


def _groups(keys: Sequence[Hashable]) -> list[list[int]]:
    """Return the positions of equal keys together, in order of appearance."""
    found: dict[Hashable, list[int]] = defaultdict(list)
    for index, key in enumerate(keys):
        found[key].append(index)
    return list(found.values())
