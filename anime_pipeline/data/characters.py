"""Character folders: `NNN_name/face_*.png` with a `color.csv` of hair and skin colours a folder."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

COLOR_FILE = "color.csv"
COLOR_COLUMNS = ("hair_r", "hair_g", "hair_b", "skin_r", "skin_g", "skin_b")
HEADER = ",".join(("file", *COLOR_COLUMNS))

Rgb = tuple[int, int, int]


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


def read_color_csv(path: Path) -> ColorTable:
    """Read a `color.csv`; bad rows are named in `problems` and left out, never guessed.

    Args:
        path: The CSV: header `file,hair_r,hair_g,hair_b,skin_r,skin_g,skin_b`, integers 0..255.

    Returns:
        The table; empty with a problem if the file cannot be used at all.
    """
    table = ColorTable()
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        table.problems.append(f"{path}: cannot be read ({error.strerror})")
        return table
    except UnicodeDecodeError:
        table.problems.append(f"{path}: not UTF-8 text; save it as UTF-8 CSV")
        return table
    try:
        frame = pd.read_csv(
            io.StringIO(text), dtype=str, keep_default_na=False, on_bad_lines="error"
        )
    except (pd.errors.EmptyDataError, pd.errors.ParserError, ValueError) as error:
        table.problems.append(f"{path}: not a CSV table ({str(error).strip()})")
        return table
    frame.columns = frame.columns.str.strip()
    missing = [name for name in ("file", *COLOR_COLUMNS) if name not in frame.columns]
    if missing:
        table.problems.append(f"{path}: column(s) {', '.join(missing)} missing; expected {HEADER}")
        return table
    table.rows = len(frame)
    _collect(frame, path, table)
    return table


def _collect(frame: pd.DataFrame, path: Path, table: ColorTable) -> None:
    values = frame[list(COLOR_COLUMNS)].apply(pd.to_numeric, errors="coerce")
    whole = (values.notna() & (values >= 0) & (values <= 255) & (values % 1 == 0)).all(axis=1)
    names = frame["file"].str.strip()
    # Line 1 is the header, so the first data row is line 2 of the file.
    for line, (name, good) in enumerate(zip(names, whole, strict=True), start=2):
        if not name:
            table.problems.append(f"{path}:{line}: no file name")
        elif not good:
            table.problems.append(f"{path}:{line}: {name}: colours must be integers 0..255")
        elif name in table.by_file:
            table.problems.append(f"{path}:{line}: {name}: second row for this file, ignored")
        else:
            row = values.iloc[line - 2].astype(int).tolist()
            table.by_file[name] = Colors((row[0], row[1], row[2]), (row[3], row[4], row[5]))


def format_color_csv(rows: list[tuple[str, Colors]]) -> str:
    """Return the text of a `color.csv` for (file name, colours) rows."""
    frame = pd.DataFrame(
        [(name, *colors.hair, *colors.skin) for name, colors in rows],
        columns=["file", *COLOR_COLUMNS],
    )
    return frame.to_csv(index=False, lineterminator="\n")
