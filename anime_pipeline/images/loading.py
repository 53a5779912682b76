"""Decoding one file of any format to what the format says it shows, in sRGB.

Pillow decodes. What it leaves out of the formats is done here and in the modules named for them:
colour and transparency of PNG, canvases of animations, wide grey, JPEG files without their end.
"""

import io
import struct

import cv2
import numpy as np
from PIL import Image, TiffImagePlugin, UnidentifiedImageError, features

from anime_pipeline.core.errors import DataError
from anime_pipeline.images.formats import apng, gif, grey, png_colour
from anime_pipeline.images.formats.composition import StoredFrame, compose
from anime_pipeline.images.formats.jpeg import with_end
from anime_pipeline.images.formats.png import GREY, RGB, SIGNATURE, PngHeader, read_header
from anime_pipeline.images.formats.profiles import grey_profile_curve, to_srgb
from anime_pipeline.images.headers import KNOWN, open_header

MAX_PIXELS = 64_000_000

# The limit above is checked before anything is decoded. Pillow's own would stop the headers of our
# larger results from being read.
Image.MAX_IMAGE_PIXELS = None

# Of planes of 16 bits, Pillow's own reader takes the low bytes of one; libtiff knows them all.
TiffImagePlugin.READ_LIBTIFF = True
# What libtiff reads and Pillow has no name for: big-endian grey of 32 bits, and white as 0.
for _order, _white, _bits, _mode, _raw in (
    (b"MM", 1, 32, "I", "I;32N"),
    (b"MM", 0, 32, "I", "I;32N"),
    (b"II", 0, 32, "I", "I;32N"),
    (b"MM", 0, 16, "I;16B", "I;16B"),
):
    TiffImagePlugin.OPEN_INFO.setdefault((_order, _white, (1,), 1, (_bits,), ()), (_mode, _raw))

BEGINNINGS = {
    SIGNATURE: "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"GIF8": "GIF",
    b"RIFF": "WEBP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
}
LONG_BYTES = 2**24
AVIF_HEAD_BYTES = 2**20  # in which its properties stand
AVIF_BRANDS = (b"ftypavif", b"ftypavis")


def opened(content: bytes, name: str, formats: tuple[str, ...] | None = None) -> Image.Image:
    """Read a picture's header, of `formats` or any in `headers.KNOWN`.

    Raises:
        DataError: If it has too many pixels, or begins like a known format and is none.
        UnidentifiedImageError: If it is nothing that is known.
    """
    if content[4:12] in AVIF_BRANDS and not features.check("avif"):
        raise DataError(
            f"{name}: AVIF, which the installed Pillow cannot read; install Pillow 11.3 or later, "
            "or save it as PNG"
        )
    try:
        if len(content) > LONG_BYTES:  # in which a parser could go on for minutes
            open_header(io.BytesIO(content), formats or KNOWN)
        picture = Image.open(io.BytesIO(content), formats=formats or KNOWN)
    except DataError as error:
        raise DataError(f"{name}: {error}") from None
    except UnidentifiedImageError:
        kind = next((BEGINNINGS[start] for start in BEGINNINGS if content.startswith(start)), None)
        if kind is None or (formats is not None and kind not in formats):
            raise
        raise DataError(
            f"{name}: damaged picture, or a kind of {kind} that is not supported; save it anew as "
            "8- or 16-bit RGB or grey"
        ) from None
    # Before decoding: a 10 kB file can ask for gigabytes of memory.
    _check_pixels(picture.size, name)
    return picture


def _check_pixels(size: tuple[int, int], name: str) -> None:
    if size[0] * size[1] > MAX_PIXELS:
        raise DataError(f"{name}: more than {MAX_PIXELS:,} pixels; resize it first")


def loaded(picture: Image.Image, content: bytes, name: str) -> Image.Image:
    """Decode what `opened` gave, of an animation the first frame, to sRGB; not yet upright.

    Raises:
        DataError: If its numbers cannot be understood.
        Exception: Whatever the decoders make of damaged bytes, see `codec.naming`.
    """
    if picture.format == "PNG":
        return _png(picture, content, name)
    if picture.format == "GIF":
        return _gif(picture, content, name)
    if picture.format in ("JPEG", "MPO"):
        picture = _jpeg(picture, content)
    picture.load()
    if picture.format == "AVIF" and not picture.info.get("icc_profile"):
        space = _avif_space(content)
        if space:
            return _in_srgb(picture, space)
    if grey.is_wide(picture):
        return grey.to_eight_bits(picture, name, grey_profile_curve(picture))
    return to_srgb(picture)


def read_frame(content: bytes, name: str) -> Image.Image:
    """Decode one stored frame of an animation to RGBA."""
    picture = opened(content, name, ("PNG", "GIF"))
    if picture.format == "PNG":
        return _still_png(picture, content, name).convert("RGBA")
    picture.load()
    return picture.convert("RGBA")


def _jpeg(picture: Image.Image, content: bytes) -> Image.Image:
    try:
        picture.load()
    except OSError:
        whole = with_end(content)
        if whole is None:
            raise
        picture = Image.open(io.BytesIO(whole), formats=["JPEG"])
    return picture


def _avif_space(content: bytes) -> png_colour.ColourSpace | None:
    """Return the colours of a file's first `colr` box (ISO/IEC 14496-12, section 12.1.5)."""
    at = content.find(b"colrnclx", 0, AVIF_HEAD_BYTES) + 8
    if at < 8 or len(content) < at + 4:
        return None
    return png_colour.coded_space(*struct.unpack(">HH", content[at : at + 4]))


def _gif(picture: Image.Image, content: bytes, name: str) -> Image.Image:
    first = next(gif.stored_frames(content))
    canvas = gif.canvas_of(content)
    # Never larger than the canvas, which has room for all of the first.
    if (first.at, first.size) == ((0, 0), canvas) and picture.size == canvas:
        picture.load()
        return to_srgb(picture)
    _check_pixels(canvas, name)
    return to_srgb(_first(canvas, first, name, picture.info.get("icc_profile")))


def _png(picture: Image.Image, content: bytes, name: str) -> Image.Image:
    header = read_header(content)
    if header.animated and not header.default_is_frame:
        try:
            first = next(apng.stored_frames(content))
        except ValueError:
            # By the specification, an animation that is in error is shown as the still.
            return _still_png(picture, content, name)
        return _first(header.size, first, name)
    return _still_png(picture, content, name)


def _first(
    size: tuple[int, int], frame: StoredFrame, name: str, profile: bytes | None = None
) -> Image.Image:
    shown = next(compose(size, [frame], lambda content: read_frame(content, name)))
    if profile:
        shown.info["icc_profile"] = profile
    return shown


def _still_png(picture: Image.Image, content: bytes, name: str) -> Image.Image:
    """Decode a PNG's own picture to sRGB."""
    header = read_header(content)
    space = png_colour.colour_space(header)
    if header.depth == 16 and header.colour_type == GREY:
        picture.load()
        key = header.key[0] if header.key else None
        curve = grey_profile_curve(picture) if space is None else None
        if space or png_colour.overrides_profile(header):
            curve = png_colour.grey_curve(space, 2**16)
        return grey.to_eight_bits(picture, name, curve, key)
    if header.depth == 16 and (space or (header.key and header.colour_type == RGB)):
        return _wide_png(picture, content, header, space)
    picture.load()
    if header.key and picture.mode in ("1", "L", "RGB"):
        # Pillow compares with levels that it has scaled to 8 bits, and with bits beyond the depth.
        scaled = tuple(level * (255 // (2**header.depth - 1)) for level in header.key)
        picture.info["transparency"] = scaled if header.colour_type == RGB else scaled[0]
    if png_colour.overrides_profile(header):
        picture.info.pop("icc_profile", None)
    return to_srgb(picture) if space is None else _in_srgb(picture, space)


def _wide_png(
    picture: Image.Image, content: bytes, header: PngHeader, space: png_colour.ColourSpace | None
) -> Image.Image:
    """Decode colours of 16 bits, of which Pillow would keep 8: too few to tell what they mean."""
    if header.default_is_frame:  # and nothing else of the animation is to be looked at
        content = next(apng.stored_frames(content)).content
    picture.load()  # says what is wrong, where OpenCV would write to stderr
    samples = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if samples is None or samples.dtype != np.uint16:
        raise ValueError("its pixels cannot be decoded")
    rounded = png_colour.grey_curve(None, 2**16)
    rgb = samples[..., 2::-1]
    planes = [rounded[rgb] if space is None else png_colour.rgb_to_srgb(rgb, space)]
    if samples.shape[2] == 4:
        planes.append(rounded[samples[..., 3:]])
    result = Image.fromarray(np.concatenate(planes, axis=2))
    profile = picture.info.get("icc_profile")
    if profile and space is None:
        result.info["icc_profile"] = profile
    return to_srgb(result)


def _in_srgb(picture: Image.Image, space: png_colour.ColourSpace) -> Image.Image:
    """Convert 8-bit colours; palettes become RGB or RGBA, grey stays grey."""
    transparent = "transparency" in picture.info or picture.mode in ("LA", "PA", "RGBA")
    if picture.mode in ("1", "L", "LA"):
        picture = picture.convert("LA" if transparent else "L")
        table = png_colour.grey_curve(space, 256)
        planes = [table[np.asarray(picture.getchannel("L"))]]
    else:
        picture = picture.convert("RGBA" if transparent else "RGB")
        planes = [png_colour.rgb_to_srgb(np.asarray(picture)[..., :3], space)]
    if transparent:
        planes.append(np.asarray(picture.getchannel("A")))
    return Image.fromarray(np.dstack(planes) if len(planes) > 1 else planes[0], picture.mode)
