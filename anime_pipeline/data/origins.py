"""Where the pictures of a set come from, as far as their files tell.

Pictures that one program has saved share their compression tables, and often their size. A part
of a set that differs in these was gathered or made in another way than the rest, and what was made
by a machine is learnt as faithfully as what was drawn by hand. Only headers are read here.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import IO, TypeVar

import cv2
import numpy as np
from PIL import Image, JpegImagePlugin

from anime_pipeline.core.errors import DataError
from anime_pipeline.core.files import MAX_PICTURE_BYTES
from anime_pipeline.data.duplicates import Progress, repeated
from anime_pipeline.data.sources.places import Place
from anime_pipeline.data.sources.reading import openers
from anime_pipeline.data.store import Store
from anime_pipeline.images.codec import naming
from anime_pipeline.images.files import Skipped
from anime_pipeline.images.headers import open_header
from anime_pipeline.images.rows import Pictures

# Fewer leave no mark on what is learnt, and every gathered set holds a few strays.
APART_SHARE = 0.02
APART_COUNT = 5

# Where so few families cover so much, each is an origin; else the set was gathered from many
# places, and only a family so many times as large as the next stands out.
FEW = 5
FEW_SHARE = 0.9
STANDS_OUT = 4
STANDS_OUT_SHARE = 0.1

# In a set that is mostly of one origin, what is of many others matters when it is so much of it.
MANY_OTHERS_SHARE = 0.1

# Findings that share so much of their pictures are one, told in two ways.
SAME_PICTURES = 0.95

# Mirrored copies are compared by the brightness of their thumbnails, of which compression, reduced
# colours and uneven sides change little. RMS differences in grey levels: below 1.3 in 600 real
# faces after JPEG of quality 50 to 95, above 5 in the nearest other pairs of 20,000 faces.
MIRRORED_BELOW = 2.0
MIRRORED_NEARER = 0.7  # as a share of the difference without mirroring: a symmetric copy is none

_REPORT_EVERY = 500

_SAMPLING = {0: "full size", 1: "half width", 2: "half size"}  # 4:4:4, 4:2:2 and 4:2:0

Kind = TypeVar("Kind", bound=Hashable)


@dataclass(frozen=True)
class Coding:
    """How a file stores its picture: the format and, of JPEG, what its encoder chose.

    Attributes:
        format: Pillow's name.
        tables: the quantisation tables of a JPEG file, in the order of their numbers.
        sampling: of a JPEG file, Pillow's number for how its colours are reduced; -1 if otherwise.
    """

    format: str
    tables: tuple[tuple[int, ...], ...] = ()
    sampling: int = -1

    @property
    def quality(self) -> int | None:
        """The quality that libjpeg calls these tables; None for other encoders' and formats."""
        return _qualities().get(self.tables[0]) if self.tables else None

    def __str__(self) -> str:
        """Say it in a few words."""
        words = [self.format]
        if self.tables:
            own = f"tables of its own (sum {sum(self.tables[0])})"
            words.append(f"quality {self.quality}" if self.quality else own)
        if self.sampling in _SAMPLING:
            words.append(f"colours at {_SAMPLING[self.sampling]}")
        return ", ".join(words)


@cache
def _qualities() -> dict[tuple[int, ...], int]:
    """Return the quality by the luminance table, as libjpeg scales it."""
    found = {}
    for quality in range(1, 101):
        file = io.BytesIO()
        Image.new("L", (8, 8)).save(file, "JPEG", quality=quality)
        found[_read(file).tables[0]] = quality
    return found


def _read(file: IO[bytes]) -> Coding:
    with open_header(file) as picture:
        if not isinstance(picture, JpegImagePlugin.JpegImageFile):
            return Coding(picture.format or "unknown")
        # Cameras' several pictures in one file are JPEG, too, by another name.
        tables = tuple(tuple(table) for _, table in sorted(picture.quantization.items()))
        grey = picture.mode == "L"
        sampling = -1 if grey else JpegImagePlugin.get_sampling(picture)
        return Coding("grey JPEG" if grey else "JPEG", tables, sampling)


def read_codings(
    paths: Sequence[Place], progress: Progress | None = None
) -> tuple[list[Coding | None], list[Skipped]]:
    """Read the headers of picture files.

    Args:
        paths: Files that have been decoded before.
        progress: Called with (done, total) now and then.

    Returns:
        The coding of each file, None for one that cannot be read (any more), and those with why.
    """
    codings: list[Coding | None] = []
    unread: list[Skipped] = []
    opened = openers(paths, MAX_PICTURE_BYTES)
    for number, (path, opener) in enumerate(zip(paths, opened, strict=True)):
        if progress and number % _REPORT_EVERY == 0:
            progress(number, len(paths))
        try:
            with opener() as file, naming("image"):
                codings.append(_read(file))
        except (OSError, DataError) as error:
            codings.append(None)
            unread.append(Skipped.because(path, error))
    return codings, unread


@dataclass(frozen=True)
class Family:
    """Pictures that have something in common.

    Attributes:
        what: what it is, in a few words.
        members: int64 [n], their rows in the store, rising.
        coding: how all their files are stored, where that is what they have in common.
    """

    what: str
    members: np.ndarray
    coding: Coding | None = None


def _families(kinds: Iterable[Kind | None], words: Callable[[Kind], str]) -> list[Family]:
    """Group rows by their kind, the largest group first; None is of no family."""
    rows: dict[Kind, list[int]] = {}
    for row, kind in enumerate(kinds):
        if kind is not None:
            rows.setdefault(kind, []).append(row)
    return [
        Family(words(kind), np.array(members), kind if isinstance(kind, Coding) else None)
        for kind, members in sorted(rows.items(), key=lambda item: -len(item[1]))
    ]


def coding_families(codings: Sequence[Coding | None]) -> list[Family]:
    """Group pictures by how their files are stored, the largest group first."""
    return _families(codings, str)


def size_families(sizes: np.ndarray) -> list[Family]:
    """Group pictures by their size, int [N, 2] height and width, the largest group first.

    Where hardly two have the same size, pictures were cut out or reduced to fit a square: then the
    longest side tells more.
    """
    pairs = [(int(width), int(height)) for height, width in sizes]
    whole = _families(pairs, lambda pair: f"{pair[0]}x{pair[1]} px")
    if are_few(whole):
        return whole
    sides = sizes.max(axis=1).tolist()
    return _families(sides, lambda side: f"longest side {side} px")


def are_few(families: Sequence[Family]) -> bool:
    """Tell whether a few families make up nearly all."""
    counts = [len(family.members) for family in families]
    return sum(counts[:FEW]) >= FEW_SHARE * sum(counts)


def standing_apart(families: Sequence[Family], lump: bool = False) -> list[Family]:
    """Return the families whose origin differs from the rest of a set.

    Args:
        families: All of a set's, the largest first.
        lump: Whether many small families beside one of at least half count together as one.
    """
    total = sum(len(family.members) for family in families)
    if len(families) < 2:
        return []
    least = max(APART_COUNT, APART_SHARE * total)
    first, second = (len(family.members) for family in families[:2])
    if 2 * first < total and not are_few(families):
        enough = max(least, STANDS_OUT_SHARE * total, STANDS_OUT * second)
        return list(families[:1]) if first >= enough else []
    found = [family for family in families[1:] if len(family.members) >= least]
    small = families[1 + len(found) :]
    if lump and len(small) > 1:
        members = np.sort(np.concatenate([family.members for family in small]))
        if len(members) >= max(APART_COUNT, MANY_OTHERS_SHARE * total):
            found.append(Family(f"{len(small)} other ways", members))
    return found


def _together(coded: list[Family], sized: list[Family]) -> list[Family]:
    """Join findings about the same pictures."""
    joined, left = [], list(sized)
    for family in coded:
        for other in left:
            shared = len(np.intersect1d(family.members, other.members))
            union = len(family.members) + len(other.members) - shared
            if shared >= SAME_PICTURES * union:
                members = np.union1d(family.members, other.members)
                family = Family(f"{family.what}, {other.what}", members)
                left.remove(other)
                break
        joined.append(family)
    return joined + left


def mirrored_pairs(thumbnails: Pictures, groups: np.ndarray) -> list[tuple[int, int]]:
    """Find pictures that equal the mirror image of another but for what compression does.

    Args:
        thumbnails: uint8 [N, 16, 16, 3].
        groups: int [N], see `near_duplicate_groups`: mirrored copies share one.

    Returns:
        Pairs of rows, each picture with what is nearest to its mirror image, in order.
    """
    pairs: set[tuple[int, int]] = set()
    for group in repeated(groups):
        looks = np.stack([cv2.cvtColor(thumbnails[row], cv2.COLOR_RGB2GRAY) for row in group])
        looks = looks.astype(np.float32)
        plain, turned = (form.reshape(len(group), -1) for form in (looks, looks[:, :, ::-1]))
        matches = cv2.BFMatcher().knnMatch(plain, turned, 2)  # may be nearest to itself
        others = ([m.trainIdx for m in two if m.trainIdx != m.queryIdx] for two in matches)
        nearest = np.array([found[0] for found in others])
        forms = looks[nearest][:, :, ::-1], looks[nearest]
        mirrored, straight = (np.sqrt(np.square(looks - form).mean(axis=(1, 2))) for form in forms)
        same = (mirrored <= MIRRORED_BELOW) & (mirrored < MIRRORED_NEARER * straight)
        for row, other in zip(group[same].tolist(), group[nearest[same]].tolist(), strict=True):
            pairs.add((min(row, other), max(row, other)))
    return sorted(pairs)


@dataclass(frozen=True)
class Origins:
    """What the files of a set tell of where they come from.

    Attributes:
        codings: families by how files are stored.
        sizes: families by size.
        apart: families whose origin seems to differ from the rest.
        mirrored: pairs of rows: pictures and their mirrored copies.
        unread: files whose headers could not be read, with reasons; they are of no family.
    """

    codings: list[Family]
    sizes: list[Family]
    apart: list[Family]
    mirrored: list[tuple[int, int]]
    unread: list[Skipped]

    @property
    def mirrored_rows(self) -> list[int]:
        """The rows of all pictures that are a mirrored copy or have one."""
        return sorted({row for pair in self.mirrored for row in pair})


def find_origins(store: Store, groups: np.ndarray, progress: Progress | None = None) -> Origins:
    """Read the headers of a store's files and tell its pictures apart by origin.

    Args:
        store: The pictures of a set.
        groups: int [N], near-duplicates.
        progress: Called with (done, total) while headers are read.
    """
    read, unread = read_codings(store.records.paths, progress)
    codings, sizes = coding_families(read), size_families(store.sizes)
    apart = _together(standing_apart(codings, lump=True), standing_apart(sizes))
    return Origins(codings, sizes, apart, mirrored_pairs(store.thumbnails, groups), unread)
