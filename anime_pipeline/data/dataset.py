"""Opening a folder of faces: character folders, CelebA, or any tree of pictures, as one list."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import compress
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from anime_pipeline.core.errors import DataError
from anime_pipeline.core.storage import expand_user
from anime_pipeline.data import celeba, characters
from anime_pipeline.data.characters import Colors, Tags
from anime_pipeline.data.tables import find_table, match_names
from anime_pipeline.images.files import IMAGE_SUFFIXES, Skipped, walk

if TYPE_CHECKING:
    import pandas as pd

Row = TypeVar("Row")
Kind = Literal["characters", "celeba", "tree"]


@dataclass(frozen=True)
class Record:
    """One picture file and what is known of it."""

    path: Path
    colors: Colors | None = None
    tags: frozenset[str] | None = None  # what is true of it; None where nobody has said


@dataclass
class Dataset:
    """The pictures below one root, with the rows of tables that belong to them.

    Attributes:
        root: Folder or file that was opened.
        kind: Its layout.
        records: The pictures, sorted.
        skipped: Files that are no pictures.
        color_rows: Rows of all `color.csv`.
        color_problems: What cannot be used of any table, by line.
        rows_without_image: Pictures that tables name and that are not there, by path.
        folders_without_colors: Folders of pictures without a `color.csv`.
        attributes: CelebA's table; None elsewhere, and where it cannot be used.
    """

    root: Path
    kind: Kind
    records: list[Record]
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
    paths = list(walk(root, skipped))
    if not paths:
        raise DataError(
            f"0 pictures found in {root}: searched it and all its folders for "
            f"{', '.join(sorted(IMAGE_SUFFIXES))}; {len(skipped)} other file(s) passed over. "
            f"Name another folder, or draw a practice set into an empty one: "
            f"anime-pipeline sample-data FOLDER"
        )
    table_path, unread = celeba.find_attribute_table(root)
    if table_path:
        dataset = _join_attributes(root, paths, skipped, table_path)
        dataset.color_problems += unread
        return dataset
    return _join_colors(root, paths, skipped)


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
        places = []
        for record in dataset.records:
            folder, name = os.path.split(record.path)
            place = os.path.join(real(folder), name)
            places.append(os.path.realpath(place) if os.path.islink(place) else place)
        new = list(compress(dataset.records, [place not in seen for place in places]))
        seen.update(places)
        if new:
            fresh.append(replace(dataset, records=new))
    return fresh


def _join_attributes(
    root: Path, paths: list[Path], skipped: list[Skipped], table_path: Path
) -> Dataset:
    dataset = Dataset(root, "celeba", [], skipped)
    tags: Tags = {}
    try:
        frame = celeba.read_attributes(table_path, dataset.color_problems)
        names = frame.columns.tolist()
        tags = {
            str(file): frozenset(compress(names, row))
            for file, row in zip(frame.index, frame.to_numpy().tolist(), strict=True)
        }
        dataset.attributes = frame
    except DataError as error:
        # The pictures are worth as much without it.
        dataset.color_problems = [str(error)]
    rows = match_names({path.name for path in paths}, tags)
    dataset.records += [
        Record(path, tags=tags[rows[path.name]] if path.name in rows else None) for path in paths
    ]
    absent = tags.keys() - rows.values()
    dataset.rows_without_image += [str(table_path.parent / name) for name in sorted(absent)]
    return dataset


def _join_colors(root: Path, paths: list[Path], skipped: list[Skipped]) -> Dataset:
    dataset = Dataset(root, "tree", [], skipped)
    # Names as texts: hashing and taking apart thousands of Path objects would take half the time.
    names: dict[str, list[str]] = {}
    places = [os.path.split(path) for path in paths]
    for folder, name in places:
        names.setdefault(folder, []).append(name)
    colors: dict[str, dict[str, Colors]] = {}
    tags: dict[str, Tags] = {}
    for folder in sorted(names, key=Path):
        color_path, unread_colors = find_table(Path(folder), characters.COLOR_FILE)
        tag_path, unread_tags = find_table(Path(folder), characters.TAG_FILE)
        dataset.color_problems += unread_colors + unread_tags
        if color_path:
            table = characters.read_color_csv(color_path)
            dataset.color_rows += table.rows
            dataset.color_problems += table.problems
            colors[folder] = _by_picture(dataset, folder, names[folder], table.by_file)
        else:
            dataset.folders_without_colors.append(str(Path(folder)))
        if tag_path:
            found, problems = characters.read_tag_csv(tag_path)
            dataset.color_problems += problems
            tags[folder] = _by_picture(dataset, folder, names[folder], found)
    if colors or any(re.match(r"\d+_", os.path.basename(folder)) for folder in names):
        dataset.kind = "characters"
    for path, (folder, name) in zip(paths, places, strict=True):
        known = colors.get(folder, {}).get(name)
        dataset.records.append(Record(path, known, tags.get(folder, {}).get(name)))
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
    bare = [str(record.path) for dataset in datasets for record in _without_row(dataset)]
    total = sum(len(dataset.records) for dataset in datasets)
    parts = [
        (problems, "of the tables' entries cannot be used"),
        (absent, "row(s) name no picture"),
        (bare, f"of {total} pictures have no row"),
    ]
    said = [f"{len(found)} {text} (first {found[0]})" for found, text in parts if found]
    return f"Labels: {'; '.join(said)}." if said else ""


def _without_row(dataset: Dataset) -> list[Record]:
    """Return the pictures without the labels that others of their dataset have."""
    labelled = [record for record in dataset.records if record.colors or record.tags is not None]
    if any(record.colors for record in labelled):
        return [record for record in dataset.records if not record.colors]
    if labelled or dataset.color_problems or dataset.rows_without_image:
        return [record for record in dataset.records if record.tags is None]
    return []
