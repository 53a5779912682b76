"""Faces, and journeys between them."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from flask import Response, request

from anime_pipeline import __version__
from anime_pipeline.images.codec import encode_png
from anime_pipeline.images.writing.grid import make_grid
from anime_pipeline.images.writing.save import encode_gif
from anime_pipeline.web.api.endpoints import GIF, JSON, PNG, Endpoints, as_json, kept
from anime_pipeline.web.api.faces import faces, journey
from anime_pipeline.web.api.requests import (
    GenerateBody,
    GenerateQuery,
    InterpolateBody,
    InterpolateQuery,
)
from anime_pipeline.web.api.responses import Face, Faces, Frames
from anime_pipeline.web.services import services
from anime_pipeline.web.serving.clients import client_of
from anime_pipeline.web.serving.shedding import GONE

SHEET_COLUMNS = 8

ENDPOINTS = Endpoints()
_FACES = {PNG: None, JSON: Faces}
_JSON_FACES = {JSON: Faces, PNG: None}
_FRAMES = {GIF: None, PNG: None, JSON: Frames}
_JSON_FRAMES = {JSON: Frames, GIF: None, PNG: None}
_FACE: dict[str, Any] = {"tag": "faces", "queue": "faces", "problems": (404,)}


@ENDPOINTS.add("GET", "/generate", name="generate", answers=_FACES, kept=True, **_FACE)
def generate_by_query(asked: GenerateQuery, kind: str) -> Response:
    """Draw a face, or several of consecutive seeds."""
    return _generate(asked, kind)


@ENDPOINTS.add("POST", "/generate", name="generateMany", answers=_JSON_FACES, **_FACE)
def generate_by_body(asked: GenerateBody, kind: str) -> Response:
    """Draw faces of any seeds."""
    return _generate(asked, kind)


def _generate(asked: GenerateQuery | GenerateBody, kind: str) -> Response:
    found = faces(services().catalogue, asked)

    def content() -> bytes:
        pictures = _pictures(found.jobs)
        if kind == JSON:
            made = [
                Face(image=_data_uri(encode_png(picture, text)), **said)
                for said, picture, text in zip(found.said, pictures, found.texts, strict=True)
            ]
            return as_json(Faces(weights=found.weights, size=asked.size, faces=made))
        if len(pictures) == 1:
            return encode_png(pictures[0], found.texts[0])
        text = {name: value for name, value in found.texts[0].items() if name != "seed"}
        seeds = ",".join(map(str, asked.seeds))
        grid = make_grid(np.stack(pictures), min(SHEET_COLUMNS, len(pictures)))
        return encode_png(grid, text | {"grid": f"seeds {seeds}"})

    return kept(kind, _facts(asked, found.weights, kind), content, bool(asked.weights))


@ENDPOINTS.add("GET", "/interpolate", name="interpolate", answers=_FRAMES, kept=True, **_FACE)
def interpolate_by_query(asked: InterpolateQuery, kind: str) -> Response:
    """Travel between the faces of seeds."""
    return _interpolate(asked, kind)


@ENDPOINTS.add("POST", "/interpolate", name="interpolateAny", answers=_JSON_FRAMES, **_FACE)
def interpolate_by_body(asked: InterpolateBody, kind: str) -> Response:
    """Travel between faces that each have attributes of their own."""
    return _interpolate(asked, kind)


def _interpolate(asked: InterpolateQuery | InterpolateBody, kind: str) -> Response:
    weights, jobs = journey(services().catalogue, asked)

    def content() -> bytes:
        pictures = np.stack(_pictures(jobs))
        if kind == GIF:
            seeds = ",".join(str(stop.seed) for stop in asked.stops)
            return encode_gif(pictures, asked.fps, f"anime-pipeline {__version__}, seeds {seeds}")
        if kind == PNG:
            return encode_png(make_grid(pictures, SHEET_COLUMNS))
        frames = [_data_uri(encode_png(picture)) for picture in pictures]
        return as_json(Frames(weights=weights, size=asked.size, frames=frames))

    return kept(kind, _facts(asked, weights, kind), content, bool(asked.weights))


def _pictures(jobs: Sequence[Any]) -> list[np.ndarray]:
    have = services()
    address, cost = request.remote_addr, sum(job.cost for job in jobs)
    return have.worker.run(
        jobs,
        have.settings.face_timeout_s,
        client_of(address),
        # What is refused for want of places or time is not counted as drawn.
        lambda: have.limits.count("faces", address, cost),
        request.environ.get(GONE),
    )


def _facts(asked: Any, weights: str, kind: str) -> bytes:
    facts = [__version__, weights, kind, asked.model_dump()]
    return json.dumps(facts, sort_keys=True).encode()


def _data_uri(png: bytes) -> str:
    return f"data:{PNG};base64,{base64.b64encode(png).decode()}"
