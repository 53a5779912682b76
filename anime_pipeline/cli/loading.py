"""Finding and loading the models that draw and enlarge faces."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anime_pipeline.cli.common import waiting

if TYPE_CHECKING:
    from anime_pipeline.inference.generator import FaceGenerator
    from anime_pipeline.inference.upscaler import Upscaler
    from anime_pipeline.models.weights import Weights


def load_weights_of(
    checkpoint: str,
    upscaler: str | None,
    realism: float | None,
    stages: tuple[str, ...] = ("dcgan", "srgan"),
) -> dict[str, Weights]:
    """Load weights by name, file or run folder.

    Args:
        checkpoint: Stage one.
        upscaler: Stage two; None for the shipped pair, mixed as drawn faces look best.
        realism: Where between the two of a pair, see `models.blend`.
        stages: What is wanted.

    Returns:
        By stage, in the order of `stages`.
    """
    from anime_pipeline.models.blend import BEST_FOR_DRAWN, find_upscaler, load_upscaler_weights
    from anime_pipeline.models.weights import DCGAN_KIND, load_weights
    from anime_pipeline.models.zoo import find_weights

    if upscaler is None and realism is None:
        realism = BEST_FOR_DRAWN
    # Both are found before anything is loaded, so that a wrong name fails at once.
    first = find_weights(checkpoint, DCGAN_KIND) if "dcgan" in stages else None
    pair = upscaler or "perceptual"
    second = find_upscaler(pair, realism, prefer="perceptual") if "srgan" in stages else None
    found = {"dcgan": load_weights(first, DCGAN_KIND)} if first else {}
    return found | ({"srgan": load_upscaler_weights(second, realism)} if second else {})


def load_models(
    checkpoint: str, upscaler: str | None, realism: float | None, upscale: bool
) -> tuple[FaceGenerator, Upscaler | None]:
    """Load stage one and, if wanted, stage two: see `load_weights_of`."""
    stages = ("dcgan", "srgan") if upscale else ("dcgan",)
    weights = load_weights_of(checkpoint, upscaler, realism, stages)
    with waiting("Loading the models"):
        from anime_pipeline.inference.generator import FaceGenerator
        from anime_pipeline.inference.upscaler import Upscaler

        draw = FaceGenerator(weights["dcgan"])
        return draw, Upscaler(weights["srgan"]) if upscale else None
