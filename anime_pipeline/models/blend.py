"""Between two upscalers: interpolated weights.

Wang et al., "ESRGAN", ECCV Workshops 2018, section 3.4: where one network was trained on from the
other, the straight line between their weights leads smoothly from one's look to the other's.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

from anime_pipeline.core.errors import CheckpointError, UsageError
from anime_pipeline.models.weights import SRGAN_KIND, Weights, load_weights
from anime_pipeline.models.zoo import find_pair, find_weights

# For faces that stage one has drawn: by eye as crisp as 1, without the fine mesh that the network
# for looks lays over smooth skin.
BEST_FOR_DRAWN = 0.75
TRUE_TO_INPUT = 0.0  # for pictures that somebody has


def blend(first: Weights, second: Weights, share: float) -> Weights:
    """Return weights that lie `share` of the way from `first` to `second`.

    Raises:
        CheckpointError: If the two are of different shape.
    """
    shapes = [{k: a.shape for k, a in weights.arrays.items()} for weights in (first, second)]
    if shapes[0] != shapes[1]:
        raise CheckpointError(
            f"{first.path} and {second.path} are different networks, so there is nothing between "
            "them. Expected two of one run, the second trained on from the first."
        )
    arrays = {
        name: (1 - share) * array + share * second.arrays[name]
        for name, array in first.arrays.items()
    }
    recipe = f"{first.sha256} {second.sha256} {share:.6f}"
    sha256 = hashlib.sha256(recipe.encode()).hexdigest()
    name = f"{first.path.stem}+{second.path.stem}@{share:g}.npz"
    return replace(first, path=first.path.with_name(name), arrays=arrays, sha256=sha256)


@dataclass(frozen=True)
class UpscalerFiles:
    """The weights that an upscaler is made of: one file, or two with a `share` of the second."""

    paths: tuple[Path, ...]
    share: float = 0.0

    def load(self) -> Weights:
        """Read them, and mix two.

        Raises:
            CheckpointError: If one is damaged or of another kind, or they are no pair.
        """
        first, *rest = [load_weights(path, SRGAN_KIND) for path in self.paths]
        return blend(first, rest[0], self.share) if rest else first


def find_upscaler(
    wanted: str | None, realism: float | None, usual: float = BEST_FOR_DRAWN
) -> UpscalerFiles:
    """Find the weights of an upscaler.

    Args:
        wanted: A shipped name, a file, or a run folder or its name; None for the shipped pair.
        realism: 0 (fidelity) to 1 (perceptual); None for what `wanted` is, or for `usual`.
        usual: The realism without either; it also says which file of a run folder is meant.

    Raises:
        CheckpointError: If nothing is found.
        UsageError: If `wanted` is a single file, which has no counterpart to blend with, or the
            realism is out of range.
    """
    if realism is not None and not 0 <= realism <= 1:
        raise UsageError(f"Invalid realism. Expected a number from 0 to 1. Received: {realism}.")
    prefer = "perceptual" if usual else "fidelity"
    if wanted is not None and realism is None:
        return UpscalerFiles((find_weights(wanted, SRGAN_KIND, prefer),))
    share = usual if realism is None else realism
    pair = find_pair(wanted or prefer)
    if pair is None:
        raise UsageError(
            f"--realism needs two upscalers, and {wanted} is one. Name a run folder that has both "
            "fidelity.npz and perceptual.npz, or leave the weights or --realism out."
        )
    return UpscalerFiles(pair if 0 < share < 1 else (pair[int(share)],), share)
