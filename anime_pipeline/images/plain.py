"""The usual JPEG files, decoded without coming back to Python: threads work beside each other.

Pillow needs Python's lock so often that, with small pictures, of two threads one works. OpenCV
ignores profiles, orientation and much of what can be wrong, so it gets only files that have nothing
of that, for which both give the same pixels; all others are left to `images.codec`. Where their
data is damaged, which both fill, its library says so in a line on stderr.
"""

import re

import cv2
import numpy as np

from anime_pipeline.images.loading import MAX_PIXELS

# ITU-T T.81, annex B. JFIF first, so that the colours are known; neither EXIF nor profiles.
_START = re.compile(rb"\xff\xd8\xff\xe0\0\x10JFIF\0.{9}", re.DOTALL)
_TABLES = (b"\xff\xdb", b"\xff\xc4", b"\xff\xfe")  # quantisation, Huffman; comment
# Baseline, 8 bits, three components, of which the second and third may be of half the size.
_FRAME = re.compile(rb"\xff\xc0\0\x11\x08(..)(..)\x03.[\x11\x21\x22]..\x11..\x11.", re.DOTALL)
# One scan of all three, without restart markers, up to the end of the file.
_SCAN = re.compile(
    rb"\xff\xda\0\x0c\x03.{6}\0\x3f\0[^\xff]*+(?:\xff\0[^\xff]*+)*+\xff\xd9", re.DOTALL
)
_MOST_SEGMENTS = 32  # files have about ten


def decode_plain(content: bytes) -> np.ndarray | None:
    """Decode the bytes of a plain colour JPEG.

    Returns:
        uint8 [H, W, 3], RGB, as `codec.decode` gives it; None for any other file, good or bad.
    """
    if not 0 < _pixels(content) <= MAX_PIXELS:
        return None
    try:
        # Nothing where it finds it damaged: Pillow says what is wrong.
        return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR_RGB)
    except cv2.error:
        return None


def _pixels(content: bytes) -> int:
    """Return width x height of a plain JPEG that is whole; 0 for others."""
    start = _START.match(content)
    place, pixels = start.end() if start else len(content), 0
    for _ in range(_MOST_SEGMENTS):
        kind = content[place : place + 2]
        if kind == b"\xff\xda":
            return pixels if _SCAN.fullmatch(content, place) else 0
        frame = _FRAME.match(content, place)
        if frame and not pixels:
            pixels = int.from_bytes(frame[1]) * int.from_bytes(frame[2])
        elif kind not in _TABLES:
            return 0
        place += 2 + int.from_bytes(content[place + 2 : place + 4])
    return 0
