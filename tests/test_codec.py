import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from anime_pipeline.core.errors import DataError
from anime_pipeline.images.codec import decode, encode_png, fit_square, write_png
from anime_pipeline.images.writing.grid import make_grid
from anime_pipeline.models.ranges import lr_to_model, to_model, to_uint8

RAMP = np.add.outer(np.arange(40), np.arange(30))[..., None].repeat(3, 2).astype(np.uint8) * 3


def encoded(picture: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def test_png_round_trip_keeps_every_pixel_and_text(tmp_path):
    write_png(tmp_path / "a.png", RAMP, {"seed": "7"})
    assert np.array_equal(decode((tmp_path / "a.png").read_bytes()), RAMP)
    assert Image.open(tmp_path / "a.png").text["seed"] == "7"


def test_modes_come_out_as_the_colours_that_people_see():
    picture = Image.fromarray(RAMP)
    grey = picture.convert("L")
    wide = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    for mode_bytes in (
        encoded(grey.convert("P"), "PNG"),
        encoded(grey, "PNG"),
        encoded(wide, "PNG"),
        encoded(picture.convert("RGBA"), "PNG"),
    ):
        assert np.abs(decode(mode_bytes).astype(int) - RAMP).max() <= 4
    clear = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    assert (decode(encoded(clear, "PNG")) == 255).all()


def test_exif_rotation_is_applied():
    exif = Image.Exif()
    exif[0x0112] = 6
    content = encoded(Image.fromarray(RAMP), "JPEG", exif=exif, quality=95)
    assert decode(content).shape == (30, 40, 3)


@pytest.mark.parametrize(
    "content,reason",
    [
        (b"", "empty"),
        (b"hello, I am text", "not a picture"),
        (encode_png(RAMP)[:70], "damaged"),
        (encode_png(RAMP)[:20], "damaged|not a picture"),
    ],
)
def test_broken_files_are_named_with_the_reason(content, reason):
    with pytest.raises(DataError, match=rf"holiday\.png: .*({reason})"):
        decode(content, "holiday.png")


def test_a_decompression_bomb_is_refused_before_it_grows():
    bomb = encoded(Image.new("1", (20_000, 20_000)), "PNG")
    with pytest.raises(DataError, match="pixels"):
        decode(bomb)


@given(
    st.integers(1, 60), st.integers(1, 60), st.integers(1, 48),
    st.sampled_from(["crop", "pad", "stretch"]),
)  # fmt: skip
def test_fit_gives_a_square_and_keeps_flat_colours(height, width, size, fit):
    flat = np.full((height, width, 3), (10, 120, 250), np.uint8)
    square = fit_square(flat, size, fit)
    assert square.shape == (size, size, 3)
    assert (square == flat[0, 0]).all()


def test_padding_a_thin_picture_takes_little_memory():
    square = fit_square(np.full((1, 40_000, 3), 200, np.uint8), 32, "pad")
    assert square.shape == (32, 32, 3) and (square == 200).all()
    tall = np.zeros((40, 20, 3), np.uint8)
    tall[:, 10:] = 255
    padded = fit_square(tall, 20, "pad")
    assert (padded[:, :9] == 0).all() and (padded[:, 11:] == 255).all()


def test_crop_keeps_the_centre_and_stretch_keeps_all():
    picture = np.zeros((20, 40, 3), np.uint8)
    picture[:, :10] = 255
    assert fit_square(picture, 20, "crop").max() == 0
    assert fit_square(picture, 20, "stretch")[:, :5].min() == 255


def test_area_reduction_is_the_mean_of_blocks():
    picture = np.random.default_rng(0).integers(0, 256, (96, 96, 3), np.uint8)
    blocks = picture.reshape(32, 3, 32, 3, 3).mean(axis=(1, 3))
    assert np.abs(fit_square(picture, 32, "crop") - blocks).max() <= 0.5 + 1e-9


def test_range_conversion_round_trips_every_level():
    levels = np.arange(256, dtype=np.uint8)
    assert np.array_equal(to_uint8(levels / 127.5 - 1), levels)
    assert np.array_equal(to_uint8(to_model(levels)), levels)
    assert np.asarray(lr_to_model(levels))[[0, 255]].tolist() == [0, 1]
    assert list(to_uint8(np.array([-9.0, 9.0]))) == [0, 255]


def test_grid_places_pictures_in_rows():
    images = np.stack([np.full((4, 4, 3), level, np.uint8) for level in (0, 50, 100)])
    grid = make_grid(images, columns=2, magnify=2, gap=1)
    assert grid.shape == (19, 19, 3)
    assert grid[1, 1, 0] == 0 and grid[1, 10, 0] == 50 and grid[10, 1, 0] == 100
    assert (grid[10:18, 10:18] == 255).all()
    with pytest.raises(ValueError, match="images"):
        make_grid(images[0])
