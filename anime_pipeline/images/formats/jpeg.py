"""JPEG files without their last bytes, of which every pixel is there nevertheless.

Decoders fill what is missing with grey and say nothing. So it is looked whether anything was:
whether the scans give every coefficient (ITU-T T.81, annex G), and whether other data in place of
what may be missing would make another picture.
"""

import hashlib
import io
import re

from PIL import Image

END = b"\xff\xd9"
FRAMES = frozenset((0xC0, 0xC1, 0xC2, 0xC9, 0xCA))  # sequential and progressive, Huffman or not
PROGRESSIVE = frozenset((0xC2, 0xCA))
SCAN, COEFFICIENTS = 0xDA, 64
MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)  # what ends the data of a scan
RESTART = re.compile(rb"\xff[\xd0-\xd7]")
OTHERS = (b"\x5a\xa5" * 32, b"\xa5\x5a" * 32)  # long enough to change some blocks


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


def _last_scan(content: bytes) -> int | None:
    """Return where the data of the last scan begins.

    None if the file ends elsewhere, or the scans do not give all bits of all coefficients.
    """
    place = 2
    missing: dict[int, set[int]] = {}  # by component
    progressive = False
    while place + 4 <= len(content) and content[place] == 0xFF:
        kind = content[place + 1]
        if kind == 0xFF:
            place += 1  # fill bytes
            continue
        begin = place + 4
        place += 2 + int.from_bytes(content[place + 2 : place + 4], "big")
        body = content[begin:place]
        if place > len(content):
            return None
        if kind in FRAMES:
            progressive = kind in PROGRESSIVE
            missing = {number: set(range(COEFFICIENTS)) for number in body[6::3]}
        if kind == SCAN:
            _take(missing, body, progressive)
            found = MARKER.search(content, place)
            if not found:
                return place if missing and not any(missing.values()) else None
            place = found.start()
    return None


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
