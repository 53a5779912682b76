"""`tags.csv`: words that people gave to pictures, a column per kind: `file,hair,eyes`."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

TAG_FILE = "tags.csv"

Tags = dict[str, frozenset[str]]


def read_tag_csv(path: Path) -> tuple[Tags, list[str]]:
    """Read a folder's tags.

    Args:
        path: The CSV: `file`, then columns of words; an empty cell says nothing.

    Returns:
        Tags by file name, such as ``{"a.png": {"pink_hair", "blue_eyes"}}``, and problems.
    """
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        return {}, [f"{path}: not a table of tags ({error})"]
    if "file" not in frame.columns:
        return {}, [f"{path}: column file missing; expected a header such as file,hair,eyes"]
    kinds = [column for column in frame.columns if column != "file"]
    words = frame[kinds].apply(lambda column: column.str.strip())
    named = words.apply(lambda column: (column + "_" + column.name).where(column != "", ""))
    rows = zip(frame["file"].str.strip(), named.itertuples(index=False), strict=True)
    return {file: frozenset(tag for tag in row if tag) for file, row in rows}, []
