"""For machines: is this one alive, does it take work, what has it measured, what can be asked."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from anime_pipeline.web.api.endpoints import PREFIX, unless_known
from anime_pipeline.web.services import services

blueprint = Blueprint("checks", __name__)


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
