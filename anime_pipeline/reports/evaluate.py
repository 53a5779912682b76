"""Draw faces from fixed seeds, compare them with held-out ones, and collect what a report shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from anime_pipeline.core.randomness import stream
from anime_pipeline.data.dataset import Record
from anime_pipeline.images.colour import rgb_to_lab
from anime_pipeline.images.colour_names import HAIR_COLOURS, SKIN_COLOURS
from anime_pipeline.images.writing.grid import make_grid
from anime_pipeline.images.writing.sheet import Label, labelled_sheet
from anime_pipeline.metrics import attributes
from anime_pipeline.metrics.features import ALEXNET, SMALLEST_PX, TITLES, VGG16, Features
from anime_pipeline.metrics.fid import Extractor
from anime_pipeline.metrics.memorisation import Memorisation, nearest, thumbnails
from anime_pipeline.reports.evaluation import (
    Evaluation,
    Figure,
    copies,
    inception_distance,
    spreads,
    variety,
    wishes,
)
from anime_pipeline.reports.eyes import measure_words
from anime_pipeline.reports.likeness import (
    LargeReal,
    frechet_distance,
    likeness,
    protocol,
    see,
)

MAGNIFY = 3
GRID_SEEDS = 64
BLIND_EACH = 32
UPSCALED, UPSCALED_ROW = 16, 8
CLOSEST = 8
ASKED = 1000  # faces that are asked for a held-out face's colours
LEAK_SEEDS, GROUP_FACES = 64, 100
COLOURS = ("hair", "skin")

Stage = Callable[[str], AbstractContextManager[Callable[[int, int], None]]]


class Generator(Protocol):
    """What is asked of stage one; see `inference.generator.FaceGenerator`."""

    names: tuple[str, ...]

    def latents(self, seeds: Sequence[int]) -> np.ndarray:
        """Return the latent vectors of seeds [N, D]."""
        ...

    def condition(self, seeds: Sequence[int], wishes: Any = None) -> np.ndarray:
        """Return what the faces of seeds are asked to show [N, K]."""
        ...

    def draw(
        self, latent: np.ndarray, condition: np.ndarray, batch_size: int = 32, progress: Any = None
    ) -> np.ndarray:
        """Draw one face per latent and condition: uint8 [N, S, S, 3]."""
        ...


@dataclass(frozen=True)
class Faces:
    """What a generator is compared with.

    Attributes:
        real: Held-out faces uint8 [M, S, S, 3], in random order.
        records: What is known of each of them.
        train: Faces that it was trained on, uint8 [T, S, S, 3]; none if `real` includes them.
        large: The held-out faces as large as stage two's, where drawn ones are to be enlarged.
    """

    real: np.ndarray
    records: list[Record]
    train: np.ndarray
    large: LargeReal | None = None


class Upscaler(Protocol):
    """What is asked of stage two; see `inference.upscaler.Upscaler`."""

    def upscale_batch(
        self, lr_images: np.ndarray, batch_size: int = 8, progress: Any = None
    ) -> np.ndarray:
        """Enlarge pictures uint8 [N, S, S, 3]."""
        ...


def evaluate(
    generator: Generator,
    faces: Faces,
    seeds: Sequence[int],
    truncation: float,
    stage: Stage,
    inception: Extractor | None = None,
    networks: Sequence[str] = (ALEXNET, VGG16),
    upscaler: Upscaler | None = None,
) -> Evaluation:
    """Measure a generator.

    Args:
        generator: Stage one.
        faces: See `Faces`.
        seeds: One per face that is drawn; none is left out.
        truncation: Scales the latents.
        stage: Opens a progress bar with a title.
        inception: The network that FID is defined by, where its weights are at hand.
        networks: Which of `metrics.features` compare the faces. VGG16 is among them: variety and
            copies are by it.
        upscaler: Stage two, if what it makes of the faces is to be compared, too, with
            `faces.large`.
    """
    with stage("Drawing") as update:
        latent = generator.latents(seeds) * np.float32(truncation)
        fake = generator.draw(latent, generator.condition(seeds), 64, update)
    result = Evaluation({})
    sets = {fake.shape[1]: (faces.real, fake)}
    if upscaler and faces.large:
        with stage("Upscaling") as update:
            enlarged = upscaler.upscale_batch(fake, progress=update)
        sets[enlarged.shape[1]] = (faces.large.images, enlarged)
        result.pictures["upscaled"] = _upscaled(enlarged, faces.large.images, seeds[0])
    _compare(networks, sets, stage, result, faces.large.caution if faces.large else "")
    if inception:
        with stage("Inception-v3 at 299 px") as update:
            result.figures.append(inception_distance(faces.real, fake, inception, update))
    if len(faces.train):
        small = Features(size_px=max(SMALLEST_PX, fake.shape[1]))
        with stage("Nearest training faces") as update:
            figures, found = copies(faces.real, fake, faces.train, small, update)
        result.figures += figures
        result.pictures["closest"] = _closest(faces, fake, found)
    else:
        result.facts["copies"] = "not looked for: the real faces include training faces"
    result.pictures["seeds"] = (
        make_grid(fake[:GRID_SEEDS], 16, MAGNIFY),
        f"Seeds {seeds[0]} to {seeds[min(len(seeds), GRID_SEEDS) - 1]} in order, none left out.",
    )
    result.pictures |= _blind(faces.real, fake, seeds[0])
    if set(COLOURS) <= set(generator.names):
        with stage("Wishes") as update:
            _measure_wishes(generator, faces, truncation, result, update)
    measure_words(generator, upscaler, faces, truncation, stage, result)
    return result


def _compare(
    networks: Sequence[str],
    sets: dict[int, tuple[np.ndarray, np.ndarray]],
    stage: Stage,
    result: Evaluation,
    caution: str,
) -> None:
    """Let each network compare real and drawn faces of each side; `caution` is of enlarged ones."""
    first: list[Figure] = []
    for name in networks:
        features = Features(name)
        result.facts[name] = f"{features.source} weights"
        for px, (real, fake) in sets.items():
            with stage(f"{TITLES[name]}, faces of {px} px") as update:
                seen = see(real, fake, features, update)
                result.figures += likeness(seen, features, px, caution if px > min(sets) else "")
            if name == VGG16 and not first:
                first.append(frechet_distance(seen, features, px))
                first += variety(real, fake, seen, protocol(features, px, len(real)))
    result.figures += first


def _upscaled(fake: np.ndarray, real: np.ndarray, seed: int) -> tuple[np.ndarray, str]:
    """Show drawn faces after stage two above real ones of that size."""
    each = min(UPSCALED, len(fake), len(real)) // UPSCALED_ROW * UPSCALED_ROW
    caption = (
        f"Above: seeds {seed} to {seed + each - 1} after stage two, {fake.shape[1]} px. Below: "
        "as many real held-out faces brought to that size."
    )
    return make_grid(np.concatenate([fake[:each], real[:each]]), UPSCALED_ROW), caption


def _blind(real: np.ndarray, fake: np.ndarray, seed: int) -> dict[str, tuple[np.ndarray, str]]:
    """Mix real and drawn faces so that a reader can try to tell them apart, and give the key."""
    each = min(BLIND_EACH, len(real), len(fake))
    both = np.concatenate([real[:each], fake[:each]])
    order = stream(seed, "blind grid").permutation(len(both))
    key = np.where((order < each)[:, None, None, None], both[order], both[order] // 6)
    return {
        "blind": (
            make_grid(both[order], 16, MAGNIFY),
            f"{each} real held-out faces and {each} drawn ones, mixed. Which are which?",
        ),
        "blind_key": (make_grid(key, 16, MAGNIFY), "The key: drawn faces are darkened."),
    }


def _closest(faces: Faces, fake: np.ndarray, found: Memorisation) -> tuple[np.ndarray, str]:
    """Show the drawn faces nearest to a training face, and held-out ones likewise."""
    views = [faces.train, faces.train[:, :, ::-1]]
    rows = []
    held = nearest(thumbnails(faces.real), [thumbnails(view) for view in views])
    for images, (distances, indices, view) in (
        (fake, (found.distances, found.indices, found.views)),
        (faces.real, held),
    ):
        chosen = np.argsort(distances, kind="stable")[:CLOSEST]
        rows += [images[chosen], np.stack([views[view[i]][indices[i]] for i in chosen])]
    caption = (
        f"Of all {len(fake)} drawn faces the {CLOSEST} nearest to a training face (row 1), with "
        "that face below (row 2); then the same of real held-out faces (rows 3 and 4)."
    )
    return make_grid(np.concatenate(rows), CLOSEST, MAGNIFY), caption


def _measure_wishes(
    generator: Generator,
    faces: Faces,
    truncation: float,
    result: Evaluation,
    progress: Callable[[int, int], None],
) -> None:
    """Ask for what held-out faces show, and for one thing while another changes."""
    known = [i for i, record in enumerate(faces.records) if record.colors][:ASKED]
    if not known:
        result.facts["wishes"] = "not measured: the held-out faces have no colour table"
        return
    table = {
        part: np.array([getattr(faces.records[i].colors, part) for i in known]) for part in COLOURS
    }
    seeds = list(range(len(known)))
    latent = generator.latents(seeds) * np.float32(truncation)
    drawn = generator.draw(latent, generator.condition(seeds, table), 64)
    progress(1, 5)
    real_shown = {part: attributes.measure(faces.real[known], part) for part in COLOURS}
    progress(2, 5)
    for part in COLOURS:
        shown = attributes.measure(drawn, part)
        lab = rgb_to_lab(table[part])
        result.figures.append(wishes(part, shown, lab, real_shown[part], lab))
    progress(3, 5)
    variants = _skin_under_hair(generator, table["skin"], truncation)
    groups = [
        generator.draw(
            generator.latents(range(GROUP_FACES)) * np.float32(truncation),
            generator.condition(
                range(GROUP_FACES), {part: table[part][row] for part in COLOURS}
            ),
        )
        for row in range(min(8, len(known)))
    ]  # fmt: skip
    progress(4, 5)
    result.figures += spreads(
        variants, real_shown["skin"], rgb_to_lab(table["skin"]), groups, faces.real
    )
    result.pictures["palette"] = _palette(generator, truncation)
    progress(5, 5)


def _skin_under_hair(generator: Generator, skins: np.ndarray, truncation: float) -> np.ndarray:
    """Return measured skin Lab [faces, hair colours, 3] where hair alone is asked otherwise."""
    count = min(LEAK_SEEDS, len(skins))
    seeds = range(count)
    latent = generator.latents(seeds) * np.float32(truncation)
    columns = []
    for hair in HAIR_COLOURS.values():
        condition = generator.condition(seeds, {"hair": hair, "skin": skins[:count]})
        columns.append(attributes.measure(generator.draw(latent, condition), "skin"))
    return np.stack(columns, axis=1)


def _palette(generator: Generator, truncation: float) -> tuple[np.ndarray, str]:
    """Draw seed 0 with every named hair (rows) and skin (columns)."""
    rows = [Label(name, colour) for name, colour in HAIR_COLOURS.items()]
    columns = [Label(name, colour) for name, colour in SKIN_COLOURS.items()]
    seeds = [0] * (len(rows) * len(columns))
    asked = {
        "hair": np.repeat([row.colour for row in rows], len(columns), axis=0),
        "skin": np.tile([column.colour for column in columns], (len(rows), 1)),
    }
    latent = generator.latents(seeds) * np.float32(truncation)
    pictures = generator.draw(latent, generator.condition(seeds, asked), 64)
    pictures = pictures.repeat(MAGNIFY, axis=1).repeat(MAGNIFY, axis=2)
    return labelled_sheet(pictures, rows, columns), "Seed 0 with every named hair and skin colour."
