"""`tags.csv`: words that people gave to pictures, a column per kind: `file,hair,eyes`."""

from __future__ import annotations

import csv
import io
from pathlib import Path

TAG_FILE = "tags.csv"

Tags = dict[str, frozenset[str]]


def read_tag_csv(path: Path) -> tuple[Tags, list[str]]:
    """Read a folder's tags.

    Args:
        path: The CSV: `file`, then columns of words; an empty cell says nothing.

    Returns:
        Tags by file name, such as ``{"a.png": {"pink_hair", "blue_eyes"}}``, and problems.
    """
    tags: Tags = {}
    problems: list[str] = []
    try:
        # Not pandas: a set has a table a folder, and it takes ten times as long for small ones.
        text = path.read_bytes().decode("utf-8-sig")
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        header = [cell.strip() for cell in next(reader, [])]
        if "file" not in header:
            return {}, [f"{path}: column file missing; expected a header such as file,hair,eyes"]
        file = header.index("file")
        kinds = [(place, f"_{kind}") for place, kind in enumerate(header) if place != file]
        for row in reader:
            if len(row) == len(header):
                words = ((row[place].strip(), kind) for place, kind in kinds)
                tags[row[file].strip()] = frozenset(word + kind for word, kind in words if word)
            elif row:
                where = f"{path}:{reader.line_num}"
                problems.append(f"{where}: {len(row)} cells, expected {len(header)}")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        return {}, [f"{path}: not a table of tags ({error})"]
    return tags, problems
