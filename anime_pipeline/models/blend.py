"""Between upscalers: interpolated weights.

Wang et al., "ESRGAN", ECCV Workshops 2018, section 3.4: where one network was trained on from the
other, the straight line between their weights leads smoothly from one's look to the other's. What
a third learnt beside, to clean up, is a difference of weights too, and can be added.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from anime_pipeline.core.errors import CheckpointError, UsageError
from anime_pipeline.models.weights import SRGAN_KIND, Weights, load_weights
from anime_pipeline.models.zoo import find_pair, find_weights, shipped

# For faces that stage one has drawn: by eye as clean as anything below, and crisper.
BEST_FOR_DRAWN = 1.0
TRUE_TO_INPUT = 0.0  # for pictures that somebody has
DENOISE = "denoise"  # the shipped weights that clean up


def mix(base: Weights, added: Sequence[tuple[Weights, float]]) -> Weights:
    """Return weights moved from `base` towards others, each by its share of the way.

    Raises:
        CheckpointError: If they are of different shape.
    """
    added = [(weights, share) for weights, share in added if share and weights is not base]
    if not added:
        return base
    if len(added) == 1 and added[0][1] == 1:
        return added[0][0]
    shapes = {name: array.shape for name, array in base.arrays.items()}
    arrays, recipe, stem = dict(base.arrays), base.sha256, base.path.stem
    for weights, share in added:
        if {name: array.shape for name, array in weights.arrays.items()} != shapes:
            raise CheckpointError(
                f"{base.path} and {weights.path} are different networks, so there is nothing "
                "between them. Expected two of one run, the second trained on from the first."
            )
        for name, array in base.arrays.items():
            arrays[name] = arrays[name] + share * (weights.arrays[name] - array)
        recipe += f" {weights.sha256} {share:.6f}"
        stem += f"+{weights.path.stem}@{share:g}"
    sha256 = hashlib.sha256(recipe.encode()).hexdigest()
    return replace(base, path=base.path.with_name(f"{stem}.npz"), arrays=arrays, sha256=sha256)


@dataclass(frozen=True)
class UpscalerFiles:
    """The weights that an upscaler is made of: one file, and others with the share of each."""

    base: Path
    added: tuple[tuple[Path, float], ...] = ()

    def load(self) -> Weights:
        """Read and mix them.

        Raises:
            CheckpointError: If one is damaged or of another kind, or they are no pair.
        """
        added = [(load_weights(path, SRGAN_KIND), share) for path, share in self.added]
        return mix(load_weights(self.base, SRGAN_KIND), added)


def find_upscaler(
    wanted: str | None, realism: float | None, drawn: bool = True, denoise: float = 0.0
) -> UpscalerFiles:
    """Find the weights of an upscaler.

    Args:
        wanted: A shipped name, a file, or a run folder or its name; None for the shipped ones.
        realism: 0 (true to the input) to 1 (crisp); None for what `wanted` is, or for what suits.
        drawn: Whether for faces that stage one draws, not for pictures that somebody has.
        denoise: 0 to 1: how much blur, noise and JPEG's marks are taken away.

    Raises:
        CheckpointError: If nothing is found.
        UsageError: If `wanted` is a single file, which has no counterpart to mix with, or a share
            is out of range.
    """
    for name, value in {"realism": realism, DENOISE: denoise}.items():
        if value is not None and not 0 <= value <= 1:
            raise UsageError(f"Invalid {name}. Expected a number from 0 to 1. Received: {value}.")
    if denoise and (wanted not in (None, *shipped(SRGAN_KIND)) or DENOISE not in shipped()):
        raise UsageError(
            f"--denoise belongs to the shipped upscalers, and {wanted} is another. Leave the "
            "weights or --denoise out."
        )
    cleaning = ((find_weights(DENOISE, SRGAN_KIND), denoise),) if denoise else ()
    if wanted is not None and realism is None and not denoise:
        return UpscalerFiles(find_weights(wanted, SRGAN_KIND, "faces" if drawn else "fidelity"))
    share = realism if realism is not None else BEST_FOR_DRAWN if drawn else TRUE_TO_INPUT
    pair = find_pair(wanted or "fidelity", drawn)
    if pair is None:
        raise UsageError(
            f"--realism needs two upscalers, and {wanted} is one. Name a run folder that has both "
            "fidelity.npz and perceptual.npz, or leave the weights or --realism out."
        )
    return UpscalerFiles(pair[0], (((pair[1], share),) if share else ()) + cleaning)
