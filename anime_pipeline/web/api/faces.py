"""Faces, and journeys between them: from requests to jobs for the models, and to answers."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

import numpy as np
from flask import Response, request

from anime_pipeline import FaceSpec, Pipeline, __version__
from anime_pipeline.images.codec import encode_png
from anime_pipeline.images.writing.grid import make_grid
from anime_pipeline.images.writing.save import encode_gif
from anime_pipeline.web.api.endpoints import GIF, JSON, PNG, PREFIX, Endpoints, as_json, kept
from anime_pipeline.web.api.requests import (
    ATTRIBUTES,
    SIZES,
    GenerateBody,
    GenerateQuery,
    InterpolateBody,
    InterpolateQuery,
    Look,
    Picture,
)
from anime_pipeline.web.api.responses import Face, Faces, Frames
from anime_pipeline.web.errors import Problem
from anime_pipeline.web.models.catalogue import Catalogue
from anime_pipeline.web.models.jobs import Job
from anime_pipeline.web.services import services
from anime_pipeline.web.serving.clients import client_of
from anime_pipeline.web.serving.shedding import GONE

GENERATE_PATH = f"{PREFIX}/generate"
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
    pipeline, size, weights = models_for(services().catalogue, asked, asked.size)
    specs = [_spec(asked, seed, asked.truncation) for seed in asked.seeds]
    condition = pipeline.condition(specs)
    jobs = _jobs(pipeline, size, pipeline.latents(specs), condition)

    def content() -> bytes:
        pictures = _pictures(jobs)
        texts = [pipeline.provenance(spec, size) for spec in specs]
        if kind == JSON:
            files = [encode_png(*each) for each in zip(pictures, texts, strict=True)]
            made = _described(asked, files, pipeline.generator.asked(condition), weights)
            return as_json(Faces(weights=weights, size=asked.size, faces=made))
        if len(pictures) == 1:
            return encode_png(pictures[0], texts[0])
        text = {name: value for name, value in texts[0].items() if name != "seed"}
        seeds = ",".join(map(str, asked.seeds))
        grid = make_grid(np.stack(pictures), min(SHEET_COLUMNS, len(pictures)))
        return encode_png(grid, text | {"grid": f"seeds {seeds}"})

    return kept(kind, [weights, asked.model_dump()], content, bool(asked.weights))


def _described(
    asked: GenerateQuery | GenerateBody,
    files: Sequence[bytes],
    shown: Sequence[dict[str, str]],
    weights: str,
) -> list[Face]:
    """Return the faces with what they show and where they are found again."""
    shared = asked.model_dump(exclude_defaults=True, exclude={"seed", "seeds", "count", "weights"})
    return [
        Face(
            seed=seed,
            **each,
            variation=asked.variation,
            strength=asked.strength,
            url=f"{GENERATE_PATH}?{urlencode({'seed': seed, **shared, 'weights': weights})}",
            image=_data_uri(file),
        )
        for seed, file, each in zip(asked.seeds, files, shown, strict=True)
    ]


@ENDPOINTS.add("GET", "/interpolate", name="interpolate", answers=_FRAMES, kept=True, **_FACE)
def interpolate_by_query(asked: InterpolateQuery, kind: str) -> Response:
    """Travel between the faces of seeds."""
    return _interpolate(asked, kind)


@ENDPOINTS.add("POST", "/interpolate", name="interpolateAny", answers=_JSON_FRAMES, **_FACE)
def interpolate_by_body(asked: InterpolateBody, kind: str) -> Response:
    """Travel between faces that each have attributes of their own."""
    return _interpolate(asked, kind)


def _interpolate(asked: InterpolateQuery | InterpolateBody, kind: str) -> Response:
    pipeline, size, weights = models_for(services().catalogue, asked, asked.size)
    stops = [_spec(stop, stop.seed, asked.truncation) for stop in asked.stops]
    jobs = _jobs(pipeline, size, *pipeline.interpolate(stops, asked.frames, asked.loop))

    def content() -> bytes:
        pictures = np.stack(_pictures(jobs))
        if kind == GIF:
            seeds = ",".join(str(stop.seed) for stop in asked.stops)
            return encode_gif(pictures, asked.fps, f"anime-pipeline {__version__}, seeds {seeds}")
        if kind == PNG:
            return encode_png(make_grid(pictures, SHEET_COLUMNS))
        frames = [_data_uri(encode_png(picture)) for picture in pictures]
        return as_json(Frames(weights=weights, size=asked.size, frames=frames))

    return kept(kind, [weights, asked.model_dump()], content, bool(asked.weights))


def models_for(catalogue: Catalogue, asked: Picture, size: int) -> tuple[Pipeline, int, str]:
    """Return the models that are asked for, their side of a nominal size, and their hash.

    Raises:
        Problem: 404 if the model is not served, 409 if other weights were meant.
    """
    times = SIZES.index(size)
    upscaler = catalogue.upscaler(asked.realism) if times else None
    pipeline = Pipeline(catalogue.generator(asked.model), upscaler)
    served, meant = catalogue.weights_hash(pipeline.generator.weights), asked.weights
    if meant and not served.startswith(meant):
        raise Problem(
            409,
            f"This was made with the weights {meant}, and {served} are served here. Leave "
            "weights out to see what these make of it.",
        )
    return pipeline, pipeline.sizes[times], served


def _spec(look: Look, seed: int, truncation: float) -> FaceSpec:
    attributes = {name: getattr(look, name) for name in ATTRIBUTES}
    return FaceSpec(seed, attributes, look.variation, look.strength, truncation)


def _jobs(pipeline: Pipeline, size: int, latents: np.ndarray, condition: np.ndarray) -> list[Job]:
    return [Job(pipeline, *pair, size) for pair in zip(latents, condition, strict=True)]


def _pictures(jobs: Sequence[Job]) -> list[np.ndarray]:
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


def _data_uri(png: bytes) -> str:
    return f"data:{PNG};base64,{base64.b64encode(png).decode()}"
