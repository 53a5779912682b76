"""From a request for faces to drawings, and what is said of them beside the pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import numpy as np

from anime_pipeline import __version__
from anime_pipeline.inference.asked import asked_of_each, attribute_texts
from anime_pipeline.inference.generator import FaceGenerator
from anime_pipeline.inference.latents import variations, walk
from anime_pipeline.inference.upscaler import Upscaler
from anime_pipeline.web.catalogue import Catalogue
from anime_pipeline.web.engine import Drawing
from anime_pipeline.web.problems import Problem
from anime_pipeline.web.requests import (
    SIZES,
    GenerateBody,
    GenerateQuery,
    InterpolateBody,
    InterpolateQuery,
    Look,
)

GENERATE_PATH = "/api/v1/generate"


@dataclass(frozen=True)
class Faces:
    """What one request for faces amounts to.

    Attributes:
        mark: Which weights draw it.
        size: Side in pixels that was asked for.
        seeds: One for each face.
        drawings: What is to be computed, in the same order.
        texts: What each picture's file records.
        said: What the JSON answer says of each face.
    """

    mark: str
    size: int
    seeds: list[int]
    drawings: list[Drawing]
    texts: list[dict[str, str]]
    said: list[dict[str, Any]]


def faces(catalogue: Catalogue, asked: GenerateQuery | GenerateBody) -> Faces:
    """Prepare faces; nothing is drawn yet.

    Raises:
        NoSuchModelError: If the model is not served.
        UsageError: If it knows nothing of what was wished for.
        Problem: 409 if other weights were meant.
    """
    draw = catalogue.generator(asked.model)
    mark = check_mark(catalogue.mark(draw.weights), asked.weights)
    seeds = asked.chosen
    condition = draw.condition(seeds, asked.wishes)
    upscalers = _upscalers(catalogue, asked.size, asked.realism)
    latents = [_latent(draw, seed, asked) * np.float32(asked.truncation) for seed in seeds]
    drawings = [
        Drawing(draw, latent, row, upscalers)
        for latent, row in zip(latents, condition, strict=True)
    ]
    shared = asked.model_dump(exclude_defaults=True, exclude={"seed", "seeds", "count", "weights"})
    said = [
        {
            "seed": seed,
            **each,
            "variation": asked.variation,
            "strength": asked.strength,
            "url": f"{GENERATE_PATH}?{urlencode({'seed': seed, **shared, 'weights': mark})}",
        }
        for seed, each in zip(seeds, asked_of_each(draw.names, condition), strict=True)
    ]
    texts = [_text(draw, upscalers, seed, asked, asked.truncation) for seed in seeds]
    return Faces(mark, asked.size, seeds, drawings, texts, said)


def journey(catalogue: Catalogue, asked: InterpolateQuery | InterpolateBody) -> list[Drawing]:
    """Prepare the pictures of an interpolation; errors as in `faces`."""
    draw = catalogue.generator(asked.model)
    check_mark(catalogue.mark(draw.weights), asked.weights)
    stops = asked.chosen
    latents = [_latent(draw, stop.seed, stop) for stop in stops]
    conditions = [draw.condition([stop.seed], stop.wishes)[0] for stop in stops]
    path = walk(latents, asked.frames, asked.loop, True) * np.float32(asked.truncation)
    shown = walk(conditions, asked.frames, asked.loop, False)
    upscalers = _upscalers(catalogue, asked.size, asked.realism)
    return [Drawing(draw, *pair, upscalers) for pair in zip(path, shown, strict=True)]


def check_mark(served: str, meant: str | None) -> str:
    """Return the served weights' mark, refusing what was meant for others.

    Raises:
        Problem: 409.
    """
    if meant and not served.startswith(meant):
        raise Problem(
            409,
            f"This was made with the weights {meant}, and {served} are served here. Leave "
            "weights out to see what these make of it.",
        )
    return served


def _latent(draw: FaceGenerator, seed: int, look: Look) -> np.ndarray:
    latent = draw.latents([seed])[0]
    if not look.strength:
        return latent
    distribution = draw.config.latent_distribution
    return np.asarray(
        variations(latent, seed, [look.variation], look.strength, distribution)[0], np.float32
    )


def _upscalers(catalogue: Catalogue, size: int, realism: float) -> tuple[Upscaler, ...]:
    times = SIZES.index(size)
    return (catalogue.upscaler(realism),) * times if times else ()


def _text(
    draw: FaceGenerator, upscalers: Sequence[Upscaler], seed: int, look: Look, truncation: float
) -> dict[str, str]:
    """Return what `generate` records too, so that a face is known wherever it was made."""
    text = {"Software": f"anime-pipeline {__version__}", "seed": str(seed)}
    text |= attribute_texts(look.wishes, truncation)
    if look.strength:
        text |= {"variation": str(look.variation), "strength": f"{look.strength:g}"}
    text["weights-dcgan"] = draw.weights.sha256
    return text | ({"weights-srgan": upscalers[0].weights.sha256} if upscalers else {})
