"""The segments of a JPEG (ITU-T T.81, annex B), and files that lack nothing but their last bytes.

Decoders fill what is missing with grey and say nothing. So it is looked whether anything was:
whether the scans give every coefficient (annex G), and whether other data in place of what may be
missing would make another picture.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator
from typing import NamedTuple

from PIL import Image

END = b"\xff\xd9"
FRAMES = frozenset((0xC0, 0xC1, 0xC2, 0xC9, 0xCA))  # sequential and progressive, Huffman or not
PROGRESSIVE = frozenset((0xC2, 0xCA))
SCAN, COEFFICIENTS = 0xDA, 64
MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)  # what ends the data of a scan
RESTART = re.compile(rb"\xff[\xd0-\xd7]")
OTHERS = (b"\x5a\xa5" * 32, b"\xa5\x5a" * 32)  # long enough to change some blocks


class Segment(NamedTuple):
    """One segment: its body, and where it ends; after a scan's header comes its data."""

    kind: int
    body: bytes
    end: int
    after: int


def with_end(content: bytes) -> bytes | None:
    """Return a JPEG with the end that it lacks, or None if pixels are missing, too."""
    body = content[:-1] if content.endswith(b"\xff") else content
    scan = _last_scan(body)
    if scan is None:
        return None
    whole = body + END
    expected = _pixels(whole)
    # What is missing may begin with a restart marker: decoders take no data before it.
    marks = [mark[1] & 7 for mark in RESTART.findall(body, scan)]
    following = [(marks[-1] + 1 if marks else 0) + number & 7 for number in range(8)]
    restarts = [b"\xff" + bytes([0xD0 + number]) for number in following]
    tails = (b"".join(bits + mark for mark in restarts) + bits for bits in OTHERS)
    return whole if all(_pixels(body + tail + END) == expected for tail in tails) else None


def _pixels(content: bytes) -> bytes:
    """Return a hash of the pixels: three decoded pictures at once would be too many."""
    with Image.open(io.BytesIO(content), formats=["JPEG"]) as picture:
        return hashlib.sha256(picture.tobytes()).digest()


def segments(content: bytes) -> Iterator[Segment]:
    """Yield the segments that are there as a whole, to the last one."""
    place = 2
    while place + 4 <= len(content) and content[place] == 0xFF:
        kind = content[place + 1]
        if kind == 0xFF:
            place += 1  # fill bytes
            continue
        begin = place + 4
        place += 2 + int.from_bytes(content[place + 2 : place + 4])
        if place > len(content):
            return
        after = place
        if kind == SCAN:
            found = MARKER.search(content, place)
            after = found.start() if found else len(content)
        yield Segment(kind, content[begin:place], place, after)
        place = after


def _last_scan(content: bytes) -> int | None:
    """Return where the data of the last scan begins.

    None if the file ends elsewhere, or the scans do not give all bits of all coefficients.
    """
    missing: dict[int, set[int]] = {}  # by component
    progressive, last = False, None
    for last in segments(content):
        if last.kind in FRAMES:
            progressive = last.kind in PROGRESSIVE
            missing = {number: set(range(COEFFICIENTS)) for number in last.body[6::3]}
        if last.kind == SCAN:
            _take(missing, last.body, progressive)
    if last is None or last.kind != SCAN or last.after < len(content):
        return None
    return last.end if missing and not any(missing.values()) else None


def _take(missing: dict[int, set[int]], scan: bytes, progressive: bool) -> None:
    """Strike out what a scan gives: a band of coefficients, of which it may leave the last bits."""
    count = scan[0] if scan else 0
    if len(scan) < 4 + 2 * count:
        return
    first, last, bits = scan[1 + 2 * count : 4 + 2 * count]
    if not progressive:
        first, last, bits = 0, COEFFICIENTS - 1, 0
    if bits & 0xF == 0:
        for number in scan[1 : 1 + 2 * count : 2]:
            missing.get(number, set()).difference_update(range(first, last + 1))
