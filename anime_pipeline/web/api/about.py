"""About the server: is it alive, what has it measured, what can be asked and chosen from."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from anime_pipeline.inference.spec import palettes
from anime_pipeline.web.api.endpoints import JSON, PREFIX, Endpoints, unless_known
from anime_pipeline.web.api.requests import MOST_FACES, MOST_FRAMES, MOST_STOPS
from anime_pipeline.web.api.responses import Models, UpscalerOffer
from anime_pipeline.web.services import services
from anime_pipeline.web.serving.settings import MAX_UPLOAD_BYTES, MAX_UPLOAD_PIXELS

blueprint = Blueprint("checks", __name__)
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


@blueprint.get("/healthz")
def healthz() -> Response:
    """Say that the process answers and its models' thread lives; only a new process helps else."""
    if services().worker.broken:
        return _plain("the models' thread has ended", 503)
    return _plain("ok")


@blueprint.get("/readyz")
def readyz() -> Response:
    """Say whether the models take work; 503 while the server stops."""
    return _plain("ready") if services().worker.alive else _plain("not ready", 503)


@blueprint.get("/metrics")
def metrics() -> Response:
    """Return all measurements in Prometheus' text format."""
    text = generate_latest(services().measurements.registry)
    return Response(text, content_type=CONTENT_TYPE_LATEST)


@blueprint.get(f"{PREFIX}/openapi.json")
def openapi_json() -> Response:
    """Return the description of the API."""
    return unless_known(jsonify(services().openapi))


def _plain(text: str, status: int = 200) -> Response:
    response = Response(text + "\n", status, content_type="text/plain; charset=utf-8")
    response.headers["Cache-Control"] = "no-store"
    return response
