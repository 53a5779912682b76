"""Finding and loading the models that draw and enlarge faces."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anime_pipeline.cli.common import waiting

if TYPE_CHECKING:
    from anime_pipeline.inference.generator import FaceGenerator
    from anime_pipeline.inference.upscaler import Upscaler


def load_models(
    checkpoint: str, upscaler: str | None, realism: float | None
) -> tuple[FaceGenerator, Upscaler | None]:
    """Load stage one and, unless `upscaler` is None, stage two, by name, file or run folder."""
    from anime_pipeline.models.blend import find_upscaler, load_upscaler_weights
    from anime_pipeline.models.weights import DCGAN_KIND
    from anime_pipeline.models.zoo import find_weights

    # Both are found before anything is loaded, so that a wrong name fails at once.
    first = find_weights(checkpoint, DCGAN_KIND)
    second = find_upscaler(upscaler, realism, prefer="perceptual") if upscaler else None
    with waiting("Loading the models"):
        from anime_pipeline.inference.generator import FaceGenerator
        from anime_pipeline.inference.upscaler import Upscaler

        draw = FaceGenerator.load(first)
        enlarge = Upscaler(load_upscaler_weights(second, realism)) if second else None
        return draw, enlarge
