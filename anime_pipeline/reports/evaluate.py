"""Draw faces from fixed seeds, compare them with held-out ones, and collect what a report shows."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from anime_pipeline.core.measurements import measurement
from anime_pipeline.core.progress import Progress, Show, ignored
from anime_pipeline.data.dataset import Record
from anime_pipeline.images.writing.grid import make_grid
from anime_pipeline.inference.generator import FaceGenerator
from anime_pipeline.inference.pipeline import Pipeline
from anime_pipeline.inference.spec import FaceSpec
from anime_pipeline.inference.upscaler import Upscaler
from anime_pipeline.metrics import diversity
from anime_pipeline.metrics.features import (
    SMALLEST_PX,
    TITLES,
    VGG16,
    Features,
    common_scale,
    of_sets,
    resize,
)
from anime_pipeline.metrics.frechet import Extractor, fid, frechet
from anime_pipeline.metrics.kid import SUBSET_SIZE, kid
from anime_pipeline.metrics.memorisation import Memorisation, memorisation, thumbnails
from anime_pipeline.metrics.precision_recall import LIMIT, precision_recall
from anime_pipeline.reports.evaluation_pictures import MAGNIFY, blind, closest, upscaled
from anime_pipeline.reports.real_faces import LargeReal

GRID_SEEDS = 64


@dataclass(frozen=True)
class Figure:
    """One measured number.

    Attributes:
        section: Where a report shows it.
        name: What was measured, in the field's terms.
        value: The number.
        n: How many generated faces it is of.
        error: Standard error, where there is one.
        best: The same of real faces, or what is ideal.
        worst: The same by chance, where that can be measured.
        protocol: What a reader needs to compare it.
        network: The feature network by which it compares, where a report sets several side by side.
        px: Side of the faces that were compared, likewise.
        key: What it is to `core.measurements`.
    """

    section: str
    name: str
    value: float
    n: int
    error: float | None = None
    best: float | None = None
    worst: float | None = None
    protocol: str = ""
    network: str = ""
    px: int | None = None
    key: str = ""


def figure(key: str, value: float, n: int, of: str = "", **more: Any) -> Figure:
    """Return a figure under the name and in the section of its measurement; `of` ends the name."""
    one = measurement(key)
    return Figure(one.group, one.label + of, value, n, key=key, **more)


@dataclass
class Evaluation:
    """Everything that a report shows.

    Attributes:
        facts: What was measured, on what, with what.
        figures: In the order of the report.
        pictures: PNG-ready uint8 arrays by file stem, with a caption each.
        remarks: What a reader should know of a feature network before believing it, by its title.
        missing: Why a feature network was not asked and how to get it, by its title.
    """

    facts: dict[str, Any]
    figures: list[Figure] = field(default_factory=list)
    pictures: dict[str, tuple[np.ndarray, str]] = field(default_factory=dict)
    remarks: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    def as_document(self) -> dict[str, Any]:
        """Return the JSON form."""
        captions = {f"{name}.png": text for name, (_, text) in self.pictures.items()}
        figures = [asdict(each) for each in self.figures]
        return {**vars(self), "figures": figures, "pictures": captions}


@dataclass(frozen=True)
class Faces:
    """What a generator is compared with.

    Attributes:
        real: Held-out faces uint8 [M, S, S, 3], in random order.
        records: What is known of each of them.
        train: Faces that it was trained on, uint8 [T, S, S, 3]; none if `real` includes them.
        large: The held-out faces as large as their files have them, up to stage two's size, where
            drawn ones are to be enlarged.
    """

    real: np.ndarray
    records: list[Record]
    train: np.ndarray
    large: LargeReal | None = None


def evaluate(
    generator: FaceGenerator,
    faces: Faces,
    seeds: Sequence[int],
    truncation: float,
    stage: Show,
    networks: Sequence[Features],
    inception: Extractor | None = None,
    upscaler: Upscaler | None = None,
) -> Evaluation:
    """Measure a generator.

    Args:
        generator: Stage one.
        faces: See `Faces`.
        seeds: One per face that is drawn; none is left out.
        truncation: Scales the latents.
        stage: Opens a progress bar with a title.
        networks: What compares the faces. VGG16 is among them: variety and copies are by it.
        inception: The network that FID is defined by, where its weights are at hand.
        upscaler: Stage two, if what it makes of the faces is to be compared, too, with
            `faces.large`.
    """
    from anime_pipeline.reports.attributes import measure_attributes

    with stage("Drawing") as update:
        fake = drawn_faces(generator, specs(seeds, {}, truncation), update)
    result = Evaluation({each.network: f"{each.source} weights" for each in networks})
    sets = {fake.shape[1]: (faces.real, fake, "")}
    if upscaler and faces.large:
        with stage("Upscaling") as update:
            large = upscaler.upscale_batch(fake, progress=update)
        real = faces.large.images
        sets[real.shape[1]] = (real, resize(large, real.shape[1]), faces.large.caution)
        result.pictures["upscaled"] = upscaled(large, faces.large.images, seeds[0])
    varied: list[Figure] = []
    for features in networks:
        for px, (real, drawn, caution) in sets.items():
            with stage(f"{TITLES[features.network]}, faces of {px} px") as update:
                seen = see(real, drawn, features, update)
            result.figures += likeness(*seen, features, px, caution)
            if features.network == VGG16 and not varied:
                varied += _variety(seen, real, drawn, protocol(features, px, len(real)), px)
    result.figures += varied
    if inception:
        with stage("Inception-v3 at 299 px") as update:
            distance, floor = fid(faces.real, fake, inception, update)
        how = f"Inception-v3 of 2015-12-05, pool_3, resized by its graph, {len(faces.real)} real; "
        how += "falls with the number of faces, so its best, of half as many, is too large"
        result.figures.append(figure("fid", distance, len(fake), best=floor, protocol=how))
    if len(faces.train):
        with stage("Nearest training faces") as update:
            figures, found = _copies(faces, fake, update)
        result.figures += figures
        result.pictures["closest"] = closest(faces.real, faces.train, fake, found)
    else:
        result.facts["copies"] = "not looked for: the real faces include training faces"
    result.pictures["seeds"] = (
        make_grid(fake[:GRID_SEEDS], 16, MAGNIFY),
        f"Seeds {seeds[0]} to {seeds[min(len(seeds), GRID_SEEDS) - 1]} in order, none left out.",
    )
    result.pictures |= blind(faces.real, fake, seeds[0])
    measure_attributes(generator, upscaler, faces, truncation, stage, result)
    return result


def specs(seeds: Sequence[int], asked: Mapping[str, Any], truncation: float) -> list[FaceSpec]:
    """Return one face a seed, all asked for the same; of arrays [N, 3], each for its row."""

    def look(row: int) -> dict[str, Any]:
        return {n: tuple(v[row]) if np.ndim(v) == 2 else v for n, v in asked.items()}

    return [FaceSpec(s, look(row), truncation=truncation) for row, s in enumerate(seeds)]


def drawn_faces(
    generator: FaceGenerator, faces: Sequence[FaceSpec], progress: Progress = ignored
) -> np.ndarray:
    """Draw faces as stage one has them: uint8 [N, S, S, 3]."""
    pipeline = Pipeline(generator)

    return pipeline(faces, pipeline.sizes[0], 64, lambda _stage, *done: progress(*done))


def see(
    real: np.ndarray, fake: np.ndarray, features: Features, progress: Progress = ignored
) -> tuple[np.ndarray, np.ndarray]:
    """Return both sets uint8 [N, S, S, 3] as a network sees them, by one scale: float64 [N, D]."""
    real, fake = of_sets(features, [real, fake], progress)
    scale = common_scale(real)
    return real / scale, fake / scale


def protocol(features: Features, px: int, real: int) -> str:
    """Return what decides figures of this network, in words."""
    way = f"faces of {px} px"
    if px != features.size_px:
        way += f" brought to {features.size_px} px by bicubic"
    return f"{TITLES[features.network]} ({features.source} weights), {way}, {real} real"


def likeness(
    real: np.ndarray, fake: np.ndarray, features: Features, px: int, note: str = ""
) -> list[Figure]:
    """Compare two sets by KID, precision and recall, and halves of the real one likewise.

    Args:
        real: Features [N, D] of at least 4 real faces, in random order.
        fake: Features [M, D] of generated ones.
        features: The network that has seen them.
        px: The side of the faces that it was shown.
        note: What else a reader must know before believing the figures.
    """
    one, other = real[::2], real[1::2]
    distance, floor = kid(real, fake), kid(one, other)
    covered, ideal = precision_recall(real, fake), precision_recall(one, other)
    # Where every subset is the whole set they agree, which says nothing of the error.
    error = None if len(fake) == len(real) <= SUBSET_SIZE else distance.error
    how = "; ".join(filter(None, (protocol(features, px, len(real)), note)))
    # Both shares fall with the number of faces, so that those of small halves are no ideal.
    halves = min(LIMIT, len(one))
    used = min(LIMIT, len(real), len(fake))
    shares = f"k = 3, {used} faces each" + (f", best of {halves}" if halves != used else "")
    title = TITLES[features.network]
    return [
        figure(key, value, len(fake), f"-{title}-{px}px", error=uncertain, best=best,
               protocol=how if key == "kid" else f"{shares}; {how}", network=title, px=px)
        for key, value, uncertain, best in (
            ("kid", distance.mean, error, floor.mean),
            ("precision", covered.precision, None, ideal.precision),
            ("recall", covered.recall, None, ideal.recall),
        )
    ]  # fmt: skip


def _variety(
    seen: tuple[np.ndarray, np.ndarray], real: np.ndarray, fake: np.ndarray, how: str, px: int
) -> list[Figure]:
    """Compare how much faces differ from each other; `seen` are VGG16's features of both."""
    n, halves = len(fake), frechet(seen[0][::2], seen[0][1::2])
    return [
        figure("frechet", frechet(*seen), n, f"-{TITLES[VGG16]}-{px}px", best=halves,
               protocol=f"{how}; its best is of half as many faces, which makes it larger"),
        figure("feature_distance", diversity.distance_ratio(*seen), n, best=1.0, worst=0.0,
               protocol=how),
        figure("ms_ssim", diversity.ms_ssim(fake), n, best=diversity.ms_ssim(real), worst=1.0,
               protocol="3 scales, 5 px window, 1000 pairs, RGB"),
    ]  # fmt: skip


def _copies(
    faces: Faces, fake: np.ndarray, progress: Progress = ignored
) -> tuple[list[Figure], Memorisation]:
    """Look for copies of training faces, by VGG16's features at their own size and by thumbnails.

    Returns:
        Figures, and the nearest faces by thumbnails.
    """
    features = Features(size_px=max(SMALLEST_PX, fake.shape[1]))
    sets = [fake, faces.real, faces.train, faces.train[:, :, ::-1]]
    seen, small = of_sets(features, sets, progress), [thumbnails(each) for each in sets]
    by_features, by_sight = (memorisation(each[0], each[1], each[2:]) for each in (seen, small))
    figures = []
    for name, found in (("VGG16 at 32 px", by_features), ("16 px thumbnails", by_sight)):
        how = f"{name}, {len(faces.train)} training faces and their mirror images"
        figures += [
            figure("copies_median", found.median_ratio, len(fake), f" ({name})", best=1.0,
                   worst=0.0, protocol=how),
            figure("copies_share", found.close_share, len(fake), f" ({name})", best=0.01,
                   worst=1.0, protocol=how),
        ]  # fmt: skip
    return figures, by_sight
