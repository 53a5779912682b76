"""`tags.csv`: words that people gave to pictures, a column per kind: `file,hair,eyes`."""

from __future__ import annotations

import csv
from pathlib import Path

from anime_pipeline.data.tables import TableError, decode_text, plain_name, read_bytes, split_rows
from anime_pipeline.data.words import WORDS

TAG_FILE = "tags.csv"

Tags = dict[str, frozenset[str]]

# Columns that mean something to us, in any case; other names are the user's and stay as they are.
_OWN_COLUMNS = ("file", "hair", *WORDS)


def read_tag_csv(path: Path) -> tuple[Tags, list[str]]:
    """Read a folder's tags.

    Args:
        path: The CSV: `file`, then columns of words; an empty cell says nothing. See `data.tables`
            for the forms of text.

    Returns:
        Tags by file name, such as ``{"a.png": {"pink_hair", "blue_eyes"}}``, and problems.
    """
    tags: Tags = {}
    problems: list[str] = []
    try:
        header, rows = split_rows(decode_text(read_bytes(path)))
        header = [cell.casefold() if cell.casefold() in _OWN_COLUMNS else cell for cell in header]
        if "file" not in header:
            return {}, [f"{path}: column file missing; expected a header such as file,hair,eyes"]
        file = header.index("file")
        kinds = [(place, kind) for place, kind in enumerate(header) if place != file]
        names: dict[str, str] = {}
        for line, cells in rows:
            if len(cells) != len(header):
                problems.append(f"{path}:{line}: {len(cells)} cells, expected {len(header)}")
                continue
            found = frozenset(_tag(cells[place], kind) for place, kind in kinds if cells[place])
            name = names.setdefault(plain_name(cells[file]), cells[file])
            if tags.setdefault(name, found) != found:
                problems.append(f"{path}:{line}: {name}: second row for this file, ignored")
    except (TableError, csv.Error) as error:
        return {}, [f"{path}: not a table of tags ({error})"]
    return tags, problems


def _tag(word: str, kind: str) -> str:
    return f"{word.casefold() if kind in WORDS else word}_{kind}"
