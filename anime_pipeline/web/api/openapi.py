"""The OpenAPI 3.1 document, made from the very types that requests are read with."""

from __future__ import annotations

import functools
from typing import Any

from anime_pipeline import __version__
from anime_pipeline.core.runs import STAGES
from anime_pipeline.web.api.answers import SCHEMAS
from anime_pipeline.web.api.requests import (
    GenerateBody,
    GenerateQuery,
    InterpolateBody,
    InterpolateQuery,
)
from anime_pipeline.web.api.schemas import query_parameters, schema_of, upload_schema
from anime_pipeline.web.serving.problems import PROBLEM_TYPE

PREFIX = "/api/v1"
REFERENCE = "#/components/schemas/"
WORDS = {
    400: "The body cannot be read.",
    404: "There is nothing of that name.",
    406: "None of the accepted media types can be given.",
    409: "In conflict with what is served or asked: other weights, a model that cannot be used, a "
    "ticket in use, cancelled.",
    413: "Too many bytes.",
    415: "The type of the body, or of the picture, is not one that is read.",
    422: "A value is missing or wrong, or the picture is damaged or has too many pixels.",
    429: "Too much for one client; Retry-After says when to go on.",
    503: "Too much to do, or stopping; Retry-After says when to try again.",
}
PICTURES = "image/png, image/jpeg, image/webp, image/gif, image/bmp, image/avif"
COMPUTING = (404, 406, 409, 422, 429, 503)

Json = dict[str, Any]


@functools.cache
def document() -> Json:
    """Return the document; the same object each time, not to be changed."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "anime-pipeline",
            "version": __version__,
            "summary": "Anime faces from seeds, journeys between them, and enlarged pictures.",
            "description": "The same seed and wishes are the same face as on the command line, to "
            "one grey level. Pictures can be had as files or, with Accept: application/json, as "
            "data URIs with what they show.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name} for name in ("faces", "pictures", "models", "runs")],
        "paths": _paths(),
        "components": {"schemas": _component_schemas()},
    }


def _paths() -> Json:
    return _faces() | _pictures() | _models_and_runs()


def _faces() -> Json:
    png, gif = _file("image/png"), _file("image/gif")
    made, moved = _named("Faces"), _named("Frames")
    return {
        f"{PREFIX}/generate": {
            "get": _operation(
                "faces",
                "generate",
                "Draw a face, or several of consecutive seeds",
                {"image/png": png, "application/json": made},
                COMPUTING,
                parameters=query_parameters(GenerateQuery),
                kept=True,
            ),
            "post": _operation(
                "faces",
                "generateMany",
                "Draw faces of any seeds",
                {"application/json": made, "image/png": png},
                (400, 413, 415, *COMPUTING),
                body={"application/json": _named("GenerateBody")},
            ),
        },
        f"{PREFIX}/interpolate": {
            "get": _operation(
                "faces",
                "interpolate",
                "Travel between the faces of seeds",
                {"image/gif": gif, "image/png": png, "application/json": moved},
                COMPUTING,
                parameters=query_parameters(InterpolateQuery),
                kept=True,
            ),
            "post": _operation(
                "faces",
                "interpolateAny",
                "Travel between faces that each have wishes of their own",
                {"application/json": moved, "image/gif": gif, "image/png": png},
                (400, 413, 415, *COMPUTING),
                body={"application/json": _named("InterpolateBody")},
            ),
        },
    }


def _pictures() -> Json:
    ticket = _path("ticket", "The ticket that was sent with the picture.")
    enlarged = {"image/png": _file("image/png"), "application/json": _named("Enlarged")}
    return {
        f"{PREFIX}/upscale": {
            "post": _operation(
                "pictures",
                "upscale",
                "Enlarge a picture",
                enlarged,
                (400, 406, 409, 413, 415, 422, 429, 503),
                body={"multipart/form-data": upload_schema()},
            )
        },
        f"{PREFIX}/upscale/{{ticket}}": {
            "get": _operation(
                "pictures",
                "progress",
                "Tell how far an upload is",
                {"application/json": _named("Progress")},
                (404,),
                parameters=[ticket],
            ),
            "delete": _operation(
                "pictures",
                "cancel",
                "Give up an upload",
                {},
                (404,),
                parameters=[ticket],
            ),
        },
    }


def _models_and_runs() -> Json:
    return {
        f"{PREFIX}/models": {
            "get": _operation(
                "models",
                "models",
                "List the models, named colours and limits",
                {"application/json": _named("Models")},
                (),
            )
        },
        f"{PREFIX}/runs": {
            "get": _operation(
                "runs",
                "runs",
                "List the training runs",
                {"application/json": _named("Runs")},
                (),
                kept=True,
            )
        },
        f"{PREFIX}/runs/{{stage}}/{{name}}": {
            "get": _operation(
                "runs",
                "run",
                "Tell about one training run: curves, sample grids, settings",
                {"application/json": _named("RunDetails")},
                (404,),
                kept=True,
                parameters=[
                    _path("stage", "The stage that was trained.", enum=list(STAGES)),
                    _path("name", "The run's name, such as 1-cpu."),
                ],
            )
        },
    }


def _operation(
    tag: str,
    name: str,
    summary: str,
    content: Json,
    problems: tuple[int, ...],
    parameters: list[Json] | None = None,
    body: Json | None = None,
    kept: bool = False,
) -> Json:
    """Describe one operation; `kept` says that an ETag saves asking twice."""
    answered = {kind: {"schema": schema} for kind, schema in content.items()}
    responses: Json = {"200": {"description": "Done.", "content": answered}}
    if not content:
        responses = {"204": {"description": "Done; there is nothing to say."}}
    if kept:
        tagged = {"ETag": {"schema": {"type": "string"}, "description": "For If-None-Match."}}
        responses["200"]["headers"] = tagged
        responses["304"] = {"description": "What the client has is still right."}
    for status in problems:
        responses[str(status)] = _problem(status)
    operation: Json = {"tags": [tag], "operationId": name, "summary": summary}
    if parameters:
        operation["parameters"] = parameters
    if body:
        inner: Json = {kind: {"schema": schema} for kind, schema in body.items()}
        if "multipart/form-data" in inner:
            inner["multipart/form-data"]["encoding"] = {"image": {"contentType": PICTURES}}
        operation["requestBody"] = {"required": True, "content": inner}
    return operation | {"responses": responses}


def _problem(status: int) -> Json:
    response: Json = {
        "description": WORDS[status],
        "content": {PROBLEM_TYPE: {"schema": _named("Problem")}},
    }
    if status in (429, 503):
        response["headers"] = {
            "Retry-After": {"schema": {"type": "integer", "minimum": 1}, "description": "Seconds."}
        }
    return response


def _path(name: str, description: str, **schema: Any) -> Json:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": description,
        "schema": {"type": "string", "minLength": 1, **schema},
    }


def _component_schemas() -> Json:
    """Return all named schemas: what is sent, and what is answered."""
    return {
        "GenerateBody": schema_of(GenerateBody),
        "InterpolateBody": schema_of(InterpolateBody),
        **SCHEMAS,
    }


def _file(kind: str) -> Json:
    return {"type": "string", "contentMediaType": kind}


def _named(name: str) -> Json:
    return {"$ref": REFERENCE + name}
