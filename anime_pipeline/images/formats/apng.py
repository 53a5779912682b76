"""The frames of an animated PNG (W3C PNG, third edition, section 11.3.5), each as a PNG.

Pillow then decodes them one by one, so that all it knows of PNG holds for every frame.
"""

import os
import struct
import zlib
from collections.abc import Iterator
from itertools import takewhile
from typing import IO

from anime_pipeline.images.formats.composition import Disposal, StoredFrame
from anime_pipeline.images.formats.png import SIGNATURE, body_of, chunks, make_chunk, read_header

# What frames share with the default image: how to read samples, and nothing about the whole.
SHARED = frozenset((b"PLTE", b"tRNS", b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"sBIT"))
DISPOSALS = {0: Disposal.KEEP, 1: Disposal.CLEAR, 2: Disposal.RESTORE}
OVER = 1
END = make_chunk(b"IEND", b"")
CONTROL = struct.Struct(">IIIIIHHBB")


def count_frames(file: IO[bytes]) -> int:
    """Return how many frames a PNG announces, 0 for a still and for any other file.

    Args:
        file: Binary and seekable, at its beginning; no more of it is read than it takes.
    """
    if file.read(len(SIGNATURE)) != SIGNATURE:
        return 0
    while len(head := file.read(8)) == 8:
        length, kind = int.from_bytes(head[:4], "big"), head[4:]
        if kind == b"IDAT":
            return 0  # what follows the pixels is no announcement any more
        if kind == b"acTL" and length == 8:
            body, checksum = file.read(8), file.read(4)
            if zlib.crc32(kind + body) == int.from_bytes(checksum, "big"):
                return int.from_bytes(body[:4], "big")
            continue
        file.seek(length + 4, os.SEEK_CUR)
    return 0


def stored_frames(content: bytes) -> Iterator[StoredFrame]:
    """Yield the frames of an animated PNG, as many as it announces.

    Raises:
        ValueError: If one is missing, or does not fit the picture; says which.
    """
    header = read_header(content)
    before = takewhile(lambda chunk: chunk.kind != b"IDAT", chunks(content))
    shared = [content[each.begin : each.end] for each in before if each.kind in SHARED]
    number = 0
    for control, data in _stored_parts(content):
        if number == header.animated:
            return
        number += 1
        if len(control) != CONTROL.size:
            raise ValueError(f"frame {number}: its control chunk has a wrong size")
        _, width, height, left, top, ticks, rate, disposal, blend = CONTROL.unpack(control)
        if left + width > header.size[0] or top + height > header.size[1] or not width * height:
            raise ValueError(f"frame {number}: it does not lie within the picture")
        whole = (width, height, left, top) == (*header.size, 0, 0)
        if number == 1 and header.default_is_frame and not whole:
            raise ValueError("frame 1: it is the picture that stills show, and has another size")
        if disposal not in DISPOSALS or blend > OVER:
            raise ValueError(f"frame {number}: unknown way to compose it")
        # As in the file's own header: bits, colour type, compression, filters, interlacing.
        own = make_chunk(b"IHDR", struct.pack(">II", width, height) + content[24:29])
        yield StoredFrame(
            b"".join([SIGNATURE, own, *shared, make_chunk(b"IDAT", data), END]),
            (width, height),
            (left, top),
            round(1000 * ticks / (rate or 100)),
            DISPOSALS[disposal],
            blend == OVER,
        )
    if number < header.animated:
        raise ValueError(f"{number} of {header.animated} frames are there")


def _stored_parts(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield each frame's control chunk and compressed data; none of pixels that are no frame's."""
    control: bytes | None = None
    data: list[bytes] = []
    sequence = 0
    for chunk in chunks(content):
        body = body_of(content, chunk)
        if chunk.kind in (b"fcTL", b"fdAT"):
            if int.from_bytes(body[:4]) != sequence:
                raise ValueError(f"part {sequence} of the animation is missing")
            sequence += 1
        if chunk.kind == b"fcTL":
            if control is not None:
                yield control, b"".join(data)
            control, data = body, []
        elif chunk.kind in (b"IDAT", b"fdAT") and control is not None:
            data.append(body[4 * (chunk.kind == b"fdAT") :])
    if control is not None:
        yield control, b"".join(data)
