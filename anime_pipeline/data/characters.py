"""Character folders: `NNN_name/face_*.png` with tables of what the pictures of a folder show.

`color.csv` holds hair and skin colours, `tags.csv` words that people gave, a column per kind.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from anime_pipeline.data.sources.places import Place
from anime_pipeline.data.tables import TableError, decode_text, plain_name, read_bytes, split_rows
from anime_pipeline.data.words import WORDS

COLOR_FILE, TAG_FILE = "color.csv", "tags.csv"
COLOR_COLUMNS = ("hair_r", "hair_g", "hair_b", "skin_r", "skin_g", "skin_b")
HEADER = ",".join(("file", *COLOR_COLUMNS))
_WHOLE = re.compile(r"(\d{1,4})(?:[.,]0*)?")

# Columns that mean something to us, in any case; other names are the user's and stay as they are.
_OWN_COLUMNS = ("file", "hair", *WORDS)

Rgb = tuple[int, int, int]
Tags = dict[str, frozenset[str]]


@dataclass(frozen=True)
class Colors:
    """Hair and skin colour of one picture, RGB 0..255."""

    hair: Rgb
    skin: Rgb


@dataclass
class ColorTable:
    """What one `color.csv` says: colours by file name, and the problems found in it."""

    by_file: dict[str, Colors] = field(default_factory=dict)
    rows: int = 0
    problems: list[str] = field(default_factory=list)


def read_color_csv(path: Place) -> ColorTable:
    """Read a `color.csv`; bad rows are named in `problems` and left out, never guessed.

    Args:
        path: The CSV: header `file,hair_r,hair_g,hair_b,skin_r,skin_g,skin_b` in any case, integers
            0..255, also as ``12.0``; see `data.tables` for the forms of text.

    Returns:
        The table; empty with a problem if the file cannot be used at all.
    """
    try:
        content = read_bytes(path)
    except TableError as error:
        return ColorTable(problems=[f"{path}: {error}"])
    return parse_color_csv(content, str(path))


def parse_color_csv(content: bytes, name: str) -> ColorTable:
    """Parse the bytes of a `color.csv`; `name` is how problems call it. See `read_color_csv`."""
    table = ColorTable()
    try:
        header, rows = split_rows(decode_text(content))
        header = [cell.casefold() for cell in header]
        missing = [name for name in ("file", *COLOR_COLUMNS) if name not in header]
        if missing:
            raise TableError(f"column(s) {', '.join(missing)} missing; expected {HEADER}")
        twice = sorted({cell for cell in header if cell and header.count(cell) > 1})
        if twice:
            raise TableError(f"column(s) {', '.join(twice)} twice; expected {HEADER}")
        seen: set[str] = set()
        for line, cells in rows:
            _add_row(table, f"{name}:{line}", header, cells, seen)
    except TableError as error:
        table.problems.append(f"{name}: {error}")
    except csv.Error as error:
        table.problems.append(f"{name}: not a CSV table ({error})")
    return table


def _add_row(
    table: ColorTable, where: str, header: list[str], row: list[str], seen: set[str]
) -> None:
    """Add one row, or say what is wrong with it; `seen` holds the files that have one."""
    table.rows += 1
    if len(row) != len(header):
        table.problems.append(f"{where}: {len(row)} cells, expected {len(header)}")
        return
    cells = dict(zip(header, row, strict=True))
    name, colors = cells["file"], colours_of([cells[column] for column in COLOR_COLUMNS])
    if not name:
        table.problems.append(f"{where}: no file name")
    elif colors is None:
        table.problems.append(f"{where}: {name}: colours must be integers 0..255")
    elif plain_name(name) in seen:
        table.problems.append(f"{where}: {name}: second row for this file, ignored")
    else:
        table.by_file[name] = colors
        seen.add(plain_name(name))


def colours_of(cells: Sequence[str]) -> Colors | None:
    """Return what six levels say, in the order of `COLOR_COLUMNS`; None if one is none."""
    levels = [level for cell in cells if (level := _level(cell)) is not None]
    if len(levels) != len(COLOR_COLUMNS) or len(cells) != len(COLOR_COLUMNS):
        return None
    r, g, b, skin_r, skin_g, skin_b = levels
    return Colors((r, g, b), (skin_r, skin_g, skin_b))


def _level(cell: str) -> int | None:
    """Read a level 0..255; None if it is none. Programs write ``12.0``, some countries ``12,0``."""
    whole = _WHOLE.fullmatch(cell)
    return int(whole[1]) if whole and int(whole[1]) <= 255 else None


def format_color_csv(rows: list[tuple[str, Colors]]) -> str:
    """Return the text of a `color.csv` for (file name, colours) rows."""
    text = io.StringIO()
    # The format has no quotes, but a lone carriage return in a name would end its row.
    odd = any("\r" in name for name, _ in rows)
    writer = csv.writer(
        text, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC if odd else csv.QUOTE_MINIMAL
    )
    writer.writerow(("file", *COLOR_COLUMNS))
    writer.writerows((name, *colors.hair, *colors.skin) for name, colors in rows)
    return text.getvalue()


def read_tag_csv(path: Place) -> tuple[Tags, list[str]]:
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
            found = frozenset(tag_of(cells[place], kind) for place, kind in kinds if cells[place])
            name = names.setdefault(plain_name(cells[file]), cells[file])
            if tags.setdefault(name, found) != found:
                problems.append(f"{path}:{line}: {name}: second row for this file, ignored")
    except (TableError, csv.Error) as error:
        return {}, [f"{path}: not a table of tags ({error})"]
    return tags, problems


def tag_of(word: str, kind: str) -> str:
    """Return the tag that a word in a column of `tags.csv` stands for."""
    return f"{word.casefold() if kind in WORDS else word}_{kind}"
