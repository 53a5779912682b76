"""Grey stays grey in whatever mode it comes, and flat colours stay what they are at any scale."""

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw
from upscaling import Bicubic, open_picture, saved

from anime_pipeline.images.writing.save import write_picture
from anime_pipeline.inference.enlarge import Enlarger, is_grey
from anime_pipeline.inference.target import Target
from anime_pipeline.inference.upscaler import PLAIN, Upscaler


@pytest.fixture(scope="module", params=[0.0, 1.0], ids=["faithful", "realistic"])
def shipped(request):
    from anime_pipeline.models.blend import find_upscaler

    return Upscaler(find_upscaler("fidelity", request.param).load())


def ink():
    picture = Image.new("L", (48, 48), 255)
    draw = ImageDraw.Draw(picture)
    draw.rectangle((8, 8, 30, 30), outline=0)
    draw.line((0, 44, 47, 12), fill=0)
    draw.ellipse((24, 24, 44, 44), fill=128)
    return picture


def modes():
    grey = ink()
    veil = Image.fromarray(np.linspace(0, 255, 48).astype(np.uint8)[None].repeat(48, 0))
    clear = np.dstack([np.asarray(grey.convert("RGB")), np.asarray(veil)])
    clear[..., 1][clear[..., 3] == 0] = 77  # a colour that nobody sees
    palette = Image.fromarray(np.asarray(grey.convert("P")))
    return {
        "L": saved(grey, "PNG"),
        "LA": saved(Image.merge("LA", (grey, veil)), "PNG"),
        "RGB": saved(grey.convert("RGB"), "PNG"),
        "RGBA": saved(Image.fromarray(clear), "PNG"),
        "P": saved(grey.convert("P"), "PNG"),
        "1": saved(grey.convert("1"), "PNG"),
        "I;16": saved(Image.fromarray(np.asarray(palette).astype(np.uint16) * 257), "PNG"),
        "grey JPEG": saved(grey, "JPEG"),
        "colour JPEG": saved(grey.convert("RGB"), "JPEG"),
        "GIF": saved(grey, "GIF"),
        "WebP": saved(grey.convert("RGB"), "WEBP", lossless=True),
    }


@pytest.mark.parametrize("mode", modes())
@pytest.mark.parametrize("scale", [2, 4, 8])
def test_grey_stays_grey_in_every_mode(mode, scale, shipped):
    if scale == 8 and mode not in ("RGB", "LA"):
        pytest.skip("two passes treat all modes alike")
    picture = open_picture(modes()[mode])
    large = Enlarger(shipped, Target(scale))(picture).whole()
    colours = large[..., :3] if large.shape[2] > 1 else large
    assert (colours.min(axis=2) == colours.max(axis=2)).all()
    assert colours.std() > 20, "and it is no empty picture"


# WebP's own conversion is off by one level where it is not lossless.
@pytest.mark.parametrize(("kind", "most"), [("png", 0), ("jpg", 0), ("webp", 1)])
def test_grey_is_written_as_grey(kind, most, shipped):
    result = Enlarger(shipped, Target(2))(ink().convert("RGB"))
    file = io.BytesIO()
    write_picture(file, result.size, result.channels, result.strips, kind, 92, {})
    written = np.asarray(Image.open(file).convert("RGB"))
    assert (written.max(axis=2) - written.min(axis=2)).max() <= most


def test_frames_are_grey_each_for_itself(shipped):
    frames = [ink().convert("RGB"), Image.new("RGB", (48, 48), (200, 30, 60))]
    first, second = Enlarger(shipped, Target()).frames(frames)
    assert (first.min(axis=2) == first.max(axis=2)).all()
    assert second[50, 50, 0] > 190 > second[50, 50, 1]


def test_one_coloured_pixel_makes_a_picture_coloured():
    rgb = np.full((700, 5, 3), 90, np.uint8)
    assert is_grey(rgb)
    for channel in range(3):
        one = rgb.copy()
        one[690, 3, channel] += 1
        assert not is_grey(one)


# --- flat colours


class Drifting(Bicubic):
    """Moves every colour, and paints a texture: worse than any network."""

    def strips(self, rgb, tile_px, progress=None, extras=PLAIN):
        for strip in super().strips(rgb, tile_px, progress, extras):
            noise = np.random.default_rng(0).integers(-9, 10, strip.shape)
            yield np.clip(strip + noise + (8, -8, 8), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("scale", [5, 8, 12, 16])
def test_flat_colours_stay_through_two_passes(scale):
    for colour in ((255, 255, 255), (200, 30, 60), (128, 128, 128), (0, 0, 0)):
        large = Enlarger(Drifting(), Target(scale))(Image.new("RGB", (20, 14), colour)).whole()
        assert large.shape == (14 * scale, 20 * scale, 3)
        assert (large == colour).all()


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_flat_colours_stay_within_two_levels_at_every_scale(scale, shipped):
    enlarge = Enlarger(shipped, Target(scale))
    for colour in ((0, 0, 128), (255, 0, 128), (0, 128, 255), (128, 255, 128), (0,) * 3):
        large = enlarge(Image.new("RGB", (12, 12), colour)).whole().astype(int)
        assert np.abs(large - colour).max() <= 2, colour


def test_flat_parts_stay_beside_others(shipped):
    picture = Image.new("RGB", (40, 40), (230, 180, 160))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 0, 12, 12), fill=(20, 20, 60))
    draw.line((20, 0, 39, 39), fill=0)
    large = Enlarger(shipped, Target(8))(picture).whole().astype(int)
    assert np.abs(large[26 * 8 : 38 * 8, 16 : 20 * 8] - (230, 180, 160)).max() <= 2
    assert np.abs(large[: 9 * 8, : 9 * 8] - (20, 20, 60)).max() <= 2
    assert large[:, 200:].std() > 30, "lines are still there"
