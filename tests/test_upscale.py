"""`upscale` in real life: any size, format and transparency, in bounded memory."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw
from upscaling import enlarged, face

from anime_pipeline.core.errors import DataError
from anime_pipeline.images.transparency import split_alpha
from anime_pipeline.images.writing.png_stream import write_png_strips
from anime_pipeline.images.writing.strips import resize_strips
from anime_pipeline.inference.target import Target


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


# --- files written strip by strip


@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.sampled_from([1, 3, 4]),
    st.integers(1, 15),
    st.data(),
)
@settings(max_examples=60, deadline=None)
def test_a_png_of_strips_is_read_back_exactly(width, height, channels, rows, data):
    smooth = data.draw(st.booleans())
    picture = noise(height, width, channels)
    if smooth:
        picture = np.cumsum(picture % 3, axis=data.draw(st.integers(0, 1))).astype(np.uint8)
        picture = picture.reshape(height, width, channels)
    strips = [picture[top : top + rows] for top in range(0, height, rows)]
    file = io.BytesIO()
    write_png_strips(file, (width, height), channels, strips, {"key": "Größe", "more": "目"})
    with Image.open(io.BytesIO(file.getvalue())) as read:
        assert read.info["key"] == "Größe" and read.info["more"] == "目"
        assert read.mode == {1: "L", 3: "RGB", 4: "RGBA"}[channels]
        assert np.array_equal(np.asarray(read).reshape(picture.shape), picture)


def test_a_png_of_strips_is_about_as_small_as_pillows():
    picture = np.asarray(face(64).resize((256, 256), Image.Resampling.BICUBIC))
    ours, theirs = io.BytesIO(), io.BytesIO()
    write_png_strips(ours, (256, 256), 3, [picture])
    Image.fromarray(picture).save(theirs, "PNG")
    assert len(ours.getvalue()) < 1.1 * len(theirs.getvalue())


def test_strips_that_do_not_add_up_are_refused():
    with pytest.raises(ValueError, match="Expected 5 rows"):
        write_png_strips(io.BytesIO(), (4, 5), 3, [noise(4, 4, 3)])
    with pytest.raises(ValueError, match="Expected strips"):
        write_png_strips(io.BytesIO(), (4, 5), 3, [noise(5, 3, 3)])


@given(
    st.integers(1, 700),
    st.integers(1, 60),
    st.integers(1, 700),
    st.integers(1, 60),
    st.integers(1, 99),
)
@settings(max_examples=60, deadline=None)
def test_resizing_strips_is_resizing_the_whole(height, width, new_height, new_width, rows):
    picture = noise(height, width, 3)
    strips = [picture[top : top + rows] for top in range(0, height, rows)]
    result = np.concatenate(list(resize_strips(strips, (width, height), (new_width, new_height))))
    across = Image.fromarray(picture).resize((new_width, height), Image.Resampling.BICUBIC)
    whole = np.asarray(across.resize((new_width, new_height), Image.Resampling.BICUBIC))
    assert result.shape == whole.shape
    assert np.abs(result.astype(int) - whole).max() <= 1


# --- transparency


def test_a_shape_lends_its_colour_to_what_is_hidden_around_it():
    rgba = np.zeros((32, 32, 4), np.uint8)
    rgba[8:24, 8:24] = (200, 40, 40, 255)
    rgb, _ = split_alpha(rgba)
    assert np.abs(rgb.astype(int) - (200, 40, 40)).max() <= 1


def test_a_cut_out_gets_no_fringe(upscaler):
    from anime_pipeline.inference.enlarge import Enlarger

    mask = Image.new("L", (96, 96))
    ImageDraw.Draw(mask).ellipse((12, 12, 84, 84), fill=255)
    rgba = np.zeros((24, 24, 4), np.uint8)
    rgba[..., 3] = np.asarray(mask.resize((24, 24), Image.Resampling.BOX))
    rgba[rgba[..., 3] > 0, :3] = (230, 60, 50)  # and black where nothing is seen
    large = Enlarger(upscaler, Target())(Image.fromarray(rgba)).whole()
    seen = large[..., 3] > 8
    assert np.abs(large[seen][:, :3].astype(int) - (230, 60, 50)).max() <= 12
    assert (large[:8, :8, 3] == 0).all() and (large[44:52, 44:52, 3] == 255).all()
    edge = (large[..., 3] > 8) & (large[..., 3] < 247)
    assert 0 < edge.mean() < 0.15  # a line, not a haze


# --- sizes, passes and extras


@pytest.mark.parametrize(
    ("target", "size"),
    [
        (Target(), (400, 200)),
        (Target(factor=3), (300, 150)),
        (Target(factor=8), (800, 400)),
        (Target(box=(1000, 1000)), (1000, 500)),
        (Target(box=(0, 120)), (240, 120)),
        (Target(box=(64, 64), exact=True), (64, 64)),
        (Target(box=(1, 1)), (1, 1)),
    ],
)
def test_sizes(target, size):
    assert target.size(100, 50) == size


def test_more_than_sixteen_times_is_refused():
    with pytest.raises(DataError, match="more than 16 times"):
        Target(box=(5000, 5000)).size(100, 100)


@pytest.mark.parametrize("size", [(16, 12), (33, 25), (64, 48), (100, 75), (131, 97), (256, 192)])
def test_any_size_looks_like_the_picture(upscaler, size):
    from anime_pipeline.inference.enlarge import Enlarger

    picture = face(32).crop((0, 0, 32, 24))
    result = Enlarger(upscaler, Target(box=size, exact=True))(picture)
    large = result.whole()
    assert result.size == size and large.shape == (size[1], size[0], 3)
    # Reduced again, to what both have: how crisp it is in between is the network's affair.
    common = (min(size[0], picture.width), min(size[1], picture.height))
    pair = [
        np.asarray(p.resize(common, Image.Resampling.BICUBIC)).astype(int)
        for p in (Image.fromarray(large), picture)
    ]
    assert np.abs(pair[0] - pair[1]).mean() < 4


def test_tiles_strips_and_the_whole_are_one(upscaler):
    lr_image = noise(50, 62, 3)
    whole = enlarged(upscaler, lr_image, tile_px=512)
    for extras in ({}, {"back_projections": 2}):
        from anime_pipeline.inference.upscaler import Extras

        large = enlarged(upscaler, lr_image, 512, extras=Extras(**extras))
        tiled = enlarged(upscaler, lr_image, 28, extras=Extras(**extras))
        assert np.abs(large - tiled).max() <= 1
    assert [len(strip) for strip in upscaler.strips(lr_image, 28)] == [112, 88]
    assert np.array_equal(np.concatenate(list(upscaler.strips(lr_image, 512))), whole)


@pytest.mark.parametrize("weights", ["fidelity", "perceptual"])
@pytest.mark.parametrize("colours", [(250, 0), (5, 250), ((250, 225, 210), (90, 60, 40))])
def test_flat_areas_stay_empty(weights, colours):
    from anime_pipeline.inference.upscaler import Upscaler
    from anime_pipeline.models.zoo import find_weights

    lr_image = np.zeros((64, 64, 3), np.uint8)
    lr_image[:] = colours[1]
    lr_image[8:56, 8:56] = colours[0]
    large = enlarged(Upscaler.load(find_weights(weights, "srgan-generator")), lr_image)
    assert np.abs(large[48:208, 48:208] - colours[0]).max() <= 2
    assert np.abs(large[:16] - colours[1]).max() <= 2


def test_an_ensemble_turns_with_its_input(upscaler):
    from anime_pipeline.inference.upscaler import Extras

    lr_image, extras = np.asarray(face(20)), Extras(ensemble=True)
    large = enlarged(upscaler, lr_image, extras=extras)
    for turn in (np.fliplr, np.flipud, np.rot90):
        turned = enlarged(upscaler, np.ascontiguousarray(turn(lr_image)), extras=extras)
        assert np.abs(turned - turn(large)).max() <= 1
    plain = enlarged(upscaler, lr_image)
    assert np.abs(plain - large).max() > 1


def test_back_projection_reduces_to_the_input(upscaler):
    from anime_pipeline.inference.upscaler import Extras

    lr_image = np.asarray(face(32))

    def error(rounds: int) -> float:
        large = enlarged(upscaler, lr_image, extras=Extras(back_projections=rounds))
        small = Image.fromarray(large.astype(np.uint8)).resize((32, 32), Image.Resampling.BICUBIC)
        return float(np.abs(np.asarray(small).astype(int) - lr_image).mean())

    assert error(6) < 0.5 * error(0) and error(6) < 1


def test_realism_leads_from_one_upscaler_to_the_other():
    from anime_pipeline.inference.upscaler import Upscaler
    from anime_pipeline.models.blend import find_upscaler

    lr_image = np.asarray(face(24))

    def large(realism: float) -> np.ndarray:
        weights = find_upscaler("fidelity", realism).load()
        return enlarged(Upscaler(weights), lr_image)

    first, middle, last = large(0), large(0.5), large(1)
    ends = np.abs(first - last).mean()
    assert ends > 0.3
    assert np.abs(first - middle).mean() < ends and np.abs(last - middle).mean() < ends


@pytest.mark.parametrize(
    ("name", "golden"),
    [
        ("fidelity", [56, 49, 64, 126, 63, 228, 62, 125, 231, 128, 127, 229]),
        ("perceptual", [63, 74, 32, 126, 62, 231, 60, 126, 237, 126, 125, 230]),
        ("faces", [65, 75, 33, 126, 62, 230, 60, 125, 237, 126, 126, 229]),
        ("denoise", [67, 65, 51, 125, 61, 230, 62, 122, 235, 126, 124, 229]),
    ],
)
def test_the_shipped_upscalers_are_what_they_were(name, golden):
    """Golden slice: a few pixels of a bright disc on two ramps."""
    from anime_pipeline.inference.upscaler import Upscaler
    from anime_pipeline.models.zoo import find_weights

    y, x = np.mgrid[:32, :32]
    disc = np.where((x - 16) ** 2 + (y - 14) ** 2 < 90, 230, 60)
    picture = np.stack([x * 8, y * 8, disc], axis=-1).astype(np.uint8)[None]
    large = Upscaler.load(find_weights(name, "srgan-generator")).upscale_batch(picture)[0]
    assert np.abs(large[32:96:32, 32:96:32].ravel().astype(int) - golden).max() <= 1
