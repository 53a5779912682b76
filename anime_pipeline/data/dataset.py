"""Opening a folder of faces: character folders, CelebA, or any tree of pictures, as one list."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pandas as pd

from anime_pipeline.core.errors import DataError
from anime_pipeline.core.storage import expand_user
from anime_pipeline.data import celeba
from anime_pipeline.data.characters import COLOR_FILE, Colors, ColorTable, read_color_csv
from anime_pipeline.data.tags import TAG_FILE, Tags, read_tag_csv
from anime_pipeline.images.files import IMAGE_SUFFIXES, Skipped, walk

Kind = Literal["characters", "celeba", "tree"]


@dataclass(frozen=True)
class Record:
    """One picture file and what is known of it."""

    path: Path
    colors: Colors | None = None
    tags: frozenset[str] | None = None  # what is true of it; None where nobody has said


@dataclass
class Dataset:
    """The pictures below one root, with the colour rows that belong to them."""

    root: Path
    kind: Kind
    records: list[Record]
    skipped: list[Skipped] = field(default_factory=list)
    color_rows: int = 0
    color_problems: list[str] = field(default_factory=list)
    rows_without_image: list[str] = field(default_factory=list)
    folders_without_colors: list[str] = field(default_factory=list)
    attributes: pd.DataFrame | None = None

    @property
    def folders(self) -> list[Path]:
        """Folders that hold pictures, sorted."""
        return sorted({record.path.parent for record in self.records})


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
    table_path = celeba.find_attribute_table(root)
    if table_path:
        attributes = celeba.read_attributes(table_path)
        tags = {
            str(file): frozenset(attributes.columns[row])
            for file, row in zip(attributes.index, attributes.to_numpy(), strict=True)
        }
        records = [Record(path, tags=tags.get(path.name)) for path in paths]
        return Dataset(root, "celeba", records, skipped, attributes=attributes)
    return _join_colors(root, paths, skipped)


def _join_colors(root: Path, paths: list[Path], skipped: list[Skipped]) -> Dataset:
    tables: dict[Path, ColorTable] = {}
    tags: dict[Path, Tags] = {}
    tag_problems: list[str] = []
    for folder in sorted({path.parent for path in paths}):
        if (folder / COLOR_FILE).is_file():
            tables[folder] = read_color_csv(folder / COLOR_FILE)
        if (folder / TAG_FILE).is_file():
            tags[folder], problems = read_tag_csv(folder / TAG_FILE)
            tag_problems += problems
    numbered = any(re.match(r"\d+_", path.parent.name) for path in paths)
    dataset = Dataset(root, "characters" if numbered or tables else "tree", [], skipped)
    dataset.color_problems += tag_problems
    for path in paths:
        table, name = tables.get(path.parent), path.name.strip()  # as cells are read
        colors = table.by_file.get(name) if table else None
        dataset.records.append(Record(path, colors, tags.get(path.parent, {}).get(name)))
    present = {(path.parent, path.name.strip()) for path in paths}
    for folder, table in tables.items():
        dataset.color_rows += table.rows
        dataset.color_problems += table.problems
        dataset.rows_without_image += [
            str(folder / name) for name in table.by_file if (folder, name) not in present
        ]
    dataset.folders_without_colors = [str(f) for f in dataset.folders if f not in tables]
    return dataset
