"""Odd picture files as people have them, each with the pixels or the refusal to expect."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, PngImagePlugin

HEIGHT, WIDTH = 20, 28


def _picture() -> np.ndarray:
    """Colours that differ in every corner, smooth enough for JPEG."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    channels = [x * 255 / (WIDTH - 1), y * 255 / (HEIGHT - 1), 255 - x * 180 / (WIDTH - 1)]
    return np.stack(channels, axis=-1).astype(np.uint8)


PICTURE = _picture()
GREY = np.asarray(Image.fromarray(PICTURE).convert("L"))
GREY_RGB = GREY[..., None].repeat(3, axis=2)
ALPHA = np.linspace(0, 255, WIDTH).astype(np.uint8)[None].repeat(HEIGHT, axis=0)
WIDE = GREY.astype(np.uint16) * 257


@dataclass(frozen=True)
class Odd:
    """One file: its bytes, and either the pixels within a tolerance or a part of the refusal."""

    name: str
    content: bytes
    pixels: np.ndarray | None = None
    tolerance: int = 0
    refusal: str = ""


def save(picture: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def over_white(rgb: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    a = alpha[..., None] / 255.0
    return np.rint(rgb * a + 255 * (1 - a)).astype(np.uint8)


def _with_alpha() -> list[Odd]:
    rgba = Image.fromarray(np.dstack([PICTURE, ALPHA]))
    la = Image.merge("LA", [Image.fromarray(GREY), Image.fromarray(ALPHA)])
    clear = Image.new("RGBA", (9, 7), (200, 10, 10, 0))
    holed = Image.fromarray(np.where(np.indices((8, 8)).sum(0) % 2, 1, 0).astype(np.uint8), "P")
    holed.putpalette([255, 0, 0, 0, 0, 255])
    checks = np.where((np.indices((8, 8)).sum(0) % 2)[..., None], (0, 0, 255), (255, 255, 255))
    wide = np.dstack([PICTURE[..., ::-1], ALPHA]).astype(np.uint16) * 257
    expected = over_white(PICTURE, ALPHA)
    return [
        Odd("rgba.png", save(rgba, "PNG"), expected, 1),
        Odd("rgba.webp", save(rgba, "WEBP", lossless=True, exact=True), expected, 1),
        Odd("rgba-tiff.tif", save(rgba, "TIFF"), expected, 1),
        Odd("rgba16.png", bytes(cv2.imencode(".png", wide)[1]), expected, 2),
        Odd("la.png", save(la, "PNG"), over_white(GREY_RGB, ALPHA), 1),
        Odd("clear.png", save(clear, "PNG"), np.full((7, 9, 3), 255, np.uint8)),
        Odd("palette-hole.png", save(holed, "PNG", transparency=0), checks.astype(np.uint8)),
        Odd("palette-hole.gif", save(holed, "GIF", transparency=0), checks.astype(np.uint8)),
    ]


def _modes() -> list[Odd]:
    picture, grey = Image.fromarray(PICTURE), Image.fromarray(GREY)
    colour16 = PICTURE[..., ::-1].astype(np.uint16) * 257
    bits = grey.point(lambda v: 255 if v > 127 else 0).convert("1")
    black_white = np.asarray(bits.convert("RGB"))
    flat = Image.new("RGB", (12, 9), (200, 30, 60))
    cmyk = flat.convert("CMYK")
    return [
        Odd("plain.png", save(picture, "PNG"), PICTURE),
        Odd("UPPER.PNG", save(picture, "PNG"), PICTURE),
        Odd("plain.bmp", save(picture, "BMP"), PICTURE),
        Odd("plain.jpg", save(picture, "JPEG", quality=97, subsampling=0), PICTURE, 12),
        Odd("progressive.jpeg", save(picture, "JPEG", quality=97, progressive=True), PICTURE, 24),
        Odd("grey.png", save(grey, "PNG"), GREY_RGB),
        Odd("grey.jpg", save(grey, "JPEG", quality=97), GREY_RGB, 8),
        Odd("grey16.png", save(Image.fromarray(WIDE), "PNG"), GREY_RGB, 1),
        Odd("grey16.tiff", save(Image.fromarray(WIDE), "TIFF"), GREY_RGB, 1),
        Odd("colour16.png", bytes(cv2.imencode(".png", colour16)[1]), PICTURE, 1),
        Odd("bits.png", save(bits, "PNG"), black_white),
        Odd("palette.png", save(grey.convert("P"), "PNG"), GREY_RGB, 2),
        Odd("cmyk.jpg", save(cmyk, "JPEG", quality=97), np.asarray(flat), 12),
        Odd("cmyk.tif", save(cmyk, "TIFF"), np.asarray(flat), 2),
        Odd("one.png", save(Image.new("RGB", (1, 1), (1, 2, 3)), "PNG"), np.array([[[1, 2, 3]]])),
        Odd(
            "thin.png", save(picture.resize((1, 900)), "PNG"), np.asarray(picture.resize((1, 900)))
        ),
        Odd("really-jpeg.png", save(picture, "JPEG", quality=97, subsampling=0), PICTURE, 12),
        Odd("really-png.jpg", save(picture, "PNG"), PICTURE),
    ]


def _turned() -> list[Odd]:
    # EXIF orientation: what a viewer does to show the stored pixels upright.
    stored: dict[int, Callable[[np.ndarray], np.ndarray]] = {
        2: lambda p: p[:, ::-1],
        3: lambda p: p[::-1, ::-1],
        4: lambda p: p[::-1],
        5: lambda p: p.transpose(1, 0, 2),
        6: lambda p: np.rot90(p, 1),
        7: lambda p: p[::-1, ::-1].transpose(1, 0, 2),
        8: lambda p: np.rot90(p, -1),
    }
    files = []
    for orientation, turn in stored.items():
        exif = Image.Exif()
        exif[0x0112] = orientation
        picture = Image.fromarray(np.ascontiguousarray(turn(PICTURE)))
        content = save(picture, "JPEG", quality=97, subsampling=0, exif=exif)
        files.append(Odd(f"turned{orientation}.jpg", content, PICTURE, 12))
    exif = Image.Exif()
    exif[0x0112] = 6
    upright = save(Image.fromarray(np.ascontiguousarray(np.rot90(PICTURE))), "PNG", exif=exif)
    return [*files, Odd("turned.png", upright, PICTURE)]


def _animated() -> list[Odd]:
    first, second = Image.fromarray(GREY), Image.new("L", (WIDTH, HEIGHT))
    rgb = [frame.convert("RGB") for frame in (first, second)]
    more = {"save_all": True, "append_images": [second], "duration": 80}
    webp = {**more, "append_images": rgb[1:], "lossless": True}
    return [
        Odd("moving.gif", save(first, "GIF", **more), GREY_RGB, 2),
        Odd("moving.webp", save(rgb[0], "WEBP", **webp), GREY_RGB, 1),
        Odd("moving.png", save(rgb[0], "PNG", save_all=True, append_images=rgb[1:]), GREY_RGB),
        Odd("pages.tiff", save(first, "TIFF", save_all=True, append_images=[second]), GREY_RGB),
    ]


def png_claiming(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in ((b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b""))
    )


def _refused() -> list[Odd]:
    png = save(Image.fromarray(PICTURE), "PNG")
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    jpeg = save(Image.fromarray(noise), "JPEG")
    text = PngImagePlugin.PngInfo()
    text.add_itxt("bomb", "a" * 80_000_000, zip=True)
    bomb_text = save(Image.fromarray(PICTURE), "PNG", pnginfo=text)
    # Above our limit and below the one at which Pillow itself refuses.
    bits = save(Image.new("1", (9_000, 9_000)), "PNG")
    floats = save(Image.fromarray(GREY.astype(np.float32) / 255), "TIFF")
    lab = save(Image.fromarray(PICTURE).convert("RGB").resize((4, 4)).convert("L"), "PNG")
    return [
        Odd("empty.png", b"", refusal="empty"),
        Odd("zeros.jpg", bytes(4096), refusal="not a picture"),
        Odd("page.jpg", b"<!doctype html><title>404</title>", refusal="not a picture"),
        Odd("cut.png", png[: len(png) // 2], refusal="damaged"),
        Odd("cut.jpg", jpeg[: len(jpeg) // 2], refusal="damaged"),
        Odd("flipped.png", png[:60] + bytes([png[60] ^ 255]) + png[61:], refusal="damaged"),
        Odd("bomb.png", bits, refusal="pixels"),
        Odd("bomb-text.png", bomb_text, refusal="damaged|too large"),
        Odd("vast.png", png_claiming(60_000, 60_000), refusal="pixels"),
        Odd("nothing.png", png_claiming(0, 5), refusal="damaged|not a picture"),
        Odd("float.tif", floats, refusal="pixels of type F"),
        Odd(
            "lied.webp", b"RIFF\x10\x00\x00\x00WEBPVP8 " + bytes(8), refusal="damaged|not a picture"
        ),
        Odd("headless.png", lab[8:], refusal="not a picture"),
    ]


def _names() -> list[Odd]:
    png = save(Image.fromarray(PICTURE), "PNG")
    longest = "n" * 251 + ".png"
    names = ["größe 顔 😀.png", "two\nlines.png", "-dash.png", "[b]'q\"$x`.png", " .png", longest]
    return [Odd(name, png, PICTURE) for name in (*names, os.fsdecode(b"bytes\xff\xfe.png"))]


FILES = [*_modes(), *_with_alpha(), *_turned(), *_animated(), *_refused(), *_names()]

# Names that a walk meets and that are no regular files: refusal, or "" where passed over silently.
SPECIAL = {"pipe.png": "not a regular file", "dangling.png": "cannot be read", "self.png": "."}


def write_corpus(folder: Path) -> None:
    """Write every file, and pipes, links and folders that look like pictures."""
    folder.mkdir(parents=True)
    for odd in FILES:
        (folder / odd.name).write_bytes(odd.content)
    os.mkfifo(folder / "pipe.png")
    (folder / "dangling.png").symlink_to("nowhere.png")
    (folder / "self.png").symlink_to("self.png")
    (folder / "folder.png").mkdir()
    (folder / "loop").symlink_to(folder)
    (folder / ".hidden.png").write_bytes(b"")
    (folder / "._resource.png").write_bytes(b"")
