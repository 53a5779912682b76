"""Opening a set of faces as one list: character folders, CelebA, any tree of pictures, or tars."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Literal, TypeVar

import numpy as np

from anime_pipeline.core.errors import DataError
from anime_pipeline.data import celeba, characters
from anime_pipeline.data.characters import Colors, Tags
from anime_pipeline.data.records import Builder, Records
from anime_pipeline.data.records import Record as Record
from anime_pipeline.data.sources.listing import Listing, list_root
from anime_pipeline.data.sources.places import (
    Place,
    Remote,
    Root,
    divided,
    named,
    real_place,
    without_facts,
)
from anime_pipeline.data.tables import find_table, match_names
from anime_pipeline.images.files import IMAGE_SUFFIXES, Skipped

if TYPE_CHECKING:
    import pandas as pd

KEYS_NAMED = 5
Row = TypeVar("Row")
Kind = Literal["characters", "celeba", "tree", "webdataset"]


@dataclass
class Dataset:
    """The pictures below one root, with the rows of tables that belong to them.

    Attributes:
        root: What was opened.
        kind: Its layout.
        records: The pictures, by folder and name.
        skipped: Files that are no pictures.
        color_rows: Rows of all `color.csv`.
        color_problems: What cannot be used of any table, by line.
        rows_without_image: Pictures that tables name and that are not there, by path.
        folders_without_colors: Folders of pictures without a `color.csv`.
        attributes: CelebA's table; None elsewhere, and where it cannot be used.
    """

    root: Root
    kind: Kind
    records: Records
    skipped: list[Skipped] = field(default_factory=list)
    color_rows: int = 0
    color_problems: list[str] = field(default_factory=list)
    rows_without_image: list[str] = field(default_factory=list)
    folders_without_colors: list[str] = field(default_factory=list)
    attributes: pd.DataFrame | None = None


def open_dataset(root: Root) -> Dataset:
    """List the pictures below `root` and join them with their colour or attribute tables.

    Nothing is decoded here; unreadable pictures are found when the array store is built.

    Args:
        root: A folder in any supported layout, a tar, or several of either in a store.

    Raises:
        DataError: If it is missing, cannot be listed or holds no pictures; says what was searched.
        UsageError: If a package is missing.
    """
    listing = list_root(root)
    dataset = _join_samples(listing) if listing.tars else None
    if not (dataset.records if dataset else listing.pictures):
        skipped = dataset.skipped if dataset else listing.skipped
        raise DataError(
            f"0 pictures found in {root}: searched it and all its folders for "
            f"{', '.join(sorted(IMAGE_SUFFIXES))}; {len(skipped)} other file(s) passed over. "
            f"Name another folder, or draw a practice set into an empty one: "
            f"anime-pipeline sample-data FOLDER"
        )
    if dataset:
        return dataset
    table_path, unread = celeba.find_attribute_table(listing.root, listing.entries)
    if table_path:
        dataset = _join_attributes(listing, table_path)
        dataset.color_problems += unread
        return dataset
    return _join_colors(listing)


def drop_repeated(datasets: Sequence[Dataset]) -> list[Dataset]:
    """Leave out pictures that an earlier dataset lists, by whatever path, and datasets left empty.

    What links lead to several times within one dataset stays.
    """
    if len(datasets) == 1:
        return list(datasets)
    seen: set[str] = set()
    fresh = []
    real = cache(real_place)  # most pictures are no links: resolving their folder is enough
    for dataset in datasets:
        folders = [real(folder) for folder in dataset.records.folders]
        places = [
            place if "\0" in place or not os.path.islink(place) else os.path.realpath(place)
            for place in dataset.records.places(folders)
        ]
        new = np.array([place not in seen for place in places])
        seen.update(places)
        if new.any():
            fresh.append(replace(dataset, records=dataset.records.take(new)))
    return fresh


def _join_samples(listing: Listing) -> Dataset:
    """Join the pictures of tars with what their samples' JSON says."""
    builder = Builder()
    dataset = Dataset(listing.root, "webdataset", builder.build(), listing.skipped)
    unused = Counter[str]()
    for index in listing.index_tars():
        colours, tags = index.labels()
        for name, offset, size in index.pictures:
            entry = Remote.member(index.folder, name, offset, size).entry
            builder.add(index.folder, entry, colours.get(name), tags.get(name))
        dataset.color_rows += len(colours)
        dataset.color_problems += index.problems
        unused.update(index.unused)
        left = ", ".join(f"{count} {kind}" for kind, count in index.passed_over.items())
        if left:
            dataset.skipped.append(Skipped(without_facts(index.folder), f"passed over: {left}"))
    if unused:
        keys = ", ".join(f"{key} ({count})" for key, count in unused.most_common(KEYS_NAMED))
        dataset.color_problems.append(f"{listing.root}: keys of JSON without a use: {keys}")
    dataset.records = builder.build()
    return dataset


def _join_attributes(listing: Listing, table_path: Place) -> Dataset:
    problems: list[str] = []
    frame, rows, values = None, {}, np.zeros((0, 0), bool)
    try:
        frame = celeba.read_attributes(table_path, problems)
        rows = {str(file): row for row, file in enumerate(frame.index)}
        values = frame.to_numpy()
    except DataError as error:
        problems = [str(error)]  # the pictures are worth as much without it
    names = [] if frame is None else frame.columns.tolist()
    pictures = listing.pictures
    meant = match_names({without_facts(n) for _, inside in pictures for n in inside}, rows)
    builder = Builder()
    for folder, inside in pictures:
        for picture in inside:
            tags = None
            if (name := without_facts(picture)) in meant:
                tags = [names[place] for place in np.flatnonzero(values[rows[meant[name]]])]
            builder.add(folder, picture, None, tags)
    records = builder.build()
    dataset = Dataset(listing.root, "celeba", records, listing.skipped, color_problems=problems)
    dataset.attributes = frame
    absent = rows.keys() - meant.values()
    beside, _ = divided(table_path)
    dataset.rows_without_image += [named(beside, name) for name in sorted(absent)]
    return dataset


def _join_colors(listing: Listing) -> Dataset:
    builder = Builder()
    dataset = Dataset(listing.root, "tree", builder.build(), listing.skipped)
    has_tables = False
    for folder, inside in listing.pictures:
        names = [without_facts(name) for name in inside]
        colors: dict[str, Colors] = {}
        tags: Tags = {}
        color_path, unread_colors = find_table(
            folder or ".", characters.COLOR_FILE, listing.entries
        )
        tag_path, unread_tags = find_table(folder or ".", characters.TAG_FILE, listing.entries)
        dataset.color_problems += unread_colors + unread_tags
        if color_path:
            has_tables = True
            table = characters.read_color_csv(color_path)
            dataset.color_rows += table.rows
            dataset.color_problems += table.problems
            colors = _by_picture(dataset, folder, names, table.by_file)
        else:
            dataset.folders_without_colors.append(named(folder))
        if tag_path:
            found, problems = characters.read_tag_csv(tag_path)
            dataset.color_problems += problems
            tags = _by_picture(dataset, folder, names, found)
        for entry, name in zip(inside, names, strict=True):
            builder.add(folder, entry, colors.get(name), tags.get(name))
    if has_tables or any(
        re.match(r"\d+_", os.path.basename(folder)) for folder, _ in listing.pictures
    ):
        dataset.kind = "characters"
    dataset.records = builder.build()
    # Both tables may name a picture that is gone.
    dataset.rows_without_image = list(dict.fromkeys(dataset.rows_without_image))
    return dataset


def _by_picture(
    dataset: Dataset, folder: str, names: list[str], rows: dict[str, Row]
) -> dict[str, Row]:
    """Return a folder's rows by the names of its pictures; rows of no picture are noted."""
    meant = match_names(names, rows)
    used = set(meant.values())
    dataset.rows_without_image += [named(folder, row) for row in rows if row not in used]
    return {name: rows[row] for name, row in meant.items()}


def unused_labels(datasets: Sequence[Dataset]) -> str:
    """Say in one line what of the tables is not used, and which pictures have no row.

    Returns:
        Counts with an example each; empty where every row has its picture and every picture its
        row, and where there is no table at all.
    """
    absent = [path for dataset in datasets for path in dataset.rows_without_image]
    problems = [text for dataset in datasets for text in dataset.color_problems]
    bare = Records.joined([_without_row(dataset) for dataset in datasets])
    total = sum(len(dataset.records) for dataset in datasets)
    parts = [
        (problems, "of the tables' entries cannot be used"),
        (absent, "row(s) name no picture"),
        (bare.paths, f"of {total} pictures have no row"),
    ]
    said = [f"{len(found)} {text} (first {found[0]})" for found, text in parts if found]
    return f"Labels: {'; '.join(said)}." if said else ""


def _without_row(dataset: Dataset) -> Records:
    """Return the pictures without the labels that others of their dataset have."""
    records = dataset.records
    if records.has_colours.any():
        return records.take(~records.has_colours)
    if records.has_tags.any() or dataset.color_problems or dataset.rows_without_image:
        return records.take(~records.has_tags)
    return records[:0]
