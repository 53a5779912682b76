"""Whether faces show the attributes that they were asked for: hair, skin and eyes, as figures."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from anime_pipeline.core.progress import Progress, Show
from anime_pipeline.core.randomness import stream
from anime_pipeline.data.conditions import word_of
from anime_pipeline.data.dataset import Record
from anime_pipeline.data.words import WORDS
from anime_pipeline.images.colour import rgb_to_lab
from anime_pipeline.images.colour_names import HAIR_COLOURS, SKIN_COLOURS
from anime_pipeline.images.writing.grid import labelled_sheet
from anime_pipeline.inference.generator import FaceGenerator
from anime_pipeline.inference.spec import FaceSpec
from anime_pipeline.inference.upscaler import Upscaler
from anime_pipeline.metrics import attributes
from anime_pipeline.metrics.eyes import PROTOCOL, eye_words
from anime_pipeline.reports import evaluate
from anime_pipeline.reports.evaluate import Evaluation, Faces, Figure, figure
from anime_pipeline.reports.evaluation_pictures import MAGNIFY, Picture

ASKED = 1000  # faces that are asked for what held-out ones show
LEAK_SEEDS, GROUPS, GROUP_FACES = 64, 8, 100
COLOURS = ("hair", "skin")
LENGTH_UNMEASURED = (
    "not measured: of real faces with a word for it, no colour measure that was tried told more "
    "than 59% right (long and short counting alike; guessing: 50%)"
)

# Of seeds and what their faces are asked for: uint8 [N, S, S, 3].
Draw = Callable[[Sequence[int], dict[str, Any]], np.ndarray]


def measure_attributes(
    generator: FaceGenerator,
    upscaler: Upscaler | None,
    faces: Faces,
    truncation: float,
    stage: Show,
    result: Evaluation,
) -> None:
    """Add what there is to say of each attribute that a generator knows; see `reports.evaluate`."""

    def draw(seeds: Sequence[int], asked: dict[str, Any]) -> np.ndarray:
        return evaluate.drawn_faces(generator, evaluate.specs(seeds, asked, truncation))

    if set(COLOURS) <= set(generator.names):
        with stage("Attributes") as update:
            _measure_colours(draw, faces, result, update)
    if "length" in generator.names:
        result.facts["length of hair"] = LENGTH_UNMEASURED
    if "eyes" not in generator.names:
        return
    if upscaler is None or faces.large is None:
        result.facts["eyes"] = "not measured: only faces after stage two are large enough"
        return
    with stage("Eyes") as update:

        def draw_eyes(words: Sequence[str]) -> np.ndarray:
            asked = [FaceSpec(n, {"eyes": w}, truncation=truncation) for n, w in enumerate(words)]
            return upscaler.upscale_batch(evaluate.drawn_faces(generator, asked), progress=update)

        found = eyes_figure(draw_eyes, faces.large.images, faces.records)
    if found:
        result.figures.append(found)
    else:
        result.facts["eyes"] = "not measured: no held-out face has a word for its eyes"


def _measure_colours(draw: Draw, faces: Faces, result: Evaluation, progress: Progress) -> None:
    """Ask for what held-out faces show, and for one thing while another changes."""
    known = [i for i, record in enumerate(faces.records) if record.colors][:ASKED]
    if not known:
        result.facts["attributes"] = "not measured: the held-out faces have no colour table"
        return
    table = {
        part: np.array([getattr(faces.records[i].colors, part) for i in known]) for part in COLOURS
    }
    drawn = draw(range(len(known)), table)
    progress(1, 4)
    real_shown = {part: attributes.measure(faces.real[known], part) for part in COLOURS}
    progress(2, 4)
    for part in COLOURS:
        lab = rgb_to_lab(table[part])
        shown = attributes.measure(drawn, part)
        value, ceiling, floor = attributes.agreement(shown, lab, real_shown[part], lab)
        how = "mean CIEDE2000, measured on the picture; best: real faces against their table; "
        how += "worst: requests shuffled"
        found = figure(part, value, len(known), best=ceiling, worst=floor, protocol=how)
        result.figures.append(found)
    progress(3, 4)
    skins = table["skin"][:LEAK_SEEDS]  # shown where hair alone is asked otherwise
    by_hair = [draw(range(len(skins)), {"hair": h, "skin": skins}) for h in HAIR_COLOURS.values()]
    variants = np.stack([attributes.measure(each, "skin") for each in by_hair], axis=1)
    noise = attributes.measuring_noise(real_shown["skin"], rgb_to_lab(table["skin"]))
    groups = [
        draw(range(GROUP_FACES), {part: table[part][row] for part in COLOURS})
        for row in range(min(GROUPS, len(known)))
    ]
    result.figures += [
        figure("leakage", attributes.leakage(variants), variants.shape[0] * variants.shape[1],
               best=noise, protocol="mean CIEDE2000 between variants; best: between real faces of "
               "like skin"),
        figure("variety_within", attributes.diversity_within(groups, faces.real),
               sum(map(len, groups)), worst=0.0, protocol="mean distance of 16 px thumbnails"),
    ]  # fmt: skip
    result.pictures["palette"] = _palette(draw)
    progress(4, 4)


def _palette(draw: Draw) -> Picture:
    """Draw seed 0 with every named hair (rows) and skin (columns)."""
    asked = {
        "hair": np.repeat([*HAIR_COLOURS.values()], len(SKIN_COLOURS), axis=0),
        "skin": np.tile([*SKIN_COLOURS.values()], (len(HAIR_COLOURS), 1)),
    }
    pictures = draw([0] * len(asked["hair"]), asked)
    pictures = pictures.repeat(MAGNIFY, axis=1).repeat(MAGNIFY, axis=2)
    sheet = labelled_sheet(pictures, HAIR_COLOURS, SKIN_COLOURS)
    return sheet, "Seed 0 with every named hair and skin colour."


def eyes_figure(
    draw: Callable[[Sequence[str]], np.ndarray], real: np.ndarray, records: Sequence[Record]
) -> Figure | None:
    """Ask for the words that held-out faces have, and measure which are shown.

    Args:
        draw: Draws as many faces as words for eyes are given, uint8 [N, S, S, 3], after stage two.
        real: Held-out faces uint8 [M, S, S, 3].
        records: What is known of them.

    Returns:
        The share of faces that the measure gives the word that was asked for; best: of real faces
        the word that people gave; worst: requests shuffled. None if no face has a word.
    """
    known = [i for i, record in enumerate(records) if word_of("eyes", record.tags) is not None]
    known = known[:ASKED]
    if not known:
        return None
    words = np.array([word_of("eyes", records[i].tags) for i in known])
    shown = eye_words(draw([WORDS["eyes"][word] for word in words]))
    shuffled = words[stream(0, "shuffled eyes").permutation(len(words))]
    value = float((shown == words).mean())
    how = f"share of {len(WORDS['eyes'])} words, {PROTOCOL} at {real.shape[1]} px; best: real "
    how += "faces against the words that people gave; worst: requests shuffled"
    return figure("eyes", value, len(words), best=float((eye_words(real[known]) == words).mean()),
                  worst=float((shown == shuffled).mean()), protocol=how,
                  error=float(np.sqrt(value * (1 - value) / len(words))))  # fmt: skip
