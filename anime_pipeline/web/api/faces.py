"""From a request for faces to jobs, and what is said of them beside the pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from anime_pipeline import FaceSpec, Pipeline
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
from anime_pipeline.web.errors import Problem
from anime_pipeline.web.models.catalogue import Catalogue
from anime_pipeline.web.models.engine import Job

GENERATE_PATH = "/api/v1/generate"


@dataclass(frozen=True)
class Faces:
    """What one request for faces amounts to.

    Attributes:
        weights: Hash of those that draw it.
        jobs: What is to be computed, in the order of the seeds.
        texts: What each picture's file records.
        said: What the JSON answer says of each face.
    """

    weights: str
    jobs: list[Job]
    texts: list[dict[str, str]]
    said: list[dict[str, Any]]


def faces(catalogue: Catalogue, asked: GenerateQuery | GenerateBody) -> Faces:
    """Prepare faces; nothing is drawn yet.

    Raises:
        Problem: 404 if the model is not served, 409 if other weights were meant.
        UsageError: If it knows nothing of what was asked for.
    """
    pipeline, size, weights = _pipeline(catalogue, asked, asked.size)
    seeds = asked.seeds
    specs = [_spec(asked, seed, asked.truncation) for seed in seeds]
    condition = pipeline.condition(specs)
    jobs = [
        Job(pipeline, *pair, size) for pair in zip(pipeline.latents(specs), condition, strict=True)
    ]
    shared = asked.model_dump(exclude_defaults=True, exclude={"seed", "seeds", "count", "weights"})
    said = [
        {
            "seed": seed,
            **each,
            "variation": asked.variation,
            "strength": asked.strength,
            "url": f"{GENERATE_PATH}?{urlencode({'seed': seed, **shared, 'weights': weights})}",
        }
        for seed, each in zip(seeds, pipeline.generator.asked(condition), strict=True)
    ]
    texts = [pipeline.provenance(spec, size) for spec in specs]
    return Faces(weights, jobs, texts, said)


def journey(
    catalogue: Catalogue, asked: InterpolateQuery | InterpolateBody
) -> tuple[str, list[Job]]:
    """Prepare the pictures of an interpolation, after the weights' hash; errors as in `faces`."""
    pipeline, size, weights = _pipeline(catalogue, asked, asked.size)
    stops = [_spec(stop, stop.seed, asked.truncation) for stop in asked.stops]
    frames = zip(*pipeline.interpolate(stops, asked.frames, asked.loop), strict=True)
    return weights, [Job(pipeline, *pair, size) for pair in frames]


def _pipeline(catalogue: Catalogue, asked: Picture, size: int) -> tuple[Pipeline, int, str]:
    """Return the models that are asked for, their side of a nominal size, and their hash."""
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
