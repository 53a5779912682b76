"""`upscale` on animations, and the limits of formats and memory."""

import io
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from upscaling import RED, Bicubic, exif, profile, saved

from anime_pipeline.cli.upscale_work import writer
from anime_pipeline.core.errors import DataError
from anime_pipeline.images.decoding.decoder import Decoder
from anime_pipeline.images.frames import animated_kind, kind_of, read_animation
from anime_pipeline.images.writing.save import STILL_BYTES_PER_PX, write_animation
from anime_pipeline.inference.enlarge import Enlarger
from anime_pipeline.inference.memory import RESERVE, Budget
from anime_pipeline.inference.target import Target


def moving(kind, *pictures, **options):
    return saved(pictures[0], kind, save_all=True, append_images=pictures[1:], **options)


def animation(kind, frames, durations, loop=0):
    file = io.BytesIO()
    write_animation(file, frames, durations, loop, kind, 100, {})
    return file.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_animations_are_turned_and_in_srgb(kind):
    first = Image.new("RGB", (12, 6), RED)
    second = first.copy()
    second.paste((40, 10, 230), (0, 0, 4, 6))  # at the left: turned clockwise, at the top
    options = {"exif": exif(6), "icc_profile": profile(swapped=True), "duration": 50}
    content = moving(
        kind, first, second, **options, **({"lossless": True} if kind != "PNG" else {})
    )
    read = read_animation(content)
    assert [frame.size for frame in read.frames] == [(6, 12)] * 2
    for frame in read.frames:
        assert np.abs(np.asarray(frame)[-1, 0].astype(int) - (30, 220, 40)).max() <= 3
    assert np.abs(np.asarray(read.frames[1])[0, 0].astype(int) - (10, 40, 230)).max() <= 3
    results = list(Enlarger(Bicubic(), Target(factor=2)).frames(read.frames))
    assert [result.shape for result in results] == [(24, 12, 3)] * 2


# --- animations


def test_kinds_are_told_by_content(tmp_path):
    frames = [Image.new("RGB", (6, 6), colour) for colour in ("red", "blue")]
    for kind in ("GIF", "WEBP", "PNG"):
        (tmp_path / "name.jpg").write_bytes(moving(kind, *frames))
        assert animated_kind(tmp_path / "name.jpg") == kind.lower()
        assert kind_of(moving(kind, *frames)) == kind.lower()
        assert kind_of(saved(frames[0], kind)) is None
    assert kind_of(moving("TIFF", *frames)) is None
    assert kind_of(b"") is None and kind_of(b"GIF89a") is None
    assert animated_kind(tmp_path) is None and animated_kind(tmp_path / "none.gif") is None


def test_the_picture_for_programs_without_animations_is_no_frame():
    still, *frames = (Image.new("RGB", (6, 6), colour) for colour in ("red", "lime", "blue"))
    content = moving("PNG", still, *frames, default_image=True, duration=[50, 70], loop=1)
    read = read_animation(content)
    assert [frame.getpixel((0, 0)) for frame in read.frames] == [(0, 255, 0), (0, 0, 255)]
    assert read.durations_ms == [50, 70] and read.loop == 1
    assert kind_of(content) == "png"
    assert kind_of(moving("PNG", still, frames[0], default_image=True)) is None


def barred(seed):
    """Frames of changing colours on nothing, and a black bar that reaches the picture's edge."""
    generator, frames = np.random.default_rng(seed), []
    for step in range(4):
        frame = np.zeros((40, 40, 4), np.uint8)
        for bar in range(6):
            colour = (40 * bar + 10 * step, 250 - 30 * bar, (90 * bar + 60 * step) % 256)
            noise = generator.integers(-9, 10, (20, 5, 3))
            frame[5:25, 2 + 6 * bar : 7 + 6 * bar, :3] = np.clip(noise + colour, 0, 255)
            frame[5:25, 2 + 6 * bar : 7 + 6 * bar, 3] = 255
        frame[30:] = (0, 0, 0, 255)
        if step:
            frame[8:12, 8:12] = (250, 10, 200, 255)
        frames.append(frame)
    return frames


@pytest.mark.parametrize("seed", range(4))
def test_black_at_the_edge_of_a_gif_stays(seed):
    frames = barred(seed)
    read = read_animation(animation("gif", frames, [100] * 4))
    for before, after in zip(frames, read.frames, strict=True):
        assert np.array_equal(np.asarray(after.convert("RGBA"))[..., 3], before[..., 3])


@pytest.mark.parametrize("source", ["gif", "png", "webp"])
@pytest.mark.parametrize("target", ["gif", "png", "webp"])
@pytest.mark.parametrize("plays", [0, 1, 2, 7])
def test_how_often_it_plays_survives_a_change_of_format(source, target, plays):
    frames = [np.full((8, 8, 3), level, np.uint8) for level in (10, 200)]
    first = read_animation(animation(source, frames, [50, 50], plays))
    again = read_animation(animation(target, frames, [50, 50], first.loop))
    assert first.loop == again.loop == plays


def test_a_gif_counts_what_follows_the_first_time():
    frames = [Image.new("RGB", (6, 6), colour) for colour in ("red", "blue")]
    assert read_animation(moving("GIF", *frames)).loop == 1
    assert read_animation(moving("GIF", *frames, loop=0)).loop == 0
    assert read_animation(moving("GIF", *frames, loop=2)).loop == 3
    assert read_animation(moving("PNG", *frames, loop=2)).loop == 2


@pytest.mark.parametrize(
    ("kind", "read_back"),
    [
        ("gif", [70_000, 655_350, 655_350, 655_350]),
        ("png", [70_001 // 10 * 10, 700_000, 65_535_000, 65_535_000]),
        ("webp", [70_001, 700_000, 2**24 - 1, 2**24 - 1]),
    ],
)
def test_what_a_format_cannot_hold_is_cut(kind, read_back):
    frames = [np.full((8, 8, 3), level, np.uint8) for level in (10, 60, 120, 200)]
    content = animation(kind, frames, [70_001, 700_000, 10**9, 10**12], loop=10**6)
    read = read_animation(content)
    assert read.durations_ms == read_back
    assert read.loop == 65_535 + (kind == "gif")


@pytest.mark.parametrize("kind", ["gif", "png", "webp"])
def test_frames_that_do_not_change_add_up(kind):
    still, other = (np.full((8, 8, 3), level, np.uint8) for level in (10, 200))
    read = read_animation(animation(kind, [still, still, still, other], [600_000] * 3 + [90]))
    assert sum(read.durations_ms[:-1]) == (655_350 if kind == "gif" else 1_800_000)
    assert read.durations_ms[-1] == 90
    assert read_animation(animation("gif", [still, other, still], [600_000] * 3)).durations_ms == (
        [600_000] * 3
    )


# --- memory and messages


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_transparency_is_divided_in_little_memory(tmp_path):
    code = (
        "import re, numpy as np\n"
        "from pathlib import Path\n"
        "from anime_pipeline.core.machine import resident_bytes\n"
        "from anime_pipeline.images.transparency import split_alpha\n"
        "rgba = np.random.default_rng(0).integers(0, 256, (1400, 1400, 4), np.uint8)\n"
        "split_alpha(rgba[:64, :64].copy())\n"
        "before = resident_bytes()\n"
        "kept = split_alpha(rgba)\n"
        # Of this process alone; ru_maxrss begins with what the one before had.
        "status = Path('/proc/self/status').read_text()\n"
        "peak = int(re.search(r'VmHWM:\\s+(\\d+) kB', status)[1]) * 1024\n"
        "print((peak - before) / 1400**2)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert float(done.stdout) < 20, done.stdout


def enlarger(room, upscaler=None, **target):
    result = Enlarger(upscaler or Bicubic(), Target(**target))
    result._budget = Budget(RESERVE + room, 0)
    return result


def test_every_kind_of_picture_is_counted_before_the_work(monkeypatch):
    monkeypatch.setattr(
        "anime_pipeline.inference.enlarge.Enlarger._enlarged", lambda *_: pytest.fail("too late")
    )
    side, room = 1000, 60_000_000
    for picture, kind in (
        (Image.new("RGBA", (4 * side, side)), "png"),
        (Image.new("RGB", (side, side)), "jpg"),
        (Image.new("L", (side, side)), "webp"),
    ):
        with pytest.raises(DataError, match="allow more") as caught:
            enlarger(room)(picture, kind=kind)
        assert ("write PNG" in str(caught.value)) == (kind != "png")
    assert STILL_BYTES_PER_PX["webp"][4] > STILL_BYTES_PER_PX["jpg"][4]


def test_an_animation_that_is_too_large_is_not_told_to_become_png():
    frames = [Image.new("RGB", (200, 200))] * 50
    with pytest.raises(DataError, match="fewer or smaller frames") as caught:
        enlarger(100_000_000).frames(frames, kind="png")
    assert "strips" not in str(caught.value)


def test_tiles_of_an_animation_leave_room_for_its_frames():
    frames = [Image.new("RGB", (64, 64), (level, 0, 0)) for level in range(0, 200, 10)]
    alone, together = Bicubic(), Bicubic()
    room = 64 * 64 * 16 * 20 * 12 + 80_000_000
    enlarger(room, alone)(frames[0]).whole()
    list(enlarger(room, together).frames(frames, kind="png"))
    assert len(together.tiles) == 20 and len(set(together.tiles)) == 1
    assert together.tiles[0] < alone.tiles[0]


@pytest.mark.parametrize("content", [b"", b"no picture", "moves", "large"])
def test_messages_name_what_they_are_about(content):
    kind, animated = "png", False
    if content == "moves":
        kind, animated, content = "jpg", True, b"x"
    if content == "large":
        content = saved(Image.new("L", (5000, 1)), "PNG")
        kind = "webp"
    with Decoder() as decoder:
        prepare = SimpleNamespace(
            text=lambda _: {}, quality=90, decoder=decoder, enlarger=enlarger(10**9)
        )
        with pytest.raises(DataError, match=r"^image: "):
            writer(content, kind, animated, prepare, lambda *_: None)
