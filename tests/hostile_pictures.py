"""Small files that cost whoever decodes them minutes, or gigabytes; made here, never kept."""

import struct
import zlib

from PIL import Image, ImageCms
from upscaling import saved

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunk(kind, content=b""):
    check = zlib.crc32(content, zlib.crc32(kind))
    return len(content).to_bytes(4) + kind + content + check.to_bytes(4)


def with_chunks(png, chunks):
    """Put chunks before the pixels of a PNG."""
    return png[:33] + chunks + png[33:]


def profile_tags(content):
    """Return a profile's tags: their bytes by name."""
    tags = {}
    for index in range(int.from_bytes(content[128:132])):
        name, place, size = struct.unpack_from(">4sII", content, 132 + 12 * index)
        tags[name] = content[place : place + size]
    return tags


def profile_of(header, tags):
    """Return a profile with the header of another and these tags."""
    place, table, bodies = 132 + 12 * len(tags), b"", b""
    for name, tag in tags.items():
        table += struct.pack(">4sII", name, place + len(bodies), len(tag))
        bodies += tag + bytes(-len(tag) % 4)
    content = header[4:128] + len(tags).to_bytes(4) + table + bodies
    return (4 + len(content)).to_bytes(4) + content


def srgb_profile():
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def long_pipeline(elements):
    """Return a tag: the same matrix so many times, each run for every pixel."""
    matrix = b"matf" + struct.pack(">IHH12f", 0, 3, 3, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0)
    at = struct.pack(">II", 16 + 8 * elements, len(matrix))
    return b"mpet" + struct.pack(">IHHI", 0, 3, 3, elements) + at * elements + matrix


def long_profile(elements, others=()):
    """Return a profile with such a pipeline from device to PCS, and some tags of sRGB's."""
    srgb = srgb_profile()
    tags = {name: tag for name, tag in profile_tags(srgb).items() if name in others}
    return profile_of(srgb, tags | {b"D2B0": long_pipeline(elements)})


def profiled(side, profile):
    """Return a PNG with a profile; its colours are none that go without."""
    return saved(
        Image.linear_gradient("L").resize((side, side)).convert("RGB"), "PNG", icc_profile=profile
    )


def profile_flood(count):
    """Return a PNG of one pixel whose profile is said so many times, a megabyte each time."""
    body = b"x\0\0" + zlib.compress(bytes(1_000_000), 9)
    return with_chunks(saved(Image.new("RGB", (1, 1)), "PNG"), chunk(b"iCCP", body) * count)


def long_texts(count):
    """Return a PNG of one pixel with so many texts of a megabyte each."""
    body = b"\0\0" + zlib.compress(bytes(1_000_000), 9)
    texts = [chunk(b"zTXt", b"%d" % number + body) for number in range(count)]
    return with_chunks(some(1), b"".join(texts))


def run_lengths(side):
    """Return a BMP whose every pixel is a run of its own."""
    data = (b"\x01\x05" * side + b"\0\0") * side + b"\0\x01"
    palette = bytes(range(256)) * 4
    place = 14 + 40 + len(palette)
    info = struct.pack("<IiiHHIIiiII", 40, side, side, 1, 8, 1, len(data), 0, 0, 256, 0)
    return b"BM" + struct.pack("<IHHI", place + len(data), 0, 0, place) + info + palette + data


def many_scans(side, count):
    """Return a progressive JPEG in which one scan over the whole picture is there so many times."""
    content = saved(Image.new("L", (side, side), 99), "JPEG", progressive=True)
    scans = [at for at in range(len(content)) if content[at : at + 2] == b"\xff\xda"]
    begin, end = scans[1], content.index(b"\xff", scans[1] + 2)
    return content[:begin] + content[begin:end] * count + content[end:]


def some(side=16, mode="RGB"):
    """Return a good PNG."""
    return saved(Image.linear_gradient("L").resize((side, side)).convert(mode), "PNG")
