"""Finding and loading the models that draw and enlarge faces."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anime_pipeline.cli.common import waiting

if TYPE_CHECKING:
    from anime_pipeline.inference.generator import FaceGenerator
    from anime_pipeline.inference.upscaler import Upscaler


def load_models(
    checkpoint: str, upscaler: str | None, realism: float | None, upscale: bool
) -> tuple[FaceGenerator, Upscaler | None]:
    """Load stage one and, if wanted, stage two, by name, file or run folder.

    Without a word about the upscaler it is the shipped pair, mixed as drawn faces look best.
    """
    from anime_pipeline.models.blend import BEST_FOR_DRAWN, find_upscaler, load_upscaler_weights
    from anime_pipeline.models.weights import DCGAN_KIND
    from anime_pipeline.models.zoo import find_weights

    # Both are found before anything is loaded, so that a wrong name fails at once.
    first = find_weights(checkpoint, DCGAN_KIND)
    if upscaler is None and realism is None:
        realism = BEST_FOR_DRAWN
    pair = upscaler or "perceptual"
    second = find_upscaler(pair, realism, prefer="perceptual") if upscale else None
    with waiting("Loading the models"):
        from anime_pipeline.inference.generator import FaceGenerator
        from anime_pipeline.inference.upscaler import Upscaler

        draw = FaceGenerator.load(first)
        enlarge = Upscaler(load_upscaler_weights(second, realism)) if second else None
        return draw, enlarge
