"""Animations as their specifications compose them: canvases, blending, disposal, default images."""

import io

import numpy as np
import pytest
from PIL import Image, features
from raw_files import apng, chunk, gamma, gif, png
from upscaling import open_picture, saved

from anime_pipeline.core.errors import DataError
from anime_pipeline.images.codec import decode, to_rgba
from anime_pipeline.images.frames import animated_kind, kind_of, read_animation

SIZE = (20, 12)
KEEP, CLEAR, RESTORE = 0, 1, 2  # PNG's numbers
REPLACE, OVER = 0, 1
RED, BLUE, LIME, HALF = (200, 40, 60, 255), (0, 0, 255, 255), (0, 255, 0, 255), (0, 0, 255, 128)


def solid(colour, width=SIZE[0], height=SIZE[1]):
    return np.full((height, width, len(colour)), colour, np.uint8)


def frames_of(content):
    return [np.asarray(frame.convert("RGBA")) for frame in read_animation(content).frames]


def over(above, below):
    """Porter and Duff's "over" of colours that are not premultiplied, as PNG's section has it."""
    above, below = np.array(above) / 255, np.array(below) / 255
    alpha = above[3] + below[3] * (1 - above[3])
    colour = above[:3] * above[3] + below[:3] * below[3] * (1 - above[3])
    return 255 * np.append(colour / alpha if alpha else colour, alpha)


@pytest.mark.parametrize("below", [RED, (200, 40, 60, 128), (200, 40, 60, 0)])
@pytest.mark.parametrize("above", [HALF, BLUE, (9, 9, 9, 0)])
def test_png_frames_are_laid_over_or_replace(above, below):
    for blend in (OVER, REPLACE):
        small = solid(above, 6, 4)
        parts = [(solid(below), 0, 0, KEEP, REPLACE), (small, 3, 2, KEEP, blend)]
        _, frame = frames_of(apng(SIZE, parts))
        wanted = over(above, below) if blend == OVER else above
        # Of what is not there, any colour is right.
        part = slice(None) if wanted[3] else slice(3, 4)
        assert np.abs(frame[2:6, 3:9].astype(int) - wanted)[..., part].max() <= 2
        assert (frame[:2] == below).all() or not below[3]


@pytest.mark.parametrize("first", [KEEP, CLEAR, RESTORE])
@pytest.mark.parametrize("second", [KEEP, CLEAR, RESTORE])
def test_png_disposal(first, second):
    """By hand: what stands where after each of three frames."""
    dot = solid(LIME, 1, 1)
    parts = [
        (solid(RED), 0, 0, first, REPLACE),
        (solid(BLUE, 6, 4), 3, 2, second, OVER),
        (dot, 19, 11, KEEP, OVER),
    ]
    one, two, three = frames_of(apng(SIZE, parts))
    assert (one == RED).all()
    # Nothing was before the first frame: restored, it is cleared.
    ground = RED if first == KEEP else (0, 0, 0, 0)
    assert tuple(two[0, 0]) == ground and tuple(two[3, 4]) == BLUE
    assert tuple(three[0, 0]) == ground and tuple(three[11, 19]) == LIME
    left = {KEEP: BLUE, CLEAR: (0, 0, 0, 0), RESTORE: ground}[second]
    assert tuple(three[3, 4]) == left


def test_a_default_image_that_is_no_frame_never_shows():
    parts = [(solid(BLUE, 6, 4), 3, 2, KEEP, REPLACE), (solid(LIME, 1, 1), 0, 0, KEEP, OVER)]
    content = apng(SIZE, parts, default=solid(RED))
    one, two = frames_of(content)
    assert kind_of(content) == "png"
    assert (one[0, 0] == 0).all() and tuple(one[2, 3]) == BLUE
    assert tuple(two[0, 0]) == LIME and (two[0, 1] == 0).all()
    assert np.array_equal(to_rgba(open_picture(content)), one)
    single = apng(SIZE, [(solid(BLUE), 0, 0, KEEP, REPLACE)], default=solid(RED))
    assert kind_of(single) is None and (decode(single) == BLUE[:3]).all()


def test_a_still_of_a_broken_animation_is_its_default_image():
    content = apng(SIZE, [], default=solid(RED), announced=1)
    assert (decode(content) == RED[:3]).all()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (apng(SIZE, [(solid(RED), 0, 0, 0, 0)], announced=2), "1 of 2 frames"),
        (
            apng(SIZE, [(solid(RED), 0, 0, 0, 0), (solid(RED, 6, 4), 17, 2, 0, 0)]),
            "frame 2: it does not lie within",
        ),
        (apng(SIZE, [(solid(RED), 0, 0, 0, 0), (solid(RED), 0, 0, 7, 0)]), "frame 2: unknown way"),
        (apng(SIZE, [(solid(RED), 0, 0, 0, 0), (solid(RED), 0, 0, 0, 3)]), "frame 2: unknown way"),
        (apng(SIZE, [(solid(RED), 0, 0, 0, 0)] * 2)[:-30], "damaged"),
        (b"GIF89a" + bytes(20), "damaged"),
    ],
)
def test_damaged_animations_are_refused_in_words(content, reason):
    with pytest.raises(DataError, match=rf"^dance: .*{reason}"):
        read_animation(content, "dance")


def test_a_lost_part_of_a_png_animation_is_no_missing_frame():
    content = apng(SIZE, [(solid(colour), 0, 0, KEEP, REPLACE) for colour in (RED, BLUE, LIME)])
    at = content.index(b"fdAT") + 20
    broken = content[:at] + bytes([content[at] ^ 255]) + content[at + 1 :]
    with pytest.raises(DataError, match="part 2 of the animation is missing"):
        read_animation(broken)


def test_colour_and_side_chunks_hold_for_all_frames():
    parts = [(solid((100, 100, 100, 255)), 0, 0, KEEP, REPLACE)] * 2
    content = apng(SIZE, parts)
    more = gamma(1.0) + chunk(b"tEXt", b"a\0b", damaged=True)
    content = content[:33] + more + content[33:]
    assert kind_of(content) == "png"
    for frame in frames_of(content):
        assert np.abs(frame[..., :3].astype(int) - 168).max() <= 1  # sRGB of 100/255 linear: 167.6


def test_frames_of_palettes_keep_their_transparency():
    palette = chunk(b"PLTE", bytes((200, 40, 60, 0, 0, 255))) + chunk(b"tRNS", bytes((255, 0)))
    samples = np.zeros((4, 4), np.uint8)
    samples[:2] = 1
    base = png(samples, before=[palette], colour_type=3)
    moving = apng((4, 4), [(np.zeros((4, 4, 4), np.uint8), 0, 0, 0, 0)] * 2)
    # Only the headers differ: what an animation of palettes has is put together here.
    control = moving[moving.index(b"fcTL") - 4 :][:38]
    second = moving[moving.index(b"fcTL", moving.index(b"IDAT")) - 4 :][:38]
    data = base[base.index(b"IDAT") + 4 : -12 - 4]
    announcement = moving[33 : 33 + 20]
    body = b"\0\0\0\2" + data
    content = (
        base[:33] + announcement + base[33 : base.index(b"IDAT") - 4] + control
        + base[base.index(b"IDAT") - 4 : -12] + second + chunk(b"fdAT", body) + base[-12:]
    )  # fmt: skip
    for frame in frames_of(content):
        assert (frame[:2, :, 3] == 0).all() and (frame[2:] == RED).all()


# --- GIF


COLOURS = [RED[:3], BLUE[:3], LIME[:3]]


def index(value, width=SIZE[0], height=SIZE[1]):
    return np.full((height, width), value)


def test_a_gif_canvas_is_transparent_without_a_transparent_index():
    content = gif(SIZE, COLOURS, [(index(1, 6, 4), 3, 2, 1, None), (index(2, 1, 1), 0, 0, 1, None)])
    one, two = frames_of(content)
    assert (one[0, 0] == 0).all() and tuple(one[2, 3]) == BLUE
    assert tuple(two[0, 0]) == LIME and tuple(two[2, 3]) == BLUE and (two[11] == 0).all()
    still = to_rgba(open_picture(content))
    assert np.array_equal(still, one)
    assert (decode(content)[0, 0] == 255).all(), "laid over white"


@pytest.mark.parametrize("disposal", range(5))
def test_gif_disposal(disposal):
    parts = [
        (index(0), 0, 0, 1, None),
        (index(1, 6, 4), 3, 2, disposal, None),
        (index(2, 1, 1), 19, 11, 1, None),
    ]
    _, two, three = frames_of(gif(SIZE, COLOURS, parts))
    assert tuple(two[3, 4]) == BLUE and tuple(two[0, 0]) == RED
    left = {2: (0, 0, 0, 0), 3: RED}.get(disposal, BLUE)
    assert tuple(three[3, 4]) == left and tuple(three[0, 0]) == RED


def test_a_transparent_index_shows_what_is_below():
    hole = index(1, 6, 4)
    hole[0] = 2
    parts = [(index(0), 0, 0, 1, None), (hole, 3, 2, 1, 2)]
    _, two = frames_of(gif(SIZE, COLOURS, parts))
    assert (two[2, 3:9] == RED).all() and (two[3, 3:9] == BLUE).all()


def test_gif_frames_beyond_the_canvas():
    """The first makes it larger, as browsers have it; of later ones the rest is cut."""
    parts = [(index(0, 24, 12), 0, 0, 1, None), (index(1, 9, 9), 20, 8, 1, None)]
    content = gif((20, 12), COLOURS, parts)
    one, two = frames_of(content)
    assert one.shape == two.shape == (12, 24, 4)
    assert (one == RED).all() and (two[8:, 20:] == BLUE).all() and (two[:8] == RED).all()
    assert open_picture(content).size == (24, 12)


def test_a_gif_without_its_last_bytes_has_its_frames():
    content = gif(SIZE, COLOURS, [(index(0), 0, 0, 1, None), (index(1), 0, 0, 1, None)])
    assert len(frames_of(content[:-1])) == 2
    with pytest.raises(DataError, match="damaged"):
        read_animation(content[:-60])


def test_all_frames_are_counted_before_the_first_is_decoded():
    content = gif((8000, 8000), COLOURS, [(index(0, 1, 1), 0, 0, 1, None)] * 2)
    with pytest.raises(DataError, match="2 frames of 8000x8000"):
        read_animation(content)
    content = gif((10, 10), COLOURS, [(index(0, 1, 1), 0, 0, 1, None)] * 640_001)
    with pytest.raises(DataError, match="640001 frames of 10x10"):
        read_animation(content)


@pytest.mark.parametrize("seed", range(6))
def test_pillow_agrees_where_nothing_is_half_transparent(seed):
    """A second reader, for what it composes by the specification."""
    generator = np.random.default_rng(seed)
    pictures = []
    for _ in range(5):
        rgba = generator.integers(0, 256, (*SIZE[::-1], 4), np.uint8)
        rgba[..., 3] = 255 * (generator.random(SIZE[::-1]) < 0.7)
        rgba[rgba[..., 3] == 0] = 0
        pictures.append(Image.fromarray(rgba))
    for disposal in (0, 1):
        content = saved(pictures[0], "PNG", save_all=True, append_images=pictures[1:],
                        disposal=disposal, blend=0, duration=50)  # fmt: skip
        theirs = []
        with Image.open(io.BytesIO(content)) as picture:
            for number in range(picture.n_frames):
                picture.seek(number)
                theirs.append(np.asarray(picture.convert("RGBA")))
        assert all(map(np.array_equal, frames_of(content), theirs))


@pytest.mark.skipif(not features.check("avif"), reason="Pillow was built without AVIF")
def test_an_avif_that_moves_is_read_whole_and_written_as_png(tmp_path):
    pictures = [Image.new("RGB", (32, 24), colour) for colour in ("red", "lime", "blue")]
    path = tmp_path / "a.avif"
    path.write_bytes(saved(pictures[0], "AVIF", save_all=True, append_images=pictures[1:],
                           duration=70))  # fmt: skip
    assert animated_kind(path) == "png"
    read = read_animation(path.read_bytes())
    assert read.durations_ms == [70] * 3
    for frame, picture in zip(read.frames, pictures, strict=True):
        assert np.abs(np.asarray(frame, int) - np.asarray(picture)).max() <= 8
