"""The chunks of a PNG that say what its pixels mean (W3C PNG, third edition, sections 5 and 11).

Pillow decodes the pixels. It does not read all of these chunks, and it refuses a picture whole
where section 13 lets a decoder drop one damaged chunk that nobody needs for the pixels.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, RGB = 0, 2  # colour types whose transparency is one colour
# Bytes of side chunks that always have as many; others are as damaged as with a wrong checksum.
LENGTHS = {b"cICP": 4, b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"pHYs": 9, b"tIME": 7, b"acTL": 8}


class Chunk(NamedTuple):
    """Where a chunk lies: `begin` is that of its length, `end` is behind its checksum."""

    kind: bytes
    begin: int
    end: int


@dataclass(frozen=True)
class PngHeader:
    """What stands before the pixels.

    Attributes:
        size: Width and height.
        depth: Bits a sample.
        colour_type: 0 grey, 2 RGB, 3 palette, 4 grey with alpha, 6 RGBA.
        key: The samples of the one colour that is transparent, for types 0 and 2.
        cicp: Primaries, transfer, matrix and full range, by ITU-T H.273.
        profiled: Whether there is an ICC profile.
        srgb: Whether it is declared to be sRGB.
        gamma: Exponent of the encoding.
        chromaticities: x and y of white, red, green and blue.
        animated: Frames that acTL announces; 0 in a still.
        default_is_frame: Whether the picture that stills show is the first frame.
    """

    size: tuple[int, int]
    depth: int
    colour_type: int
    key: tuple[int, ...] | None = None
    cicp: tuple[int, int, int, int] | None = None
    profiled: bool = False
    srgb: bool = False
    gamma: float | None = None
    chromaticities: tuple[float, ...] | None = None
    animated: int = 0
    default_is_frame: bool = False


def chunks(content: bytes) -> Iterator[Chunk]:
    """Yield the chunks that are there as a whole, to the last one."""
    place = len(SIGNATURE)
    while place + 12 <= len(content):
        end = place + 12 + int.from_bytes(content[place : place + 4], "big")
        if end > len(content):
            return  # cut off; whether that costs pixels is found when they are decoded
        kind = content[place + 4 : place + 8]
        yield Chunk(kind, place, end)
        if kind == b"IEND":
            return
        place = end


def make_chunk(kind: bytes, body: bytes) -> bytes:
    """Return a chunk with its length and checksum."""
    checksum = zlib.crc32(body, zlib.crc32(kind))
    return b"".join([len(body).to_bytes(4), kind, body, checksum.to_bytes(4)])


def body_of(content: bytes, chunk: Chunk) -> bytes:
    """Return what a chunk holds."""
    return content[chunk.begin + 8 : chunk.end - 4]


def without_damaged_extras(content: bytes) -> bytes:
    """Return a PNG without the ancillary chunks that are damaged; others as they are.

    That of a critical chunk (its name begins with a capital) stays for the decoder to refuse.
    """
    if not content.startswith(SIGNATURE):
        return content
    view, kept, begin = memoryview(content), [], 0
    for chunk in chunks(content):
        ancillary = bool(chunk.kind[0] & 0x20)
        if ancillary and _is_damaged(view, chunk):
            kept.append(view[begin : chunk.begin])
            begin = chunk.end
    return b"".join([*kept, view[begin:]]) if kept else content


def _is_damaged(view: memoryview, chunk: Chunk) -> bool:
    length = chunk.end - chunk.begin - 12
    if LENGTHS.get(chunk.kind, length) != length:
        return True
    found = int.from_bytes(view[chunk.end - 4 : chunk.end])
    return zlib.crc32(view[chunk.begin + 4 : chunk.end - 4]) != found


def read_header(content: bytes) -> PngHeader:
    """Read what stands before the pixels of a PNG `without_damaged_extras`.

    Raises:
        ValueError: If it does not begin like one.
    """
    if not content.startswith(SIGNATURE) or content[12:16] != b"IHDR" or len(content) < 33:
        raise ValueError("no PNG header")
    size = int.from_bytes(content[16:20], "big"), int.from_bytes(content[20:24], "big")
    depth, colour_type = content[24], content[25]
    facts: dict[str, object] = {}
    for chunk in chunks(content):
        if chunk.kind == b"IDAT":
            break
        facts |= _fact(chunk.kind, body_of(content, chunk), depth, colour_type)
    return PngHeader(size, depth, colour_type, **facts)  # type: ignore[arg-type]


def _fact(kind: bytes, body: bytes, depth: int, colour_type: int) -> dict[str, object]:
    numbers = [int.from_bytes(body[i : i + 4], "big") for i in range(0, min(len(body), 32), 4)]
    if kind == b"tRNS" and len(body) == {GREY: 2, RGB: 6}.get(colour_type):
        # "If the image bit depth is less than 16 bits, the least significant bits are used."
        samples = [int.from_bytes(body[i : i + 2], "big") for i in range(0, len(body), 2)]
        return {"key": tuple(sample & (2**depth - 1) for sample in samples)}
    if kind == b"gAMA" and numbers[0]:
        return {"gamma": numbers[0] / 100_000}
    facts: dict[bytes, dict[str, object]] = {
        b"cICP": {"cicp": tuple(body)},
        b"iCCP": {"profiled": True},
        b"sRGB": {"srgb": True},
        b"cHRM": {"chromaticities": tuple(number / 100_000 for number in numbers)},
        b"acTL": {"animated": numbers[0] if numbers else 0},
        b"fcTL": {"default_is_frame": True},
    }
    return facts.get(kind, {})
