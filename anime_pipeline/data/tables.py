"""Small tables that people keep beside pictures: text in any usual form, and names as they meant.

RFC 4180 and what spreadsheets make of it: Excel separates cells by the semicolon in half of Europe,
saves UTF-16 as "Unicode text" and writes ``sep=;`` above the header.
"""

from __future__ import annotations

import csv
import io
import os
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator

from anime_pipeline.data.sources.places import Place, located, without_facts
from anime_pipeline.data.sources.reading import read

MAX_BYTES = 2**28  # a thousand times the table of the largest set we know; memory must have an end

MAX_HEADER = 2**16

_SEPARATORS = ",;\t"
_BLANK_LINE = re.compile(r"[\s,;]*?(?:\r\n|\r|\n)")
_SEPARATOR_LINE = re.compile(r'"?sep=([^\r\n"\\ ])"?[,;\t]*(?:\r\n|\r|\n)', re.IGNORECASE)
_HERE = re.compile(r"(?:\.[/\\]+)+")

Row = tuple[int, list[str]]  # the line that it ends on, and its cells


class TableError(ValueError):
    """A text that is no table; says what it is instead."""


def read_bytes(path: Place) -> bytes:
    """Return the content of a table.

    Raises:
        TableError: If it cannot be read or is larger than any table of pictures.
    """
    try:
        return read(path, MAX_BYTES)
    except OSError as error:
        raise TableError(f"cannot be read ({error.strerror})") from None


def find_table(
    folder: str, name: str, entries: Callable[[str], list[str]] = os.listdir
) -> tuple[Place | None, list[str]]:
    """Return the file of a name in any case, as Windows and macOS compare names.

    Args:
        folder: A folder that can be listed.
        name: How the file is called, in small letters.
        entries: Lists it.

    Returns:
        Whatever is there, be it a file or not: whoever reads it will say so; None for nothing. And
        a line for each further one that differs in case alone and is not read.
    """
    there = ((without_facts(each), each) for each in entries(folder))
    found = sorted(
        (pair for pair in there if pair[0].casefold() == name),
        key=lambda pair: (pair[0] != name, pair[0]),
    )
    if not found:
        return None, []
    used, *others = (located(folder, each) for _, each in found)
    return used, [f"{other}: not read, as {used.name} is there too" for other in others]


def decode_text(content: bytes) -> str:
    """Decode a table: UTF-8, or UTF-16 as spreadsheets save it, with or without its mark.

    Raises:
        TableError: If it is neither. Other encodings cannot be told apart, so none is guessed.
    """
    encoding = "utf-8-sig"
    head = content[:512]
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
    elif 4 * head[1::2].count(0) > len(head):  # ASCII's other half is zero
        encoding = "utf-16-le"
    elif 4 * head[0::2].count(0) > len(head):
        encoding = "utf-16-be"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        raise TableError("not UTF-8 or UTF-16 text; save it as UTF-8 CSV") from None


def split_rows(text: str) -> tuple[list[str], Iterator[Row]]:
    """Split a table into its header and its rows.

    Blank lines and an Excel `sep=` line before the header are passed over, as are empty rows and
    empty cells beyond the header.

    Returns:
        The header's cells, stripped, and the rows. Rows raise `csv.Error` where quotes do not fit.
    """
    start, separator = 0, ""
    while True:
        named = _SEPARATOR_LINE.match(text, start)
        skipped = named or _BLANK_LINE.match(text, start)
        if skipped is None:
            break
        separator = named[1] if named else separator
        start = skipped.end()
    lines_before = len(re.findall(r"\r\n|\r|\n", text[:start]))
    body = text[start:]
    if not separator:
        separator = max(_SEPARATORS, key=lambda each: _cells_of_header(body, each))
    reader = _reader(body, separator)
    header = [cell.strip() for cell in next(reader, [])]
    while header and not header[-1]:
        header.pop()
    return header, _rows(reader, len(header), lines_before)


def _cells_of_header(text: str, separator: str) -> int:
    try:
        return len(next(_reader(text[:MAX_HEADER], separator), []))
    except csv.Error:  # quotes that do not fit: cells are separated by another one
        return 0


def _reader(text: str, separator: str) -> Iterator[list[str]]:
    # Not pandas: it shifts columns silently where rows hold one cell too many, people are told the
    # line of each bad row, and it takes ten times as long for small tables, one a folder.
    return csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)


def _rows(reader: Iterator[list[str]], width: int, lines_before: int) -> Iterator[Row]:
    for row in reader:
        cells = [cell.strip() for cell in row]
        while len(cells) > width and not cells[-1]:
            cells.pop()
        if any(cells):
            yield reader.line_num + lines_before, cells  # type: ignore[attr-defined]


def plain_name(name: str) -> str:
    """Return a name without a leading ``./`` or its Windows form, accents composed (NFC)."""
    return unicodedata.normalize("NFC", _HERE.sub("", name, count=1) if name[:1] == "." else name)


# Stricter ones first: a row that names a picture exactly is never another's.
_KEYS: tuple[Callable[[str], str], ...] = (
    plain_name,
    lambda name: (parts := os.path.splitext(plain_name(name)))[0] + parts[1].casefold(),
    lambda name: plain_name(name).casefold(),
)


def match_names(pictures: Collection[str], rows: Iterable[str]) -> dict[str, str]:
    """Find the row that means each picture.

    Names are compared as they are, then without ``./``, then with endings in any case, then
    altogether in any case, as Windows and macOS compare them. What could mean two is left alone.

    Args:
        pictures: File names on the disk.
        rows: Names in the table, stripped.

    Returns:
        Names in the table by file name, for those that have one.
    """
    there = set(rows)
    found = {name: name.strip() for name in pictures if name.strip() in there}
    left = there.difference(found.values())
    alone = [name for name in pictures if name not in found]
    for key in _KEYS:
        if not left or not alone:
            break
        wanted, asking = _by_key(key, left), _by_key(key, alone)
        for text, names in asking.items():
            if len(names) == len(wanted.get(text, ())) == 1:
                found[names[0]] = wanted[text][0]
                left.discard(wanted[text][0])
        alone = [name for name in alone if name not in found]
    return found


def _by_key(key: Callable[[str], str], names: Iterable[str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(key(name.strip()), []).append(name)
    return groups
