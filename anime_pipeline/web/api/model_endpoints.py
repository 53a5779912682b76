"""What there is to choose from: models, colours that have names, limits."""

from __future__ import annotations

from anime_pipeline.inference.spec import palettes
from anime_pipeline.web.api.endpoints import JSON, Endpoints
from anime_pipeline.web.api.requests import MOST_FACES, MOST_FRAMES, MOST_STOPS
from anime_pipeline.web.api.responses import Models, UpscalerOffer
from anime_pipeline.web.services import services
from anime_pipeline.web.serving.settings import MAX_UPLOAD_BYTES, MAX_UPLOAD_PIXELS

ENDPOINTS = Endpoints()


@ENDPOINTS.add("GET", "/models", name="models", tag="models", answers={JSON: Models})
def models() -> Models:
    """List the models, named colours and limits."""
    catalogue = services().catalogue
    return Models(
        default=catalogue.default,
        models=catalogue.offers(),
        upscaler=UpscalerOffer(
            weights=catalogue.weights_hash(),
            realism=catalogue.has_realism(),
            denoise=catalogue.has_denoise,
        ),
        colours=palettes(),
        limits={
            "count": MOST_FACES,
            "stops": MOST_STOPS,
            "frames": MOST_FRAMES,
            "upload_bytes": MAX_UPLOAD_BYTES,
            "upload_pixels": MAX_UPLOAD_PIXELS,
        },
    )
