"""Colour profiles: numbers in a file mean sRGB only where no embedded profile says otherwise."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageCms

from anime_pipeline.images.formats.icc import plain_profile

SRGB = ImageCms.createProfile("sRGB")


def to_srgb(picture: Image.Image) -> Image.Image:
    """Convert a picture with an embedded ICC profile to sRGB; others are returned as they are.

    A profile that is damaged, of another kind than the pixels or no `icc.plain_profile` is ignored,
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
            return _grey_to_srgb(picture, profile)
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


def _converted(picture: Image.Image, profile: ImageCms.ImageCmsProfile, mode: str) -> Image.Image:
    result = ImageCms.profileToProfile(picture, profile, SRGB, outputMode=mode)
    if result is None:  # as the in-place form does
        raise ValueError("no conversion")
    result.info.pop("icc_profile", None)
    return result


def _grey_to_srgb(picture: Image.Image, profile: ImageCms.ImageCmsProfile) -> Image.Image:
    result = picture.getchannel("L").point(_grey_levels(profile).tolist())
    return Image.merge("LA", (result, picture.getchannel("A"))) if picture.mode == "LA" else result


def _grey_levels(profile: ImageCms.ImageCmsProfile) -> np.ndarray:
    """Return sRGB uint8 [256] of all levels of grey."""
    ramp = Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    # Its optimised way samples a curve at a few places: dark levels are wrong by up to 9 then.
    result = ImageCms.profileToProfile(
        ramp, profile, SRGB, outputMode="RGB", flags=ImageCms.Flags.NOOPTIMIZE
    )
    if result is None:
        raise ValueError("no conversion")
    return np.asarray(result)[0, :, 1]
