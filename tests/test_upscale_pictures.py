"""`upscale` on odd pictures: faint pixels, profiles, animations, limits of formats and memory."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from upscaling import RED, Bicubic, exif, open_picture, profile, saved

from anime_pipeline.images.codec import decode, to_rgb, to_rgba
from anime_pipeline.images.transparency import SEEN, keep_flat, split_alpha
from anime_pipeline.inference.enlarge import Enlarger
from anime_pipeline.inference.target import Target


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
    assert over_white(large).min() >= darkest - 20


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
