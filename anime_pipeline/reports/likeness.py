"""How like real faces drawn ones are, by each feature network and at each size they have."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from anime_pipeline.core.config import Fit
from anime_pipeline.images.codec import fit_square
from anime_pipeline.images.decoding.decoder import Decoder, read_rgb
from anime_pipeline.metrics.features import TITLES, Features, common_scale, resize
from anime_pipeline.metrics.frechet import frechet
from anime_pipeline.metrics.kid import SUBSET_SIZE, kid
from anime_pipeline.metrics.precision_recall import LIMIT, precision_recall
from anime_pipeline.reports.evaluation import LIKENESS, Figure, Progress, part_of

SOFT = (
    "real faces were enlarged and are soft, so this is of sharpness and stage two more than of "
    "stage one: choose no generator by it"
)
KID, PRECISION, RECALL = "KID", "precision", "recall"


class Seen(NamedTuple):
    """Both sets as a network sees them, by one scale: float64 [M, D] and [N, D]."""

    real: np.ndarray
    fake: np.ndarray


def see(
    real: np.ndarray, fake: np.ndarray, features: Features, progress: Progress | None = None
) -> Seen:
    """Show both sets of faces uint8 [N, S, S, 3] to a network."""
    total = len(real) + len(fake)
    r = features(real, part_of(progress, 0, total))
    f = features(fake, part_of(progress, len(real), total))
    scale = common_scale(r)
    return Seen(r / scale, f / scale)


def protocol(features: Features, px: int, real: int) -> str:
    """Return what decides figures of this network, in words."""
    way = f"faces of {px} px"
    if px != features.size_px:
        way += f" brought to {features.size_px} px by bicubic"
    return f"{TITLES[features.network]} ({features.source} weights), {way}, {real} real"


def likeness(seen: Seen, features: Features, px: int, note: str = "") -> list[Figure]:
    """Compare two sets by KID, precision and recall, and halves of the real one likewise.

    Args:
        seen: Of at least 4 faces each, the real ones in random order.
        features: The network that has seen them.
        px: The side of the faces that it was shown.
        note: What else a reader must know before believing the figures.
    """
    real, fake = seen
    one, other = real[::2], real[1::2]
    distance, floor = kid(real, fake), kid(one, other)
    covered, ideal = precision_recall(real, fake), precision_recall(one, other)
    # Where every subset is the whole set they agree, which says nothing of the error.
    error = None if len(fake) == len(real) <= SUBSET_SIZE else distance.error
    title, n, how = TITLES[features.network], len(fake), protocol(features, px, len(real))
    how += f"; {note}" if note else ""
    # Both shares fall with the number of faces, so that those of small halves are no ideal.
    halves = min(LIMIT, len(one))
    used = min(LIMIT, len(real), n)
    shares = f"k = 3, {used} faces each" + (f", best of {halves}" if halves != used else "")
    return [
        Figure(LIKENESS, f"{measure}-{title}-{px}px", value, n, uncertain, best, None,
               how if measure == KID else f"{shares}; {how}", title, px)
        for measure, value, uncertain, best in (
            (KID, distance.mean, error, floor.mean),
            (PRECISION, covered.precision, None, ideal.precision),
            (RECALL, covered.recall, None, ideal.recall),
        )
    ]  # fmt: skip


def frechet_distance(seen: Seen, features: Features, px: int) -> Figure:
    """Compare two sets by the Frechet distance; arguments as of `likeness`."""
    real, fake = seen
    how = protocol(features, px, len(real))
    how += "; its best is of half as many faces, which makes it larger"
    name = f"Frechet-{TITLES[features.network]}-{px}px"
    best = frechet(real[::2], real[1::2])
    return Figure(LIKENESS, name, frechet(real, fake), len(fake), None, best, None, how)


class LargeReal(NamedTuple):
    """Real faces at the side that stage two gives drawn ones.

    Attributes:
        images: uint8 [M, S, S, 3].
        enlarged: How many files are smaller than that.
        smallest_px: The least side among the files.
    """

    images: np.ndarray
    enlarged: int
    smallest_px: int

    def in_words(self) -> str:
        """Return how they came to their size."""
        count, px = len(self.images), self.images.shape[1]
        if not self.enlarged:
            return f"from their files, all of at least {px} px"
        return (
            f"from their files; {self.enlarged} of {count} are smaller than {px} px (from "
            f"{self.smallest_px} px on) and were enlarged by Pillow's bicubic, which makes them "
            "softer than real faces of that size"
        )

    @property
    def caution(self) -> str:
        """Say what figures against these faces cannot tell, or nothing."""
        # Real faces reduced to 32 px and enlarged by stage two came out further from such a set
        # than drawn ones did (KID-AlexNet-128px 0.67 and 0.53, 500 faces each).
        return SOFT if self.enlarged else ""


def real_at(
    paths: Sequence[Path],
    px: int,
    fit: Fit,
    progress: Progress | None = None,
) -> LargeReal:
    """Decode real faces at a size, enlarging only what the files do not have.

    Args:
        paths: Picture files.
        px: The side.
        fit: How they become square, as for training.
        progress: Called with (done, total).

    Raises:
        DataError: If a file cannot be read.
    """
    images = np.empty((len(paths), px, px, 3), np.uint8)
    sides = []
    with Decoder() as decoder:
        for row, path in enumerate(paths):
            picture = read_rgb(path, decoder)
            native = min(picture.shape[:2]) if fit == "crop" else max(picture.shape[:2])
            square = fit_square(picture, min(px, native), fit)
            images[row] = resize(square[None], px)[0]
            sides.append(native)
            if progress:
                progress(row + 1, len(paths))
    return LargeReal(images, sum(side < px for side in sides), min(sides))
