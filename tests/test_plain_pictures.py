"""What OpenCV decodes for a set of faces is what the careful decoder makes of it, to the bit."""

import io
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms

from anime_pipeline.data import entry
from anime_pipeline.data.dataset import open_dataset
from anime_pipeline.data.store import load_store
from anime_pipeline.images.codec import decode
from anime_pipeline.images.plain import decode_plain
from anime_pipeline.sample.drawing import draw_face


def encoded(image: Image.Image, kind: str = "JPEG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


FACE = Image.fromarray(draw_face(5, 61).image)
NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (17, 35, 3), np.uint8))
PLAIN = {
    "face": encoded(FACE),
    "4:4:4": encoded(FACE, subsampling=0),
    "4:2:2": encoded(FACE, subsampling=1),
    "best": encoded(NOISE, quality=100),
    "worst": encoded(NOISE, quality=1),
    "own tables": encoded(FACE, optimize=True),
    "comment": encoded(FACE, comment=b"drawn"),
    "one pixel": encoded(FACE.crop((0, 0, 1, 1))),
}
FRAME, SCAN = PLAIN["face"].index(b"\xff\xc0\0\x11"), PLAIN["face"].index(b"\xff\xda")
EXIF = Image.Exif()
EXIF[0x0112] = 6
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def edited(at: int, new: bytes) -> bytes:
    """The plain face with other bytes from `at` on."""
    return PLAIN["face"][:at] + new + PLAIN["face"][at + len(new) :]


NOT_PLAIN = {
    "grey": encoded(FACE.convert("L")),
    "cmyk": encoded(FACE.convert("CMYK")),
    "turned": encoded(FACE, exif=EXIF),
    "profile": encoded(FACE, icc_profile=PROFILE),
    "rgb kept": encoded(FACE, keep_rgb=True),
    "progressive": encoded(FACE, progressive=True),
    "restarts": encoded(FACE, restart_marker_rows=1),
    "png": encoded(FACE, "PNG"),
    "cut": PLAIN["face"][:-30],
    "no end": PLAIN["face"][:-2],
    "rest": PLAIN["face"] + b"\0",
    "two": PLAIN["face"] * 2,
    "marker in the data": edited(SCAN + 100, b"\xff\xd9"),
    "no height": edited(FRAME + 5, b"\0\0"),
    "too many pixels": edited(FRAME + 5, b"\xff\0\xff\0"),
    "12 bits": edited(FRAME + 4, b"\x0c"),
    "two frames": PLAIN["face"][:SCAN] + PLAIN["face"][FRAME : FRAME + 19] + PLAIN["face"][SCAN:],
    "no frame": PLAIN["face"][:FRAME] + PLAIN["face"][FRAME + 19 :],
    "segments without end": PLAIN["face"][:20] + b"\xff\xfe\0\x02" * 10**6 + PLAIN["face"][20:],
    "segment of no length": PLAIN["face"][:20] + b"\xff\xfe\0\0" + PLAIN["face"][20:],
    "header alone": PLAIN["face"][:20],
    "empty": b"",
}


@pytest.mark.parametrize("name", PLAIN)
def test_plain_pictures_decode_to_the_same_pixels(name):
    found = decode_plain(PLAIN[name])
    assert found is not None and found.dtype == np.uint8
    assert np.array_equal(found, decode(PLAIN[name]))


@pytest.mark.parametrize("name", NOT_PLAIN)
def test_anything_else_is_left_to_the_careful_decoder(name):
    assert decode_plain(NOT_PLAIN[name]) is None


def check_same(content: bytes) -> None:
    """Refused or left by the fast decoder, or as by the careful one."""
    fast = decode_plain(content)
    if fast is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow remarks on odd metadata
            assert np.array_equal(fast, decode(content))


@given(st.sampled_from(sorted(PLAIN)), st.booleans(), st.data())
def test_damaged_bytes_are_never_decoded_otherwise(name, header, data):
    content = bytearray(PLAIN[name])
    last = content.index(b"\xff\xda") + 13 if header else len(content) - 1
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, last))] ^= data.draw(st.integers(1, 255))
    check_same(bytes(content))


@given(st.sampled_from(sorted(PLAIN)), st.data())
def test_tables_in_any_order_or_missing_are_never_decoded_otherwise(name, data):
    content, place, segments = PLAIN[name], 20, []
    while content[place : place + 2] != b"\xff\xda":
        end = place + 2 + int.from_bytes(content[place + 2 : place + 4])
        segments.append(content[place:end])
        place = end
    chosen = data.draw(st.lists(st.sampled_from(segments), max_size=10))
    check_same(content[:20] + b"".join(chosen) + content[place:])


def test_a_set_is_the_same_by_either_decoder(tmp_path, monkeypatch):
    root = tmp_path / "faces"
    root.mkdir()
    for number, content in enumerate([*PLAIN.values(), *NOT_PLAIN.values()]):
        (root / f"{number:02}.jpg").write_bytes(content)
    monkeypatch.setenv("ANIME_PIPELINE_CACHE", str(tmp_path / "fast"))
    fast = load_store(open_dataset(root), 16)
    monkeypatch.setenv("ANIME_PIPELINE_CACHE", str(tmp_path / "careful"))
    monkeypatch.setattr(entry, "decode_plain", lambda content: None)
    load_store(open_dataset(root), 16)
    assert len(fast.images) > len(PLAIN) and fast.skipped
    (one,), (other,) = ((tmp_path / side).iterdir() for side in ("fast", "careful"))
    assert one.read_bytes() == other.read_bytes()
