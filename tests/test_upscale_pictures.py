"""`upscale` on odd pictures: faint pixels, profiles, animations, limits of formats and memory."""

import io
import struct
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from anime_pipeline.cli.upscale_work import writer
from anime_pipeline.core.errors import DataError
from anime_pipeline.images.codec import decode, open_picture, to_rgb, to_rgba
from anime_pipeline.images.frames import animated_kind, kind_of, read_animation
from anime_pipeline.images.save import STILL_BYTES_PER_PX, write_animation
from anime_pipeline.images.transparency import SEEN, keep_flat, split_alpha
from anime_pipeline.inference.enlarge import Enlarger
from anime_pipeline.inference.memory import RESERVE, Budget
from anime_pipeline.inference.target import Target
from anime_pipeline.inference.upscaler import PLAIN

ORIENTATION, RED = 0x0112, (220, 30, 40)


class Bicubic:
    """Stands in for a network where only what surrounds it matters."""

    def __init__(self):
        self.tiles = []

    def strips(self, rgb, tile_px, progress=None, extras=PLAIN):
        self.tiles.append(tile_px)
        size = (4 * rgb.shape[1], 4 * rgb.shape[0])
        yield np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling.BICUBIC))


@pytest.fixture(scope="module")
def upscaler():
    from anime_pipeline.inference.upscaler import Upscaler
    from anime_pipeline.models.zoo import find_weights

    return Upscaler.load(find_weights("fidelity", "srgan-generator"))


def saved(picture, kind, **options):
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def moving(kind, *pictures, **options):
    return saved(pictures[0], kind, save_all=True, append_images=pictures[1:], **options)


def animation(kind, frames, durations, loop=0):
    file = io.BytesIO()
    write_animation(file, frames, durations, loop, kind, 100, {})
    return file.getvalue()


def disc(side, radius, around):
    """White, opaque and round; black with that alpha around it."""
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    rgba = np.full((side, side, 4), (0, 0, 0, around), np.uint8)
    rgba[x * x + y * y < radius * radius] = 255
    return rgba


# --- transparency


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_hidden_colours_change_nothing_and_seen_ones_stay(height, width, seed):
    generator = np.random.default_rng(seed)
    rgba = generator.integers(0, 256, (height, width, 4), np.uint8)
    rgba[..., 3] *= generator.integers(0, 2, (height, width), np.uint8)
    other = rgba.copy()
    hidden = rgba[..., 3] == 0
    other[hidden, :3] = generator.integers(0, 256, (hidden.sum(), 3))
    first, alpha = split_alpha(rgba)
    second, _ = split_alpha(other)
    assert np.array_equal(first, second) and np.array_equal(alpha, rgba[..., 3])
    seen = rgba[..., 3] >= SEEN
    assert np.array_equal(first[seen], rgba[seen, :3])


def test_a_picture_that_is_faint_all_over_is_kept():
    rgba = np.random.default_rng(0).integers(0, 256, (300, 20, 4), np.uint8)
    rgba[..., 3] = 9
    assert np.array_equal(split_alpha(rgba)[0], rgba[..., :3])
    rgba[:10, :10, 3] = 255  # far from the rest
    rgb, _ = split_alpha(rgba)
    assert np.array_equal(rgb[20:], rgba[20:, :, :3])


def test_bands_change_nothing(monkeypatch):
    rgba = np.random.default_rng(0).integers(0, 256, (301, 37, 4), np.uint8)
    rgba[40:290, :, 3] = 0
    banded, _ = split_alpha(rgba)
    monkeypatch.setattr("anime_pipeline.images.transparency.BAND_ROWS", 1000)
    assert np.abs(banded.astype(int) - split_alpha(rgba)[0]).max() <= 1


@pytest.mark.parametrize("around", [0, 1, 8, 20])
def test_faint_surroundings_draw_no_ring(around, upscaler):
    rgba = disc(32, 10, around)
    large = Enlarger(upscaler, Target())(Image.fromarray(rgba)).whole().astype(float)
    smooth = Image.fromarray(rgba).resize((128, 128), Image.Resampling.BICUBIC)  # premultiplied

    def over_white(picture):
        alpha = picture[..., 3:] / 255
        return picture[..., :3] * alpha + 255 * (1 - alpha)

    darkest = over_white(np.asarray(smooth).astype(float)).min()
    # A network overshoots a little beside an edge; black that bleeds in costs 60 levels and more.
    assert over_white(large).min() >= darkest - 16


@pytest.mark.parametrize("scale", [2, 2.65, 3, 4, 5.5])
def test_flat_alpha_stays_flat(scale):
    alpha = np.zeros((20, 20), np.uint8)
    alpha[:, 10:] = 255
    side = round(20 * scale)
    blurred = np.full((side, side), 99, np.uint8)
    parts = [keep_flat(alpha, blurred[top : top + 7], top, side) for top in range(0, side, 7)]
    result = np.concatenate(parts)
    centres = (np.arange(side) + 0.5) * 20 / side
    assert (result[:, centres < 8] == 0).all() and (result[:, centres >= 12] == 255).all()
    assert (result[:, (centres >= 8) & (centres < 12)] == 99).all()
    assert np.array_equal(keep_flat(alpha.T, blurred, 0, side), result.T)


@pytest.mark.parametrize("size", [(85, 85), (90, 24), (100, 150)])
def test_odd_sizes_get_no_veil(size, upscaler):
    result = Enlarger(upscaler, Target(box=size, exact=True))(Image.fromarray(disc(32, 9, 0)))
    alpha = result.whole()[..., 3]
    assert alpha[: size[1] // 8].max() == 0
    middle = alpha[size[1] * 7 // 16 : size[1] * 9 // 16, size[0] * 7 // 16 : size[0] * 9 // 16]
    assert middle.min() == 255


def test_a_side_that_does_not_grow_stays_sharp():
    lines = np.zeros((32, 32, 3), np.uint8)
    lines[np.arange(32) // 2 % 2 == 1] = 255
    for size in ((160, 32), (512, 32), (512, 40)):
        large = Enlarger(Bicubic(), Target(box=size, exact=True))(Image.fromarray(lines)).whole()
        assert large.shape[1::-1] == size and large[:, 64, 0].std() > 80, size


def test_a_transparent_level_of_16_bit_grey():
    levels = np.full((16, 16), 20_000, np.uint16)
    levels[:8] = 50_000
    picture = open_picture(saved(Image.fromarray(levels), "PNG", transparency=20_000))
    large = Enlarger(Bicubic(), Target())(picture).whole()
    assert large.shape == (64, 64, 4)
    assert (large[:24] == (195, 195, 195, 255)).all() and (large[40:, :, 3] == 0).all()
    assert (to_rgb(picture)[8:] == 255).all() and (to_rgb(picture)[:8] == 195).all()


def test_16_bit_levels_are_scaled_and_rounded():
    levels = np.arange(2**16, dtype=np.uint16).reshape(256, 256)
    right = np.rint(levels / 257).astype(np.uint8)
    assert np.array_equal(to_rgb(Image.fromarray(levels))[..., 0], right)
    assert np.array_equal(to_rgba(Image.fromarray(levels))[..., 2], right)


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


@pytest.mark.parametrize(
    ("mode", "transparent"), [("RGB", (10, 20, 30)), ("P", 0), ("L", 60), ("1", 0)]
)
def test_a_profile_leaves_the_transparent_colour_alone(mode, transparent):
    picture = Image.new("RGB", (8, 8), (10, 20, 30))
    picture.paste(RED, (0, 0, 8, 4))
    if mode == "P":
        picture = picture.quantize()
        transparent = picture.getpixel((0, 7))
    elif mode != "RGB":
        picture = Image.fromarray(np.repeat(np.uint8([[200], [60]]), 4, 0).repeat(8, 1))
        picture = picture.convert(mode, dither=Image.Dither.NONE)
    grey = mode in ("L", "1")
    icc = profile(linear=True) if grey else profile(swapped=True)
    content = saved(picture, "PNG", icc_profile=icc, transparency=transparent)
    rgba = to_rgba(open_picture(content))
    assert (rgba[:4, :, 3] == 255).all() and (rgba[4:, :, 3] == 0).all()
    if not grey:
        assert np.abs(rgba[0, 0, :3].astype(int) - (30, 220, 40)).max() <= 3


def test_names_of_profiles_prove_nothing():
    """What is called sRGB is still converted, and true sRGB is not touched."""
    colours = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    for picture in (Image.fromarray(colours), Image.fromarray(colours).convert("RGBA")):
        assert np.array_equal(decode(saved(picture, "PNG", icc_profile=profile())), colours)
    linear = decode(
        saved(Image.new("RGB", (4, 4), (55,) * 3), "PNG", icc_profile=profile(False, 1))
    )
    assert abs(int(linear[0, 0, 0]) - 128) <= 2


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "JPEG"])
def test_damaged_exif_costs_nothing(kind):
    picture = Image.new("RGB", (8, 4), RED)
    assert decode(saved(picture, kind, exif=b"garbage garb")).shape == (4, 8, 3)


@pytest.mark.parametrize("orientation", range(10))
def test_orientations_are_as_pillow_has_them(orientation):
    from PIL import ImageOps

    picture = Image.fromarray(np.arange(24, dtype=np.uint8).reshape(4, 6) * 10)
    content = saved(picture, "PNG", exif=exif(orientation))
    with Image.open(io.BytesIO(content)) as read:
        assert np.array_equal(open_picture(content), ImageOps.exif_transpose(read))


def exif(orientation):
    result = Image.Exif()
    result[ORIENTATION] = orientation
    return result


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
        "anime_pipeline.inference.enlarge._planes", lambda _: pytest.fail("too late")
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
    assert STILL_BYTES_PER_PX["webp", 4] > STILL_BYTES_PER_PX["jpg", 4]


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
    prepare = SimpleNamespace(request=SimpleNamespace(text=lambda _: {}), quality=90)
    call = (content, kind, animated, enlarger(10**9), prepare, lambda *_: None)
    with pytest.raises(DataError, match=r"^stdin: "):
        writer(*call, name="stdin")
    with pytest.raises(DataError, match=r"^image: "):
        writer(*call)
