"""`upscale` by command: sizes, streams, animations, profiles, and memory."""

import io
import json
import subprocess
import sys

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms
from upscaling import face

from anime_pipeline.images.codec import decode
from anime_pipeline.images.frames import read_animation
from anime_pipeline.images.writing.save import write_animation

# --- through the command


def test_sizes_formats_and_realism_by_command(cli, tmp_path):
    face(24).save("a.png")
    calls = {
        "x.jpg": ["--format", "jpg", "--scale", 2],
        "x.webp": ["--format", "webp", "--size", "50x"],
        "x.png": ["--scale", 8, "--realism", 0.5],
    }
    sizes = {"x.jpg": (48, 48), "x.webp": (50, 50), "x.png": (192, 192)}
    for name, options in calls.items():
        result = cli("upscale", "a.png", "--out", "out", *options)
        assert result.code == 0, result.stderr
        with Image.open(tmp_path / "out" / name.replace("x", "a")) as large:
            assert large.size == sizes[name]
        again = cli("upscale", "a.png", "--out", "out", *options, "--json")
        assert again.json["written"] == [] and len(again.json["kept"]) == 1
        changed = cli("upscale", "a.png", "--out", "out", *options, "--ensemble")
        assert changed.code == 3 and "--overwrite" in changed.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--size", "12"], "--size"),
        (["--size", "0x0"], "--size"),
        (["--size", "10x!"], "--size"),
        (["--size", "9x9", "--scale", "2"], "one of them"),
        (["--max-memory", "much"], "no size"),
        (["--realism", "1.5"], "realism"),
        (["--realism", ".5", "--weights", "one.npz"], "two upscalers"),
        (["--out", "-", "--json"], "stdout"),
        (["--out", "file"], "is a file"),
    ],
)
def test_wrong_use_is_explained(options, words, cli, tmp_path):
    face(8).save("a.png")
    (tmp_path / "file").write_text("x")
    from anime_pipeline.models.zoo import pretrained_folder

    (tmp_path / "one.npz").write_bytes((pretrained_folder() / "fidelity.npz").read_bytes())
    result = cli("upscale", "a.png", *options)
    assert result.code == 2 and words in result.stderr, result.stderr


def test_stdin_to_stdout_and_to_a_folder(tmp_path):
    file = io.BytesIO()
    face(10).save(file, "PNG")
    call = [sys.executable, "-m", "anime_pipeline", "upscale", "-"]
    done = subprocess.run(
        [*call, "--out", "-"], input=file.getvalue(), capture_output=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stderr
    assert decode(done.stdout).shape == (40, 40, 3)
    done = subprocess.run(
        call, input=b"no picture", capture_output=True, cwd=tmp_path, text=False, check=False
    )
    assert done.returncode == 4 and b"not a picture" in done.stderr and not done.stdout
    assert not list(tmp_path.glob("outputs/*"))


def test_animations_stay_animations(cli, tmp_path):
    frames = [np.asarray(face(12).rotate(30 * turn)) for turn in range(3)]
    (tmp_path / "in").mkdir()
    for kind in ("gif", "webp", "png"):
        with (tmp_path / f"in/{kind}.{kind}").open("wb") as file:
            write_animation(file, [*frames, frames[0]], [40, 80, 120, 160], 0, kind, 90, {})
    result = cli("upscale", "in", "--out", "out", "--json")
    assert result.code == 0, result.stderr
    for kind in ("gif", "webp", "png"):
        large = read_animation((tmp_path / f"out/{kind}.{kind}").read_bytes())
        assert [frame.size for frame in large.frames] == [(48, 48)] * 4
        assert large.durations_ms == [40, 80, 120, 160] and large.loop == 0
    still = cli("upscale", "in/gif.gif", "--out", "out", "--format", "jpg")
    assert still.code == 4 and "moves" in still.stderr
    again = cli("upscale", "in", "--out", "out", "--json")
    assert len(again.json["kept"]) == 3


def test_animations_keep_transparency_and_durations():
    frames = []
    for step in range(3):
        frame = np.zeros((20, 20, 4), np.uint8)
        frame[5:15, 5 + step : 15] = (40 * step, 200, 30, 255)
        frames.append(frame)
    for kind in ("gif", "webp", "png"):
        file = io.BytesIO()
        write_animation(file, frames, [50, 100, 150], 2, kind, 100, {"a": "b"})
        read = read_animation(file.getvalue())
        assert read.durations_ms == [50, 100, 150], kind
        for before, after in zip(frames, read.frames, strict=True):
            large = np.asarray(after.convert("RGBA")).astype(int)
            assert np.array_equal(large[..., 3], before[..., 3]), kind
            seen = before[..., 3] > 0
            assert np.abs(large[seen] - before[seen]).max() <= 8


def test_orientation_and_places(cli, tmp_path):
    """EXIF turns the picture, and the place where it was taken is dropped."""
    plain = face(16).crop((0, 0, 16, 12))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    exif[0x8825] = {1: "N", 2: (52.0, 31.0, 12.0)}
    plain.save("turned.jpg", exif=exif, quality=95)
    assert cli("upscale", "turned.jpg", "--out", "out").code == 0
    with Image.open(tmp_path / "out/turned.png") as large:
        assert large.size == (48, 64)
        assert not large.getexif()
    for kind in ("jpg", "webp"):
        assert cli("upscale", "turned.jpg", "--out", "out", "--format", kind).code == 0
        content = (tmp_path / f"out/turned.{kind}").read_bytes()
        with Image.open(io.BytesIO(content)) as large:
            assert 0x8825 not in large.getexif() and 0x0112 not in large.getexif()
            assert "anime-pipeline" in json.loads(large.getexif()[0x010E])["Software"]


def swapped_profile() -> bytes:
    """An RGB profile whose red and green are swapped: what ignores it cannot be right."""
    content = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = int.from_bytes(content[128:132], "big")
    tags = {bytes(content[132 + 12 * i : 136 + 12 * i]): 132 + 12 * i for i in range(count)}
    red, green = tags[b"rXYZ"], tags[b"gXYZ"]
    content[red + 4 : red + 12], content[green + 4 : green + 12] = (
        content[green + 4 : green + 12],
        content[red + 4 : red + 12],
    )
    for name in (b"sRGB", "sRGB".encode("utf-16-be")):
        at = content.find(name)
        while at >= 0:
            content[at : at + len(name)] = name.replace(b"s", b"x")
            at = content.find(name)
    return bytes(content)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_an_embedded_profile_is_applied(mode):
    picture = Image.new("RGB", (8, 8), (220, 30, 40))
    picture = picture.quantize() if mode == "P" else picture.convert(mode)
    file = io.BytesIO()
    picture.save(file, "PNG", icc_profile=swapped_profile())
    pixel = decode(file.getvalue())[4, 4].astype(int)
    assert np.abs(pixel - (30, 220, 40)).max() <= 3


def test_a_damaged_profile_is_ignored():
    file = io.BytesIO()
    Image.new("RGB", (8, 8), (220, 30, 40)).save(file, "PNG", icc_profile=b"nonsense" * 20)
    assert decode(file.getvalue())[4, 4].tolist() == [220, 30, 40]


def test_memory_is_bounded_and_progress_is_shown(tmp_path):
    """Strips in, strips out: the process grows by no more than it may."""
    wide = cv2.resize(np.asarray(face(64)), (600, 160), interpolation=cv2.INTER_CUBIC)
    Image.fromarray(wide).save(tmp_path / "wide.png")
    code = (
        "import re\n"
        "from anime_pipeline.core.machine import resident_bytes\n"
        "from anime_pipeline.inference.enlarge import Enlarger\n"
        "from anime_pipeline.inference.target import Target\n"
        "from anime_pipeline.inference.upscaler import Upscaler\n"
        "from anime_pipeline.models.zoo import find_weights\n"
        "from anime_pipeline.images.writing.save import write_picture\n"
        "from PIL import Image\n"
        "upscaler = Upscaler.load(find_weights('fidelity', 'srgan-generator'))\n"
        "limit = resident_bytes() + 150_000_000\n"
        "picture = Image.open('wide.png')\n"
        "seen = []\n"
        "enlarger = Enlarger(upscaler, Target(), max_bytes=limit)\n"
        "result = enlarger(picture, lambda *at: seen.append(at))\n"
        "with open('large.png', 'wb') as file:\n"
        "    write_picture(file, result.size, result.channels, result.strips, 'png', 90, {})\n"
        "status = open('/proc/self/status').read()\n"  # getrusage begins at the parent's peak
        "peak = int(re.search(r'VmHWM:\\s+(\\d+)', status)[1]) * 1024\n"
        "print(peak <= limit, peak, limit, len(seen) > 5, seen[-1][0] == seen[-1][1])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    fits, _, _, shown, ended = done.stdout.split()
    assert (fits, shown, ended) == ("True", "True", "True"), done.stdout
    with Image.open(tmp_path / "large.png") as large:
        assert large.size == (2400, 640)


def test_too_little_memory_is_said(cli):
    face(8).save("a.png")
    result = cli("upscale", "a.png", "--max-memory", "100MB")
    assert result.code == 4 and "--max-memory allows 100.0 MB" in result.stderr
