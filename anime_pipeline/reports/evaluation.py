"""What there is to say about a generator, as figures with what they lie between."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from anime_pipeline.metrics import attributes, diversity
from anime_pipeline.metrics.features import Features
from anime_pipeline.metrics.fid import Extractor, fid
from anime_pipeline.metrics.memorisation import Memorisation, memorisation, thumbnails

Progress = Callable[[int, int], None]

LIKENESS, VARIETY, COPIES, WISHES = "Likeness", "Variety", "Copies", "Wishes"
EXPLANATIONS = {
    LIKENESS: "How far the drawn faces, as a set, are from real ones that were never trained on. "
    "KID and the Frechet distance are distances: smaller is better, and two halves of the real "
    "faces give the best that can be. Precision is the share of drawn faces that lie among real "
    "ones (are they good?), recall the share of real faces that lie among drawn ones (is every "
    "kind there?). Figures of one network or size compare with none of another, and only a line "
    "called FID is FID.",
    VARIETY: "How much faces differ from each other. Feature distance: 1 is as varied as real "
    "faces, near 0 is collapse. MS-SSIM is the likeness of random pairs: well above that of real "
    "pairs means that the faces repeat themselves.",
    COPIES: "How near a drawn face is to its nearest training face (mirrored ones included), "
    "beside real faces that were never trained on. A ratio near or above 1, and about 1% of close "
    "faces, is what not copying looks like.",
    WISHES: "Whether faces show the colours that they were asked for, in CIEDE2000 (1 is just "
    "noticeable). The measure is noisy: real faces against their own table give the best that can "
    "be measured, shuffled wishes the worst. Skin should change with the hair no more than the "
    "measure does by itself. Of eyes, the share that a colour measure gives the word asked for.",
}


@dataclass(frozen=True)
class Figure:
    """One measured number.

    Attributes:
        section: One of the sections above.
        name: What was measured, in the field's terms.
        value: The number.
        n: How many generated faces it is of.
        error: Standard error, where there is one.
        best: The same of real faces, or what is ideal.
        worst: The same by chance, where that can be measured.
        protocol: What a reader needs to compare it.
        network: The feature network by which it compares, where a report sets several side by side.
        px: Side of the faces that were compared, likewise.
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
        return {
            "facts": self.facts,
            "figures": [asdict(figure) for figure in self.figures],
            "pictures": captions,
            "remarks": self.remarks,
            "missing": self.missing,
        }


def part_of(progress: Progress | None, before: int, total: int) -> Progress | None:
    """Return what reports a part's progress as the whole's."""
    return None if progress is None else lambda done, _: progress(before + done, total)


def variety(
    real: np.ndarray, fake: np.ndarray, seen: tuple[np.ndarray, np.ndarray], protocol: str
) -> list[Figure]:
    """Compare how much faces uint8 [N, 32, 32, 3] differ from each other.

    Args:
        real: Held-out faces.
        fake: Generated faces.
        seen: The features of both, by one scale.
        protocol: How those were computed.
    """
    n = len(fake)
    return [
        Figure(VARIETY, "feature distance (real = 1)", diversity.distance_ratio(*seen), n, None,
               1.0, 0.0, protocol),
        Figure(VARIETY, "MS-SSIM of pairs", diversity.ms_ssim(fake), n, None,
               diversity.ms_ssim(real), 1.0, "3 scales, 5 px window, 1000 pairs, RGB"),
    ]  # fmt: skip


def inception_distance(
    real: np.ndarray, fake: np.ndarray, inception: Extractor, progress: Progress | None = None
) -> Figure:
    """Compare sets of at least 4 faces as the literature does, real ones in random order."""
    distance, floor = fid(real, fake, inception, progress)
    protocol = f"Inception-v3 of 2015-12-05, pool_3, resized by its graph, {len(real)} real; "
    protocol += "falls with the number of faces, so its best, of half as many, is too large"
    return Figure(LIKENESS, "FID", distance, len(fake), None, floor, None, protocol)


def copies(
    real: np.ndarray,
    fake: np.ndarray,
    train: np.ndarray,
    features: Features,
    progress: Progress | None = None,
) -> tuple[list[Figure], Memorisation]:
    """Look for copies of training faces, by features and by thumbnails.

    Args:
        real: Held-out faces uint8 [M, 32, 32, 3].
        fake: Generated faces uint8 [N, 32, 32, 3].
        train: Training faces uint8 [T, 32, 32, 3].
        features: VGG16 at 32 px, or anything cheap.
        progress: Called with (done, total).

    Returns:
        Figures, and the nearest faces by thumbnails.
    """
    views = [train, train[:, :, ::-1]]
    sets, done = [fake, real, *views], 0
    total = sum(map(len, sets))
    found = []
    for images in sets:
        step = part_of(progress, done, total)
        found.append(features(np.ascontiguousarray(images), step))
        done += len(images)
    by_features = memorisation(found[0], found[1], found[2:])
    by_sight = memorisation(
        thumbnails(fake), thumbnails(real), [thumbnails(view) for view in views]
    )
    figures = []
    for name, result in (("VGG16 at 32 px", by_features), ("16 px thumbnails", by_sight)):
        protocol = f"{name}, {len(train)} training faces and their mirror images"
        figures += [
            Figure(COPIES, f"nearest training face, median over held-out's ({name})",
                   result.median_ratio, len(fake), None, 1.0, 0.0, protocol),
            Figure(COPIES, f"share nearer than held-out's nearest 1% ({name})",
                   result.close_share, len(fake), None, 0.01, 1.0, protocol),
        ]  # fmt: skip
    return figures, by_sight


def wishes(
    part: str,
    shown: np.ndarray,
    asked: np.ndarray,
    real_shown: np.ndarray,
    real_table: np.ndarray,
) -> Figure:
    """Compare what faces show with what was asked for; Lab [N, 3] each, see `agreement`."""
    result = attributes.agreement(shown, asked, real_shown, real_table)
    protocol = "mean CIEDE2000, measured on the picture; best: real faces against their table; "
    protocol += "worst: wishes shuffled"
    return Figure(WISHES, f"{part} asked for and shown", result.asked, len(shown), None,
                  result.ceiling, result.floor, protocol)  # fmt: skip


def spreads(
    variants: np.ndarray,
    real_shown: np.ndarray,
    real_table: np.ndarray,
    groups: Sequence[np.ndarray],
    real: np.ndarray,
) -> list[Figure]:
    """Measure what should stay and what should vary when colours are asked for.

    Args:
        variants: Measured skin Lab [faces, hair colours, 3].
        real_shown: Measured skin Lab [M, 3] of real faces.
        real_table: Their table's [M, 3].
        groups: Faces of one condition each.
        real: Real faces.
    """
    noise = attributes.measuring_noise(real_shown, real_table)
    return [
        Figure(WISHES, "change of skin when hair changes", attributes.leakage(variants),
               variants.shape[0] * variants.shape[1], None, noise, None,
               "mean CIEDE2000 between variants; best: between real faces of like skin"),
        Figure(WISHES, "variety of faces with one wish (real, all: 1)",
               attributes.diversity_within(groups, real), sum(map(len, groups)), None, None, 0.0,
               "mean distance of 16 px thumbnails"),
    ]  # fmt: skip
