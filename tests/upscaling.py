"""Pictures and stand-ins that the tests of `upscale` share."""

import io
import struct

import numpy as np
from PIL import Image, ImageCms, ImageDraw

from anime_pipeline.images.codec import open_header
from anime_pipeline.inference.upscaler import PLAIN


def face(side: int) -> Image.Image:
    """A round, lined thing with smooth parts: what an upscaler is for."""
    picture = Image.new("RGB", (4 * side, 4 * side), "#f4dcc8")
    draw = ImageDraw.Draw(picture)
    draw.ellipse((side // 2, side // 2, 3 * side, 3 * side), fill="#7a4fb0", outline="black")
    draw.line((0, 0, 4 * side, 3 * side), fill="#203040", width=max(1, side // 8))
    return picture.resize((side, side), Image.Resampling.BICUBIC)


ORIENTATION, RED = 0x0112, (220, 30, 40)


class Bicubic:
    """Stands in for a network where only what surrounds it matters."""

    def __init__(self):
        self.tiles = []

    def strips(self, rgb, tile_px, progress=None, extras=PLAIN):
        self.tiles.append(tile_px)
        size = (4 * rgb.shape[1], 4 * rgb.shape[0])
        yield np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling.BICUBIC))


def enlarged(upscaler, lr_image, tile_px=192, extras=PLAIN):
    """A picture of any size, four times as large, as whole numbers that may be subtracted."""
    strips = upscaler.strips(lr_image, tile_px, extras=extras)
    return np.concatenate(list(strips)).astype(int)


def open_picture(content, name="image"):
    """An upright picture of any mode."""
    return open_header(content, name).load()


def saved(picture, kind, **options):
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


# --- profiles and EXIF


def profile(swapped=False, linear=False):
    """An sRGB profile, changed where it says, and still named sRGB."""
    content = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = int.from_bytes(content[128:132], "big")
    tags = {bytes(content[132 + 12 * i : 136 + 12 * i]): 132 + 12 * i for i in range(count)}
    if swapped:
        red, green = (slice(tags[tag] + 4, tags[tag] + 12) for tag in (b"rXYZ", b"gXYZ"))
        content[red], content[green] = content[green], content[red]
    if linear:
        at = int.from_bytes(content[tags[b"rTRC"] + 4 : tags[b"rTRC"] + 8], "big")
        content[at : at + 16] = b"para" + bytes(4) + struct.pack(">HHi", 0, 0, 1 << 16)
    return bytes(content)


def exif(orientation):
    result = Image.Exif()
    result[ORIENTATION] = orientation
    return result
