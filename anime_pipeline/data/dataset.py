"""Opening a folder of faces: character folders, CelebA, or any tree of pictures, as one list."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

import numpy as np

from anime_pipeline.core.errors import DataError
from anime_pipeline.core.storage import expand_user
from anime_pipeline.data import celeba, characters
from anime_pipeline.data.characters import Colors, Tags
from anime_pipeline.data.records import Builder, Records
from anime_pipeline.data.records import Record as Record
from anime_pipeline.data.tables import find_table, match_names
from anime_pipeline.images.files import IMAGE_SUFFIXES, Skipped, walk_folders

if TYPE_CHECKING:
    import pandas as pd

Listing = list[tuple[str, list[str]]]  # folders, and the names of the pictures in each
Row = TypeVar("Row")
Kind = Literal["characters", "celeba", "tree"]


@dataclass
class Dataset:
    """The pictures below one root, with the rows of tables that belong to them.

    Attributes:
        root: Folder or file that was opened.
        kind: Its layout.
        records: The pictures, by folder and name.
        skipped: Files that are no pictures.
        color_rows: Rows of all `color.csv`.
        color_problems: What cannot be used of any table, by line.
        rows_without_image: Pictures that tables name and that are not there, by path.
        folders_without_colors: Folders of pictures without a `color.csv`.
        attributes: CelebA's table; None elsewhere, and where it cannot be used.
    """

    root: Path
    kind: Kind
    records: Records
    skipped: list[Skipped] = field(default_factory=list)
    color_rows: int = 0
    color_problems: list[str] = field(default_factory=list)
    rows_without_image: list[str] = field(default_factory=list)
    folders_without_colors: list[str] = field(default_factory=list)
    attributes: pd.DataFrame | None = None


def open_dataset(root: Path) -> Dataset:
    """List the pictures below `root` and join them with their colour or attribute tables.

    Nothing is decoded here; unreadable pictures are found when the array store is built.

    Args:
        root: A folder in any supported layout.

    Raises:
        DataError: If the folder is missing or holds no picture files; says what was searched.
    """
    root = expand_user(root)
    if not root.exists():
        raise DataError(
            f"No folder at {root} (searched from {Path.cwd()}). Name the folder that holds "
            f"your faces, or draw a practice set first: anime-pipeline sample-data {root}"
        )
    skipped: list[Skipped] = []
    listing = list(walk_folders(root, skipped))
    if not listing:
        raise DataError(
            f"0 pictures found in {root}: searched it and all its folders for "
            f"{', '.join(sorted(IMAGE_SUFFIXES))}; {len(skipped)} other file(s) passed over. "
            f"Name another folder, or draw a practice set into an empty one: "
            f"anime-pipeline sample-data FOLDER"
        )
    table_path, unread = celeba.find_attribute_table(root)
    if table_path:
        dataset = _join_attributes(root, listing, skipped, table_path)
        dataset.color_problems += unread
        return dataset
    return _join_colors(root, listing, skipped)


def drop_repeated(datasets: Sequence[Dataset]) -> list[Dataset]:
    """Leave out pictures that an earlier dataset lists, by whatever path, and datasets left empty.

    What links lead to several times within one dataset stays.
    """
    if len(datasets) == 1:
        return list(datasets)
    seen: set[str] = set()
    fresh = []
    real = cache(os.path.realpath)  # most pictures are no links: resolving their folder is enough
    for dataset in datasets:
        folders = [real(folder) for folder in dataset.records.folders]
        places = [
            os.path.realpath(place) if os.path.islink(place) else place
            for place in dataset.records.places(folders)
        ]
        new = np.array([place not in seen for place in places])
        seen.update(places)
        if new.any():
            fresh.append(replace(dataset, records=dataset.records.take(new)))
    return fresh


def _join_attributes(
    root: Path, listing: Listing, skipped: list[Skipped], table_path: Path
) -> Dataset:
    problems: list[str] = []
    frame, rows, values = None, {}, np.zeros((0, 0), bool)
    try:
        frame = celeba.read_attributes(table_path, problems)
        rows = {str(file): row for row, file in enumerate(frame.index)}
        values = frame.to_numpy()
    except DataError as error:
        problems = [str(error)]  # the pictures are worth as much without it
    names = [] if frame is None else frame.columns.tolist()
    meant = match_names({name for _, names in listing for name in names}, rows)
    builder = Builder()
    for folder, pictures in listing:
        for picture in pictures:
            tags = None
            if picture in meant:
                tags = [names[place] for place in np.flatnonzero(values[rows[meant[picture]]])]
            builder.add(folder, picture, None, tags)
    dataset = Dataset(root, "celeba", builder.build(), skipped, color_problems=problems)
    dataset.attributes = frame
    absent = rows.keys() - meant.values()
    dataset.rows_without_image += [str(table_path.parent / name) for name in sorted(absent)]
    return dataset


def _join_colors(root: Path, listing: Listing, skipped: list[Skipped]) -> Dataset:
    builder = Builder()
    dataset = Dataset(root, "tree", builder.build(), skipped)
    has_tables = False
    for folder, names in listing:
        colors: dict[str, Colors] = {}
        tags: Tags = {}
        color_path, unread_colors = find_table(Path(folder), characters.COLOR_FILE)
        tag_path, unread_tags = find_table(Path(folder), characters.TAG_FILE)
        dataset.color_problems += unread_colors + unread_tags
        if color_path:
            has_tables = True
            table = characters.read_color_csv(color_path)
            dataset.color_rows += table.rows
            dataset.color_problems += table.problems
            colors = _by_picture(dataset, folder, names, table.by_file)
        else:
            dataset.folders_without_colors.append(str(Path(folder)))
        if tag_path:
            found, problems = characters.read_tag_csv(tag_path)
            dataset.color_problems += problems
            tags = _by_picture(dataset, folder, names, found)
        for name in names:
            builder.add(folder, name, colors.get(name), tags.get(name))
    if has_tables or any(re.match(r"\d+_", os.path.basename(folder)) for folder, _ in listing):
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
    dataset.rows_without_image += [str(Path(folder, row)) for row in rows if row not in used]
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
