"""The usual picture files, decoded in half of Pillow's time and without holding Python's lock.

OpenCV ignores profiles, transparency and much of what can be wrong. It gets the files that have
nothing of that, for which both give the same pixels; all others are left to `images.codec`.
"""

from __future__ import annotations

import re
import zlib

import cv2
import numpy as np

from anime_pipeline.images.codec import MAX_PIXELS

_PNG_START = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
_PNG_RGB = bytes((8, 2, 0, 0, 0))  # bits, colour type, and the only compression; not interlaced
_PNG_PLAIN = frozenset((b"IHDR", b"IDAT", b"IEND", b"pHYs", b"tIME"))

_JPEG_START, _JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"
_JPEG_FRAMES = frozenset((0xC0, 0xC1, 0xC2))  # baseline, extended, progressive
_JPEG_SCAN = 0xDA
# Tables, restart interval, comment; JFIF too, but neither EXIF nor profiles nor Adobe's colours.
_JPEG_PLAIN = frozenset((0xC4, 0xDB, 0xDD, 0xE0, 0xFE, _JPEG_SCAN)) | _JPEG_FRAMES
_JPEG_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7]", re.DOTALL)  # what ends the data of a scan


def decode_plain(content: bytes) -> np.ndarray | None:
    """Decode the bytes of a plain 8-bit RGB PNG or colour JPEG.

    Returns:
        uint8 [H, W, 3], RGB, as `codec.decode` gives it; None for any other file, good or bad.
    """
    pixels = _pixels_of_png(content) or _pixels_of_jpeg(content)
    if not 0 < pixels <= MAX_PIXELS:
        return None
    # Nothing where it finds them damaged: Pillow says what is wrong.
    return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR_RGB)


def _pixels_of_png(content: bytes) -> int:
    """Return width x height of a whole, plain PNG; 0 for others.

    The checksums are looked at because libpng would complain of a wrong one on stderr itself.
    """
    if not content.startswith(_PNG_START) or content[24:29] != _PNG_RGB:
        return 0
    place, view = 8, memoryview(content)
    while place + 12 <= len(content):
        length = int.from_bytes(content[place : place + 4], "big")
        kind, end = content[place + 4 : place + 8], place + 8 + length
        checksum = int.from_bytes(content[end : end + 4], "big")
        if kind not in _PNG_PLAIN or zlib.crc32(view[place + 4 : end]) != checksum:
            return 0
        if kind == b"IEND":
            sides = content[16:20], content[20:24]
            return int.from_bytes(sides[0], "big") * int.from_bytes(sides[1], "big")
        place = end + 4
    return 0


def _pixels_of_jpeg(content: bytes) -> int:
    """Return width x height of a whole, plain JPEG of three channels; 0 for others."""
    if not content.startswith(_JPEG_START) or not content.endswith(_JPEG_END):
        return 0
    place, pixels = 2, 0
    while place + 10 <= len(content) and content[place] == 0xFF:
        kind = content[place + 1]
        if kind not in _JPEG_PLAIN:
            return 0
        if kind in _JPEG_FRAMES:
            bits, channels = content[place + 4], content[place + 9]
            if pixels or bits != 8 or channels != 3:
                return 0
            height = content[place + 5] << 8 | content[place + 6]
            pixels = height * (content[place + 7] << 8 | content[place + 8])
        place += 2 + (content[place + 2] << 8 | content[place + 3])
        if kind == _JPEG_SCAN:
            # Progressive files go on with other tables and scans, all files end like this.
            found = _JPEG_MARKER.search(content, place)
            if not found:
                return 0
            place = found.start()
            if place == len(content) - len(_JPEG_END):
                return pixels
    return 0
