"""Colours in a file mean sRGB only where no embedded profile says otherwise (ICC.1:2022).

A profile may hold a program: a pipeline of multi-process elements, as long as its author likes,
which is run for every pixel, so that 300 bytes can take minutes. Matrix, curves and one small table
(sections 7 to 10) cost the same whatever they hold, and browsers know nothing else either.
"""

import io

import numpy as np
from PIL import Image, ImageCms

SRGB = ImageCms.createProfile("sRGB")
HEADER_BYTES, ENTRY_BYTES, MOST_TAGS = 128, 12, 100
# Larger than the tables of any printer's profile: 23 levels of four inks take 1.7 MB.
MOST_TABLE_BYTES, MOST_OTHER_BYTES = 2**22, 2**7
CURVES = (b"curv", b"para")
CONVERTING = {
    b"A2B0": (b"mft1", b"mft2", b"mAB "),
    **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC", b"kTRC"), CURVES),
    **dict.fromkeys((b"rXYZ", b"gXYZ", b"bXYZ"), (b"XYZ ",)),
}
WHITE = {b"wtpt": (b"XYZ ",), b"chad": (b"sf32",)}


def to_srgb(picture: Image.Image) -> Image.Image:
    """Convert a picture with an embedded ICC profile to sRGB; others are returned as they are.

    A profile that is damaged, of another kind than the pixels or no `plain_profile` is ignored,
    as browsers do.

    Args:
        picture: Any mode; palettes and CMYK become RGB or RGBA, grey stays grey.
    """
    content = picture.info.get("icc_profile")
    if not content or picture.mode.startswith(("I", "F")):
        return picture
    try:
        profile = _read(content)
        transparent = "transparency" in picture.info or picture.mode in ("PA", "LA")
        if picture.mode in ("P", "PA", "1"):
            picture = picture.convert("RGBA" if transparent else "RGB")
        elif transparent and picture.mode in ("RGB", "L"):
            # Converted, the one colour that means "nothing here" could not be found again.
            picture = picture.convert("RGBA" if picture.mode == "RGB" else "LA")
        if picture.mode in ("L", "LA"):
            grey = picture.getchannel("L").point(_grey_levels(profile).tolist())
            alpha = picture.getchannel("A") if picture.mode == "LA" else None
            return Image.merge("LA", (grey, alpha)) if alpha else grey
        if picture.mode in ("RGB", "RGBA") and _is_srgb(profile):
            return picture
        target = "RGBA" if picture.mode == "RGBA" else "RGB"
        return _converted(picture, profile, target)
    except (ImageCms.PyCMSError, OSError, ValueError):
        return picture


def grey_profile_curve(picture: Image.Image) -> np.ndarray | None:
    """Return what 16-bit levels are in sRGB by a picture's grey profile.

    The library converts grey of 8 bits. Between two of these, profiles are straight enough.

    Returns:
        uint8 [65536]; None without a usable profile of grey.
    """
    content = picture.info.get("icc_profile")
    if not content:
        return None
    try:
        known = _grey_levels(_read(content))
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None
    return np.rint(np.interp(np.arange(2**16), np.arange(256) * 257, known)).astype(np.uint8)


def _read(content: bytes) -> ImageCms.ImageCmsProfile:
    plain = plain_profile(content)
    if plain is None:
        raise ValueError("no profile, or none that is applied")
    return ImageCms.ImageCmsProfile(io.BytesIO(plain))


def _is_srgb(profile: ImageCms.ImageCmsProfile) -> bool:
    """Tell whether a profile moves no colour by more than rounding; names prove nothing.

    "Linear sRGB" is another space, and true sRGB, which most files carry, need not be converted.
    """
    step = np.arange(0, 256, 17, dtype=np.uint8)
    lattice = np.stack(np.meshgrid(step, step, step), axis=-1).reshape(64, 64, 3)
    moved = np.asarray(_converted(Image.fromarray(lattice), profile, "RGB"))
    return int(np.abs(moved.astype(int) - lattice).max()) <= 1


def _converted(
    picture: Image.Image,
    profile: ImageCms.ImageCmsProfile,
    mode: str,
    flags: ImageCms.Flags = ImageCms.Flags.NONE,
) -> Image.Image:
    result = ImageCms.profileToProfile(picture, profile, SRGB, outputMode=mode, flags=flags)
    if result is None:  # as the in-place form does
        raise ValueError("no conversion")
    result.info.pop("icc_profile", None)
    return result


def _grey_levels(profile: ImageCms.ImageCmsProfile) -> np.ndarray:
    """Return sRGB uint8 [256] of all levels of grey."""
    ramp = Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    # Its optimised way samples a curve at a few places: dark levels are wrong by up to 9 then.
    return np.asarray(_converted(ramp, profile, "RGB", ImageCms.Flags.NOOPTIMIZE))[0, :, 1]


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
