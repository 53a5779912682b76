"""The part of an ICC profile that pixels are converted by (ICC.1:2022, sections 7 to 10).

A profile may hold a program: a pipeline of multi-process elements, as long as its author likes,
which is run for every pixel, so that 300 bytes can take minutes. Matrix, curves and one small table
cost the same whatever they hold, and browsers know nothing else either.
"""

from __future__ import annotations

HEADER_BYTES, ENTRY_BYTES, MOST_TAGS = 128, 12, 100
# Larger than the tables of any printer's profile: 23 levels of four inks take 1.7 MB.
MOST_TABLE_BYTES, MOST_OTHER_BYTES = 2**22, 2**7
CURVES = (b"curv", b"para")
CONVERTING = {
    b"A2B0": (b"mft1", b"mft2", b"mAB "),
    b"rTRC": CURVES,
    b"gTRC": CURVES,
    b"bTRC": CURVES,
    b"kTRC": CURVES,
    b"rXYZ": (b"XYZ ",),
    b"gXYZ": (b"XYZ ",),
    b"bXYZ": (b"XYZ ",),
}
WHITE = {b"wtpt": (b"XYZ ",), b"chad": (b"sf32",)}


def plain_profile(content: bytes) -> bytes | None:
    """Return a profile with nothing in it but curves, matrix and small table from device to PCS.

    Where there are both a table and a pipeline, the table is left: it says the same for those who
    cannot run the other.

    Returns:
        A profile; None where nothing is left, or what was there is none.
    """
    if content[36:40] != b"acsp" or len(content) < HEADER_BYTES + 4:
        return None
    tags: dict[bytes, bytes] = {}
    for index in range(min(int.from_bytes(content[128:132]), MOST_TAGS)):
        begin = HEADER_BYTES + 4 + ENTRY_BYTES * index
        name = content[begin : begin + 4]
        place, size = (int.from_bytes(content[begin + at : begin + at + 4]) for at in (4, 8))
        tag = content[place : place + size]
        if len(tag) == size and _is_plain(name, tag):
            tags.setdefault(name, tag)
    return _profile_of(content[:HEADER_BYTES], tags) if tags.keys() & CONVERTING else None


def _is_plain(name: bytes, tag: bytes) -> bool:
    kinds = (CONVERTING | WHITE).get(name, ())
    table = kinds == CURVES or name == b"A2B0"
    return tag[:4] in kinds and len(tag) <= (MOST_TABLE_BYTES if table else MOST_OTHER_BYTES)


def _profile_of(header: bytes, tags: dict[bytes, bytes]) -> bytes:
    place = HEADER_BYTES + 4 + ENTRY_BYTES * len(tags)
    table, bodies = [len(tags).to_bytes(4)], []
    for name, tag in tags.items():
        table.append(name + place.to_bytes(4) + len(tag).to_bytes(4))
        bodies.append(tag + bytes(-len(tag) % 4))
        place += len(bodies[-1])
    return b"".join([place.to_bytes(4), header[4:], *table, *bodies])
