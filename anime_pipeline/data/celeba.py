"""CelebA-style folders: `img_align_celeba/*.jpg` beside a table of +-1 attributes.

Liu et al., "Deep Learning Face Attributes in the Wild", ICCV 2015. Both the original `.txt` (count
line, then names, then rows separated by spaces) and the common `.csv` re-export are read, and those
that say 0 for no.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from anime_pipeline.core.errors import DataError
from anime_pipeline.data.tables import Row, TableError, decode_text, read_bytes, split_rows

if TYPE_CHECKING:
    import pandas as pd

IMAGE_FOLDER = "img_align_celeba"
ATTRIBUTE_FILES = ("list_attr_celeba.csv", "list_attr_celeba.txt")

_YES = frozenset({"1", "1.0", "+1", "True", "true"})
_MINUS = frozenset({"-1", "-1.0"})
_ZERO = frozenset({"0", "0.0", "False", "false"})


def find_attribute_table(root: Path) -> Path | None:
    """Return the attribute table in `root` (or in its parent, if `root` is the image folder)."""
    folders = (root, root.parent) if root.name == IMAGE_FOLDER else (root,)
    for folder in folders:
        for name in ATTRIBUTE_FILES:
            if (folder / name).is_file():
                return folder / name
    return None


def read_attributes(path: Path, problems: list[str] | None = None) -> pd.DataFrame:
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
        text = decode_text(read_bytes(path))
        names, rows = _spaced(text) if path.suffix == ".txt" else _separated(text)
        found = list(rows)
    except (TableError, csv.Error) as error:
        raise DataError(
            f"{path}: not a CelebA attribute table ({error}). Expected a header of names, "
            "then one row a picture with its file name first."
        ) from None
    values = _values(path, len(names), found, said)
    if not names or not values:
        raise DataError(
            f"{path}: not a CelebA attribute table. Expected values -1 and 1 (or 0 and 1) below a "
            f"header of names. Received {len(found)} row(s), none of them like that."
        )
    return pd.DataFrame(
        np.array(list(values.values()), bool), index=pd.Index(list(values), dtype=str),
        columns=names,
    )  # fmt: skip


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


def _separated(text: str) -> tuple[list[str], Iterator[Row]]:
    header, rows = split_rows(text)
    return header[1:], rows


def _values(path: Path, count: int, rows: list[Row], problems: list[str]) -> dict[str, list[bool]]:
    """Return what the usable rows say, by file name; the others are named."""
    known = set().union(*(cells[1:] for _, cells in rows))
    # 0 is no where nothing is -1; where both stand, 0 might mean unknown and nobody is asked.
    no = _MINUS if known & _MINUS else _ZERO
    allowed = _YES | no
    values: dict[str, list[bool]] = {}
    for line, (name, *cells) in rows:
        where = f"{path}:{line}: {name}"
        if len(cells) != count:
            problems.append(f"{where}: {len(cells)} values, expected {count}")
        elif not allowed.issuperset(cells):
            odd = next(cell for cell in cells if cell not in allowed)
            problems.append(f"{where}: {odd!r}, expected {'-1' if no is _MINUS else '0'} or 1")
        elif name in values:
            problems.append(f"{where}: second row for this file, ignored")
        else:
            values[name] = [cell in _YES for cell in cells]
    return values
