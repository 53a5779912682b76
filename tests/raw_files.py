"""PNG and GIF files written byte by byte, with all that such files may say."""

import struct
import zlib

import numpy as np

CHANNELS = {1: 0, 2: 4, 3: 2, 4: 6}  # PNG's colour types


def chunk(kind: bytes, body: bytes = b"", damaged: bool = False) -> bytes:
    checksum = zlib.crc32(kind + body) ^ damaged
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum)


def pixels(samples: np.ndarray, depth: int = 8) -> bytes:
    """The compressed rows of samples [H, W] or [H, W, C]."""
    bits = np.unpackbits(samples.astype(">u2").reshape(len(samples), -1, 1).view(np.uint8), axis=2)
    packed = np.packbits(bits[..., 16 - depth :].reshape(len(samples), -1), axis=1)
    return zlib.compress(b"".join(b"\0" + row.tobytes() for row in packed))


def png(samples, depth=8, before=(), after=(), colour_type=None, own_data=True) -> bytes:
    """A PNG of integer samples [H, W] or [H, W, C].

    Args:
        samples: Not scaled, as the file has them.
        depth: Bits a sample.
        before: Chunks before the pixels.
        after: Chunks behind them.
        colour_type: Where the channels do not tell it (3 for a palette).
        own_data: Whether to write the pixels at all.
    """
    samples = np.asarray(samples)
    if colour_type is None:
        colour_type = CHANNELS[samples.shape[2] if samples.ndim == 3 else 1]
    head = struct.pack(">IIBBBBB", samples.shape[1], samples.shape[0], depth, colour_type, 0, 0, 0)
    data = [chunk(b"IDAT", pixels(samples, depth))] if own_data else []
    parts = [b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", head), *before, *data, *after, chunk(b"IEND")]
    return b"".join(parts)


def flat_png(*samples: int, depth: int = 8, before=(), side: int = 4) -> bytes:
    """A PNG of one colour."""
    return png(np.full((side, side, len(samples)), samples), depth, before)


def gamma(value: float) -> bytes:
    return chunk(b"gAMA", struct.pack(">I", round(value * 100_000)))


def chromaticities(*numbers: float) -> bytes:
    return chunk(b"cHRM", struct.pack(">8I", *(round(number * 100_000) for number in numbers)))


def key(*samples: int) -> bytes:
    return chunk(b"tRNS", struct.pack(f">{len(samples)}H", *samples))


def apng(size, frames, default=None, announced=None) -> bytes:
    """An animated PNG.

    Args:
        size: Width and height.
        frames: Samples [h, w, 4], left, top, disposal, blend; each a tenth of a second.
        default: Samples of a picture that is no frame; None: the first frame is it.
        announced: How many frames it says it has.
    """
    before = [
        chunk(b"acTL", struct.pack(">II", len(frames) if announced is None else announced, 0))
    ]
    after, sequence = [], 0
    for index, (samples, left, top, disposal, blend) in enumerate(frames):
        where = (samples.shape[1], samples.shape[0], left, top, 1, 10, disposal, blend)
        control = chunk(b"fcTL", struct.pack(">IIIIIHHBB", sequence, *where))
        sequence += 1
        if index == 0 and default is None:
            before.append(control)
            default = samples
            continue
        after += [control, chunk(b"fdAT", struct.pack(">I", sequence) + pixels(samples))]
        sequence += 1
    assert default.shape[1::-1] == size
    return png(default, before=before, after=after)


def gif(size, colours, frames) -> bytes:
    """A GIF of up to 100 colours.

    Args:
        size: Width and height of the canvas.
        colours: Its palette.
        frames: Indices [h, w], left, top, disposal, transparent index or None.
    """
    palette = b"".join(bytes(colour) for colour in colours).ljust(3 * 128, b"\0")
    parts = [b"GIF89a", struct.pack("<HHBBB", *size, 0xF6, 0, 0), palette]
    for indices, left, top, disposal, hidden in frames:
        flags = disposal << 2 | (hidden is not None)
        parts.append(b"\x21\xf9\x04" + struct.pack("<BHBB", flags, 10, hidden or 0, 0))
        height, width = indices.shape
        parts.append(b"\x2c" + struct.pack("<HHHHB", left, top, width, height, 0))
        # Of 7 bits a pixel, codes take 8 as long as the table is cleared often enough.
        flat, clear, end = indices.astype(np.uint8).tobytes(), b"\x80", b"\x81"
        codes = b"".join(clear + flat[i : i + 100] for i in range(0, len(flat), 100)) + end
        blocks = (codes[i : i + 255] for i in range(0, len(codes), 255))
        parts.append(b"\x07" + b"".join(bytes([len(block)]) + block for block in blocks) + b"\0")
    return b"".join(parts) + b"\x3b"
