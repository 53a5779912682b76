"""Opening pictures for work: several folders as one store, colours filled in, a side chosen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import chain

import numpy as np
from PIL import UnidentifiedImageError

from anime_pipeline.core.config import Fit
from anime_pipeline.core.errors import DataError, UsageError
from anime_pipeline.core.files import MAX_PICTURE_BYTES
from anime_pipeline.core.progress import Say, Show, unseen
from anime_pipeline.data.characters import Colors
from anime_pipeline.data.dataset import Dataset, drop_repeated, open_dataset, unused_labels
from anime_pipeline.data.duplicates import cached_groups
from anime_pipeline.data.estimate import estimate_colors
from anime_pipeline.data.parallel import in_order
from anime_pipeline.data.records import Records
from anime_pipeline.data.sources.places import Place, Root
from anime_pipeline.data.sources.reading import openers, read, threads_for
from anime_pipeline.data.splits import Split
from anime_pipeline.data.store import Store, load_store, require_pictures, split_store
from anime_pipeline.images.codec import decode
from anime_pipeline.images.files import Skipped
from anime_pipeline.images.headers import open_header
from anime_pipeline.images.writing.grid import spread

HR_SIZES = (128, 96, 64)
ENOUGH = 1000
FEW = 20
FLAT_LEVELS = 2  # of 255: what compression makes of one colour
SPANS_AT_ONCE = 4096


def open_store(
    roots: Sequence[Root],
    size: int,
    fit: Fit = "crop",
    min_side: int = 1,
    labels: bool = False,
    annotate: bool = False,
    say: Say = print,
    progress: Show = unseen,
) -> Store:
    """Open and decode folders of faces, saying what was skipped.

    Args:
        roots: Folders of faces, addresses of stores, tars.
        size: Side of the fitted squares in pixels.
        fit: How pictures become square.
        min_side: Pictures with a shorter side are left out.
        labels: Whether labels matter, so that those which cannot be used are reported too.
        annotate: Whether to estimate the colours that no table gives; nothing is written.
        say: Told what was left out.
        progress: Shows how far it is.

    Raises:
        DataError: If no picture can be used.
    """
    with progress("Listing the pictures"):
        datasets = drop_repeated([open_dataset(root) for root in roots])
    with progress(f"Reading {', '.join(str(dataset.root) for dataset in datasets)}") as update:
        store = load_store(datasets, size, fit, min_side, update, warn=say)
    require_pictures(store, roots)
    with progress("Comparing pictures") as update:
        cached_groups(store.thumbnails, update)  # splitting finds them there
    if store.skipped:
        first, total = store.skipped[0], len(store.skipped) + len(store.images)
        say(f"Skipped {len(store.skipped)} of {total} pictures, first {first.path}: {first.reason}")
    if labels and (unused := unused_labels(datasets)):
        say(unused)
    if not annotate:
        return store
    bare = int((~store.records.has_colours).sum())
    with progress("Estimating colours") as update:
        records, skipped = estimate_missing(store.records, update)
    left = f", not of {skipped[0].path}: {skipped[0].reason}" if skipped else ""
    say(f"Estimated hair and skin of {bare - len(skipped)} of {bare} pictures without{left}.")
    return replace(store, records=records)


def estimate_file(path: Place) -> Colors | Skipped:
    """Estimate one picture's colours, or say why they cannot be."""
    try:
        return estimate_colors(decode(read(path, MAX_PICTURE_BYTES)))
    except (OSError, DataError) as error:
        return Skipped.because(path, error)


def estimate_missing(
    records: Records, progress: Callable[[int, int], None] | None = None, workers: int = 0
) -> tuple[Records, list[Skipped]]:
    """Give every picture that has no colours those that are estimated; nothing is written.

    Args:
        records: Pictures, those with colours among them: they keep theirs.
        progress: Called with (done, total) of those without.
        workers: Threads; 0: as many as this process may use cores.

    Returns:
        The same pictures in the same order, and those whose colours cannot be told, with reasons.
    """
    bare = np.flatnonzero(~records.has_colours).tolist()
    rows: list[int] = []
    colours: list[Colors] = []
    skipped: list[Skipped] = []
    threads = threads_for(records.paths, workers)
    with in_order(estimate_file, map(records.path, bare), threads) as estimates:
        for done, (row, found) in enumerate(zip(bare, estimates, strict=True), start=1):
            if isinstance(found, Skipped):
                skipped.append(found)
            else:
                rows.append(row)
                colours.append(found)
            if progress:
                progress(done, len(bare))
    return records.with_colours(rows, colours), skipped


def training_split(store: Store, train_count: int) -> Split:
    """Split a store, refusing sets without a training picture.

    Raises:
        DataError: If the training side would be empty.
        UsageError: If `train_count` is more than there are pictures.
    """
    if train_count > len(store.images):
        raise UsageError(
            f"Invalid value for --train-count. Expected at most {len(store.images)} (the usable "
            f"pictures). Received: {train_count}"
        )
    split = split_store(store, train_count)
    if not len(split.train):
        raise DataError(
            f"{len(store.images)} usable picture(s), and none falls on the training side of the "
            "80/5/15 split: there are too few, or they are near-duplicates of each other, which "
            "share a side (anime-pipeline inspect draws them). Add other pictures, a few "
            "hundred at least, or give --train-count."
        )
    return split


def choose_side(store: Store, side: str, limit: int | None, train_count: int) -> list[int]:
    """Return the rows of a store that lie on a side, at most `limit`, at even distances.

    Args:
        store: Decoded pictures.
        side: ``"test"``, ``"val"``, ``"train"`` or ``"all"``.
        limit: The most rows, or None.
        train_count: As the weights to measure were trained with.

    Raises:
        UsageError: If the weights were trained on more pictures than there are.
        DataError: If nothing lies there.
    """
    if side == "all":
        chosen = np.arange(len(store.images))
    elif train_count > len(store.images):
        raise UsageError(
            f"These weights were trained on {train_count} pictures and there are only "
            f"{len(store.images)} here. Give the folder they were trained on, or measure "
            "other data with --side all."
        )
    else:
        chosen = getattr(split_store(store, train_count), side)
    if not len(chosen):
        raise DataError(
            f"None of the {len(store.images)} usable pictures falls on the {side} side of the "
            "split. Add pictures, or measure them all with --side all."
        )
    return [int(index) for index in spread(chosen, limit or len(chosen))]


def poor_prospects(store: Store, train: np.ndarray) -> list[str]:
    """Say in plain words what pictures this poor will give; nothing where they are not.

    Args:
        store: Decoded pictures.
        train: Rows on the training side.
    """
    count = len(train)
    said = []
    groups = cached_groups(store.thumbnails)[train]
    pieces = [train[start : start + SPANS_AT_ONCE] for start in range(0, count, SPANS_AT_ONCE)]
    spans = [np.ptp(store.thumbnails[rows], axis=(1, 2)).max(axis=1) for rows in pieces]
    flat = np.flatnonzero(np.concatenate(spans) <= FLAT_LEVELS)
    if len(flat):
        example = store.records[train[flat[0]]].path
        said.append(
            f"Warning: {len(flat)} of {count} training pictures show one flat colour (first "
            f"{example}). Expect flat pictures as often; leave them out unless you want that."
        )
    if count > 1 and len(set(groups.tolist())) == 1:
        said.append(
            f"Warning: all {count} training pictures are the same one, or nearly. Expect that "
            "picture for every seed, whatever is asked for."
        )
    elif count <= FEW:
        pictures = "picture" if count == 1 else "pictures"
        said.append(
            f"Warning: {count} training {pictures}. Expect what is learnt by heart, copies with "
            "blemishes rather than new pictures. A few hundred give something, a few thousand "
            "give variety."
        )
    return said


def choose_hr_size(datasets: Sequence[Dataset]) -> int:
    """Return the largest HR size that half of the pictures, or a thousand, can fill.

    Raises:
        DataError: If no picture reaches the smallest size; says which sizes were found.
    """
    found_px: list[int] = []
    largest = 0
    each = (openers(dataset.records.paths, MAX_PICTURE_BYTES) for dataset in datasets)
    for opener in chain.from_iterable(each):
        # What cannot be read is counted and named when the store is built.
        with suppress(OSError, UnidentifiedImageError, ValueError, DataError):
            with opener() as file, open_header(file) as picture:
                found_px.append(min(picture.size))
            largest += found_px[-1] >= HR_SIZES[0]
        if largest >= ENOUGH:
            return HR_SIZES[0]  # whatever the others are
    sides = np.array(found_px, np.int64)
    for size in HR_SIZES:
        large_enough = int((sides >= size).sum())
        if large_enough and large_enough >= min(ENOUGH, len(sides) / 2):
            return size
    roots = ", ".join(str(dataset.root) for dataset in datasets)
    found = f"short sides {sides.min()}-{sides.max()} px" if len(sides) else "none readable"
    raise DataError(
        f"No HR pictures in {roots}: found {len(sides)} pictures, {found}. Needed: half of them "
        f"(or {ENOUGH}) with a short side of {HR_SIZES[0]} px, or at least {HR_SIZES[-1]} px to "
        "train on smaller crops."
    )
