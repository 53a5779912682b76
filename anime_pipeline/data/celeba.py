"""CelebA-style folders: `img_align_celeba/*.jpg` beside a table of +-1 attributes.

Liu et al., "Deep Learning Face Attributes in the Wild", ICCV 2015. Both the original `.txt` (count
line, then names, then rows separated by spaces) and the common `.csv` re-export are read, and those
that say 0 for no.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from anime_pipeline.core.errors import DataError
from anime_pipeline.data import tables
from anime_pipeline.data.sources.places import Place, Root
from anime_pipeline.data.tables import Row, TableError, split_rows

if TYPE_CHECKING:
    import pandas as pd

IMAGE_FOLDER = "img_align_celeba"
ATTRIBUTE_FILES = ("list_attr_celeba.csv", "list_attr_celeba.txt")

_YES, _MINUS, _ZERO = "1", "-", "0"
_LETTERS = (
    dict.fromkeys(("1", "1.0", "+1", "True", "true"), _YES)
    | dict.fromkeys(("-1", "-1.0"), _MINUS)
    | dict.fromkeys(("0", "0.0", "False", "false"), _ZERO)
)


def find_attribute_table(
    root: Root, entries: Callable[[str], list[str]] = os.listdir
) -> tuple[Place | None, list[str]]:
    """Return the attribute table in `root` (or in its parent, if `root` is the image folder).

    As `tables.find_table` does: with a line for each that is passed over.
    """
    place = str(root)
    folders = (place, os.path.dirname(place)) if root.name == IMAGE_FOLDER else (place,)
    for folder in folders:
        for name in ATTRIBUTE_FILES:
            with suppress(OSError):  # a single picture, or a parent that must not be listed
                found, unread = tables.find_table(folder or ".", name, entries)
                if found and not (
                    isinstance(found, Path) and found.is_dir()
                ):  # as archives are unpacked into folders
                    return found, unread
    return None, []


def read_attributes(path: Place, problems: list[str] | None = None) -> pd.DataFrame:
    """Read the attribute table.

    Args:
        path: The table; yes is 1, and no is -1 or 0, one of them throughout.
        problems: Receives the rows that cannot be used, by line.

    Returns:
        Frame of booleans indexed by image file name, one column per attribute.

    Raises:
        DataError: If no row of the table can be used.
    """
    import numpy as np
    import pandas as pd  # here: takes longer to import than most folders to read

    said = [] if problems is None else problems
    try:
        text = tables.decode_text(tables.read_bytes(path))
        spaced = path.suffix.casefold() == ".txt"
        names, rows = _spaced(text) if spaced else split_rows(text)
        names = names if spaced else names[1:]
        found = _values(path, len(names), rows, said)
    except (TableError, csv.Error) as error:
        raise DataError(
            f"{path}: not a CelebA attribute table ({error}). Expected a header of names, "
            "then one row a picture with its file name first."
        ) from None
    if not names or not found:
        raise DataError(
            f"{path}: not a CelebA attribute table. Expected values -1 and 1 (or 0 and 1) below a "
            f"header of names. Received {len(said)} row(s), none of them like that."
        )
    letters = np.frombuffer("".join(found.values()).encode(), np.uint8).reshape(-1, len(names))
    index = pd.Index(list(found), dtype=str)
    return pd.DataFrame(letters == ord(_YES), index=index, columns=names)


def _spaced(text: str) -> tuple[list[str], Iterator[Row]]:
    """Split the original form: the header has no name for the first column."""
    lines = [(number, line.split()) for number, line in enumerate(text.splitlines(), start=1)]
    lines = [(number, cells) for number, cells in lines if cells]
    if lines and len(lines[0][1]) == 1 and lines[0][1][0].isdigit():
        del lines[0]  # the number of rows on a line of its own
    names = lines[0][1] if lines else []
    if lines and names[0] == "image_id" and len(lines) > 1 and len(lines[1][1]) == len(names):
        names = names[1:]
    return names, iter(lines[1:])


def _values(path: Place, count: int, rows: Iterator[Row], problems: list[str]) -> dict[str, str]:
    """Return what the usable rows say, a letter a value, by file name; the others are named."""
    values: dict[str, str] = {}
    lines: dict[str, int] = {}
    for line, (name, *cells) in rows:
        where = f"{path}:{line}: {name}"
        try:
            letters = "".join(map(_LETTERS.__getitem__, cells))  # CelebA has eight million
        except KeyError as error:
            problems.append(f"{where}: {error.args[0]!r}, expected -1 or 1")
            continue
        if len(letters) != count:
            problems.append(f"{where}: {len(letters)} values, expected {count}")
        elif name in values:
            problems.append(f"{where}: second row for this file, ignored")
        else:
            values[name], lines[name] = letters, line
    # 0 is no where nothing is -1; where both stand, 0 might mean unknown and nobody is asked.
    if any(_MINUS in letters for letters in values.values()):
        for name in [name for name, letters in values.items() if _ZERO in letters]:
            problems.append(f"{path}:{lines[name]}: {name}: '0' in a table of -1 and 1")
            del values[name]
    return values
