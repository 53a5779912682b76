"""The frames of a GIF (CompuServe, GIF89a), each as a GIF of one frame."""

import struct
from collections.abc import Iterator

from anime_pipeline.images.formats.composition import Disposal, StoredFrame

SCREEN = 13  # bytes of the signature and of what describes the canvas
EXTENSION, DESCRIPTOR, TRAILER, CONTROL, PLAIN_TEXT = 0x21, 0x2C, 0x3B, 0xF9, 0x01
DISPOSALS = {2: Disposal.CLEAR, 3: Disposal.RESTORE}  # all others keep what is there


def canvas_of(content: bytes) -> tuple[int, int]:
    """Return the size of the canvas; at least the first frame's, as browsers have it."""
    width, height = struct.unpack_from("<HH", content, 6)
    first = next(stored_frames(content))
    return max(width, first.at[0] + first.size[0]), max(height, first.at[1] + first.size[1])


def stored_frames(content: bytes) -> Iterator[StoredFrame]:
    """Yield the frames of a GIF, as far as the file goes.

    Raises:
        ValueError: If there is none.
    """
    place = SCREEN + _palette_bytes(content[10])
    palette = content[SCREEN:place]
    control, found = b"", False
    while place < len(content) and content[place] != TRAILER:
        if content[place] == EXTENSION:
            label, begin = content[place + 1 : place + 2], place
            place = _behind_blocks(content, place + 2)
            if label == bytes([CONTROL]) and place - begin >= 8:
                control = content[begin:place]
            elif label == bytes([PLAIN_TEXT]):
                control = b""  # it was about the text, which nobody draws
        elif content[place] == DESCRIPTOR and place + 10 < len(content):
            begin = place
            flags = content[begin + 9]
            data = begin + 10 + _palette_bytes(flags)
            place = _behind_blocks(content, data + 1)
            yield _stored(content, palette, control, content[begin:place])
            control, found = b"", True
        else:
            place += 1  # what other readers skip, too
    if not found:
        raise ValueError("no frame is there")


def _stored(content: bytes, palette: bytes, control: bytes, image: bytes) -> StoredFrame:
    left, top, width, height = struct.unpack_from("<HHHH", image, 1)
    flags, hundredths = (control[3], control[4] | control[5] << 8) if control else (0, 0)
    screen = content[:6] + struct.pack("<HH", width, height) + content[10:SCREEN]
    whole = [screen, palette, control, image[:1], bytes(4), image[5:], b"\0", bytes([TRAILER])]
    disposal = DISPOSALS.get(flags >> 2 & 7, Disposal.KEEP)
    return StoredFrame(b"".join(whole), (width, height), (left, top), 10 * hundredths, disposal)


def _palette_bytes(flags: int) -> int:
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def _behind_blocks(content: bytes, place: int) -> int:
    """Return what follows a chain of blocks, each with its length before it, and an empty one."""
    while place < len(content) and content[place]:
        place += 1 + content[place]
    return min(place + 1, len(content))
