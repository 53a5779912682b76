"""Whether faces show the eyes that they were asked for, as one figure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from anime_pipeline.core.randomness import stream
from anime_pipeline.data.conditions import word_of
from anime_pipeline.data.dataset import Record
from anime_pipeline.data.words import WORDS
from anime_pipeline.metrics.eyes import PROTOCOL, eye_words
from anime_pipeline.reports.evaluation import WISHES, Evaluation, Figure

if TYPE_CHECKING:
    from anime_pipeline.reports.evaluate import Faces, Generator, Stage, Upscaler

MOST = 1000
LENGTH_UNMEASURED = (
    "not measured: of real faces with a word for it, no colour measure that was tried told more "
    "than 59% right (long and short counting alike; guessing: 50%)"
)


def eyes_figure(
    draw: Callable[[Sequence[str]], np.ndarray], real: np.ndarray, records: Sequence[Record]
) -> Figure | None:
    """Ask for the words that held-out faces have, and look which are shown.

    Args:
        draw: Draws as many faces as words for eyes are given, uint8 [N, S, S, 3], after stage two.
        real: Held-out faces uint8 [M, S, S, 3].
        records: What is known of them.

    Returns:
        The share of faces that the measure gives the word that was asked for; best: of real faces
        the word that people gave; worst: wishes shuffled. None if no face has a word.
    """
    known = [i for i, record in enumerate(records) if word_of("eyes", record.tags) is not None]
    known = known[:MOST]
    if not known:
        return None
    words = np.array([word_of("eyes", records[i].tags) for i in known])
    shown = eye_words(draw([WORDS["eyes"][word] for word in words]))
    shuffled = words[stream(0, "shuffled eyes").permutation(len(words))]
    value = float((shown == words).mean())
    error = float(np.sqrt(value * (1 - value) / len(words)))
    best = float((eye_words(real[known]) == words).mean())
    return Figure(
        WISHES, "eyes asked for and shown", value, len(words), error, best,
        float((shown == shuffled).mean()),
        f"share of {len(WORDS['eyes'])} words, {PROTOCOL} at {real.shape[1]} px; best: real faces "
        "against the words that people gave; worst: wishes shuffled",
    )  # fmt: skip


def measure_words(
    generator: Generator,
    upscaler: Upscaler | None,
    faces: Faces,
    truncation: float,
    stage: Stage,
    result: Evaluation,
) -> None:
    """Add what there is to say of eyes and of the length of hair; see `reports.evaluate`."""
    if "length" in generator.names:
        result.facts["length of hair"] = LENGTH_UNMEASURED
    if "eyes" not in generator.names:
        return
    if upscaler is None or faces.large is None:
        result.facts["eyes"] = "not measured: only faces after stage two are large enough"
        return
    with stage("Eyes") as update:

        def draw(words: Sequence[str]) -> np.ndarray:
            seeds = range(len(words))
            rows = [generator.condition([seed], {"eyes": words[seed]}) for seed in seeds]
            latent = generator.latents(seeds) * np.float32(truncation)
            drawn = generator.draw(latent, np.concatenate(rows), 64)
            return upscaler.upscale_batch(drawn, progress=update)

        figure = eyes_figure(draw, faces.large.images, faces.records)
    if figure:
        result.figures.append(figure)
    else:
        result.facts["eyes"] = "not measured: no held-out face has a word for its eyes"
