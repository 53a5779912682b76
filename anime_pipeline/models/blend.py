"""Between two upscalers: interpolated weights.

Wang et al., "ESRGAN", ECCV Workshops 2018, section 3.4: where one network was trained on from the
other, the straight line between their weights leads smoothly from one's look to the other's.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from anime_pipeline.core.errors import CheckpointError, UsageError
from anime_pipeline.models.weights import SRGAN_KIND, Weights, load_weights
from anime_pipeline.models.zoo import find_pair, find_weights

# For faces that stage one has drawn: by eye as crisp as 1, without the fine mesh that the network
# for looks lays over smooth skin.
BEST_FOR_DRAWN = 0.75


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


def find_upscaler(wanted: str, realism: float | None, prefer: str) -> list[Path]:
    """Return the files that an upscaler is made of: one, or two to be blended.

    Args:
        wanted: A shipped name, a file, or a run folder or its name.
        realism: 0 (fidelity) to 1 (perceptual), or None for the file that `wanted` stands for.
        prefer: What to take from a run folder then.

    Raises:
        CheckpointError: If nothing is found.
        UsageError: If `wanted` is a single file, which has no counterpart to blend with.
    """
    if realism is None:
        return [find_weights(wanted, SRGAN_KIND, prefer)]
    pair = find_pair(wanted)
    if pair is None:
        raise UsageError(
            f"--realism needs two upscalers, and {wanted} is one. Name a run folder that has both "
            "fidelity.npz and perceptual.npz, or leave the weights or --realism out."
        )
    return [pair[int(realism)]] if realism in (0, 1) else list(pair)


def load_upscaler_weights(paths: list[Path], realism: float | None) -> Weights:
    """Load what `find_upscaler` found."""
    first, *rest = [load_weights(path, SRGAN_KIND) for path in paths]
    return blend(first, rest[0], realism or 0.0) if rest else first
