"""Writing a PNG strip by strip, so that a picture of any size needs the memory of a strip.

Pillow and OpenCV encode only whole pictures, which they also copy: at 12,000 x 8,000 px that is a
gigabyte. PNG (ISO/IEC 15948) is a row format: each row is predicted from the one above (section 9)
and all go through one zlib stream (section 10).
"""

import hashlib
import io
import os
import struct
import zlib
from collections.abc import Iterable
from typing import IO

import numpy as np
from PIL import Image

from anime_pipeline.images.formats.png import SIGNATURE, body_of, chunks, make_chunk

COLOUR_TYPES = {1: 0, 3: 2, 4: 6}  # by channels: grey, RGB, RGBA
SEAL = b"tEXtseal\0"  # a chunk before the end: the sha256 of all before it
END = make_chunk(b"IEND", b"")
BLOCK_BYTES = 2**20  # filtered at once


def write_png_strips(
    file: IO[bytes],
    size: tuple[int, int],
    channels: int,
    strips: Iterable[np.ndarray],
    text: dict[str, str] | None = None,
    *,
    seal: bool = False,
) -> None:
    """Write a PNG from strips of rows, top to bottom.

    Args:
        file: Binary file to write to; it need not be seekable.
        size: Width and height in pixels.
        channels: 1 (grey), 3 (RGB) or 4 (RGBA), 8 bits each.
        strips: uint8 arrays [h, width, channels] whose heights add up to the height.
        text: Entries for people and programs (tEXt or, beyond Latin-1, iTXt chunks).
        seal: Whether to add a checksum, by which `is_sealed` tells that nobody has edited it.

    Raises:
        ValueError: If the strips do not add up to the picture.
    """
    width, height = size
    checksum = hashlib.sha256()

    def write(part: bytes) -> None:
        checksum.update(part)
        file.write(part)

    header = struct.pack(">IIBBBBB", width, height, 8, COLOUR_TYPES[channels], 0, 0, 0)
    write(SIGNATURE)
    write(make_chunk(b"IHDR", header))
    for key, value in (text or {}).items():
        write(_text_chunk(key, value))
    packer = zlib.compressobj(6)
    above = np.zeros((1, width, channels), np.uint8)
    done = 0
    block = max(1, BLOCK_BYTES // (width * channels))
    for strip in strips:
        if strip.shape[1:] != (width, channels):
            raise ValueError(f"Expected strips [h, {width}, {channels}]. Received: {strip.shape}")
        for begin in range(0, len(strip), block):
            rows = np.asarray(strip[begin : begin + block], np.uint8)
            if packed := packer.compress(_filtered(rows, above)):  # or it keeps them
                write(make_chunk(b"IDAT", packed))
            above = rows[-1:]
        done += len(strip)
    if done != height:
        raise ValueError(f"Expected {height} rows in all strips. Received: {done}")
    write(make_chunk(b"IDAT", packer.flush()))
    file.write(_sealed_end(checksum.hexdigest()) if seal else END)


def is_sealed(file: IO[bytes]) -> bool:
    """Tell whether a PNG is, to the last byte, as `write_png_strips` has sealed it."""
    checksum = hashlib.sha256()
    left = file.seek(0, os.SEEK_END) - len(_sealed_end("")) - 2 * checksum.digest_size
    file.seek(0)
    while left > 0 and (part := file.read(min(left, BLOCK_BYTES))):
        checksum.update(part)
        left -= len(part)
    return file.read() == _sealed_end(checksum.hexdigest())


def _sealed_end(checksum: str) -> bytes:
    """Return how a file ends whose other bytes have this sha256."""
    return make_chunk(SEAL[:4], SEAL[4:] + checksum.encode()) + END


def _text_chunk(key: str, value: str) -> bytes:
    try:
        return make_chunk(b"tEXt", key.encode("latin-1") + b"\0" + value.encode("latin-1"))
    except UnicodeEncodeError:
        return make_chunk(b"iTXt", key.encode("latin-1") + b"\0\0\0\0\0" + value.encode("utf-8"))


def _filtered(rows: np.ndarray, above: np.ndarray) -> bytes:
    """Predict each row of uint8 [h, W, C] from the one above, as Pillow chooses."""
    block = np.concatenate([above, rows])
    file = io.BytesIO()
    Image.fromarray(block.squeeze(2) if block.shape[2] == 1 else block).save(
        file, "PNG", compress_level=0
    )
    content = file.getvalue()
    packed = [body_of(content, chunk) for chunk in chunks(content) if chunk.kind == b"IDAT"]
    return zlib.decompress(b"".join(packed))[1 + above.size :]
