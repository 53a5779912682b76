"""Decoding in a process: the same pictures, limits that hold, and an end with its owner."""

import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from children import PATIENCE_S, child, wait_for
from hostile_pictures import (
    chunk,
    long_profile,
    long_texts,
    many_scans,
    profile_flood,
    profile_of,
    profile_tags,
    profiled,
    run_lengths,
    some,
    srgb_profile,
    with_chunks,
)
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin, features
from upscaling import exif, open_picture, profile, saved
from web import wait_until

from anime_pipeline.cli.upscale_jobs import Job, is_result, measure
from anime_pipeline.core.errors import DataError, PipelineError
from anime_pipeline.images import headers
from anime_pipeline.images.codec import (
    MoreMemoryError,
    NotAPictureError,
    decode,
    has_alpha,
    to_rgb,
    to_rgba,
)
from anime_pipeline.images.decoding import decoder as decoders
from anime_pipeline.images.decoding import process as processes
from anime_pipeline.images.decoding.decoder import Decoder, TooLongError, UnwantedError
from anime_pipeline.images.decoding.messages import Limits
from anime_pipeline.images.formats.profiles import plain_profile
from anime_pipeline.images.frames import read_animation
from anime_pipeline.images.marks import picture_text
from anime_pipeline.inference.target import Target


@pytest.fixture(scope="module")
def decoder():
    with Decoder() as found:
        yield found


def process_of(decoder):
    return decoder._process._process.pid


def is_running(pid):
    """Tell whether a process is there and no zombie that nobody has asked for yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


# --- the same pictures

RAMP = np.linspace(0, 255, 30 * 40 * 4).reshape(30, 40, 4).astype(np.uint8)
COLOURS = Image.fromarray(RAMP)
AVIF = [("AVIF", mode) for mode in ("RGB", "RGBA")] * features.check("avif")
KINDS = [
    *(("PNG", mode) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")),
    *(("JPEG", mode) for mode in ("L", "RGB", "CMYK")),
    *(("WEBP", mode) for mode in ("RGB", "RGBA")),
    *(("TIFF", mode) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I;16")),
    *(("GIF", mode) for mode in ("L", "P")),
    *(("BMP", mode) for mode in ("1", "L", "P", "RGB")),
    *AVIF,
]


def in_mode(rgba, mode):
    if mode == "I;16":
        return Image.fromarray(rgba[..., 0].astype(np.uint16) * 257)
    picture = Image.fromarray(rgba)
    return (
        picture.convert("RGB").convert(mode) if mode in ("CMYK", "YCbCr") else picture.convert(mode)
    )


def same(decoder, content):
    """Compare with the library's own decoding, which everything that is enlarged went through."""
    here = open_picture(content)
    decoder.begin(content)
    header = decoder.header()
    there = decoder.still()
    assert there.size == here.size and header.alpha == has_alpha(here) == has_alpha(there)
    grey = here.mode in ("1", "L") or here.mode.startswith("I")
    assert there.mode == ("RGBA" if has_alpha(here) else "L" if grey else "RGB")
    assert np.array_equal(to_rgb(there), to_rgb(here))
    assert np.array_equal(to_rgba(there), to_rgba(here))


@pytest.mark.parametrize(("kind", "mode"), KINDS)
def test_pictures_are_the_same(decoder, kind, mode):
    same(decoder, saved(in_mode(RAMP, mode), kind))


@pytest.mark.parametrize("orientation", [1, 5, 6, 8])
def test_so_are_turned_and_profiled_ones(decoder, orientation):
    turned = {"exif": exif(orientation)}
    same(
        decoder, saved(COLOURS.convert("RGB"), "JPEG", icc_profile=profile(swapped=True), **turned)
    )
    same(decoder, saved(COLOURS, "PNG", icc_profile=profile(linear=True), **turned))


def test_so_are_the_odd_forms_of_png(decoder):
    same(decoder, saved(COLOURS.convert("RGB"), "PNG", transparency=(0, 0, 0)))
    same(decoder, saved(COLOURS.convert("L"), "PNG", transparency=3))
    same(decoder, saved(COLOURS.convert("RGB").quantize(), "PNG", transparency=3))
    wide = cv2.imencode(".png", RAMP.astype(np.uint16) * 257)[1].tobytes()
    same(decoder, wide)
    same(decoder, with_chunks(wide, chunk(b"cICP", bytes((9, 16, 0, 1)))))
    damaged = bytearray(chunk(b"tEXt", b"a\0b"))
    damaged[-1] ^= 1
    same(decoder, with_chunks(some(), bytes(damaged)))


@given(
    st.integers(1, 60), st.integers(1, 60), st.integers(0, 2**32 - 1), st.sampled_from(KINDS),
    st.sampled_from([None, profile(), profile(swapped=True), long_profile(3, (b"rTRC",))]),
)  # fmt: skip
def test_pictures_of_any_size_are_the_same(decoder, height, width, seed, kind, icc):
    rgba = np.random.default_rng(seed).integers(0, 256, (height, width, 4), np.uint8)
    options = {} if icc is None or kind[0] in ("GIF", "BMP") else {"icc_profile": icc}
    same(decoder, saved(in_mode(rgba, kind[1]), kind[0], **options))


def test_large_pictures_come_in_parts(decoder):
    for mode in ("L", "RGB", "RGBA"):
        same(decoder, saved(Image.effect_noise((1500, 900), 50).convert(mode), "BMP"))


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
@pytest.mark.parametrize("clear", [False, True])
def test_animations_are_the_same(decoder, kind, clear):
    frames = [COLOURS.rotate(20 * turn) for turn in range(4)]
    frames = frames if clear else [frame.convert("RGB") for frame in frames]
    content = saved(
        frames[0], kind, save_all=True, append_images=frames[1:], duration=[40, 50, 60, 70], loop=3
    )
    here = read_animation(content)
    decoder.begin(content)
    header = decoder.header()
    assert header.moves and header.kind == kind.lower() and header.pixels == 4 * 30 * 40
    there = decoder.moving()
    assert (there.durations_ms, there.loop) == (here.durations_ms, here.loop)
    for one, other in zip(there.frames, here.frames, strict=True):
        assert one.mode == other.mode and np.array_equal(one, other)


@pytest.mark.parametrize(
    "content",
    [b"", b"no picture", some()[:70], some()[:20], saved(COLOURS, "PNG")[:-30],
     saved(Image.new("1", (20_000, 20_000)), "PNG"), saved(Image.new("F", (4, 4)), "TIFF")],
)  # fmt: skip
@pytest.mark.parametrize("want", [None, "still"])
def test_what_is_wrong_is_said_in_the_same_words(decoder, content, want):
    with pytest.raises(DataError) as here:
        to_rgb(open_picture(content, "a.png"), "a.png")
    decoder.begin(content, "a.png", want=want)
    with pytest.raises(type(here.value)) as there:
        decoder.still()
    assert str(there.value) == str(here.value)
    same(decoder, some())


def test_only_the_formats_asked_for_are_tried(decoder):
    decoder.begin(saved(COLOURS, "TIFF"), formats=("PNG", "JPEG"))
    with pytest.raises(NotAPictureError):
        decoder.header()


# --- limits

HOSTILE = {
    "profiles": lambda: profile_flood(1500),
    "run lengths": lambda: run_lengths(2400),
    "scans": lambda: many_scans(4000, 3000),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_takes_long_is_ended_and_the_next_is_decoded(name):
    with Decoder(Limits(cpu_s=0.2)) as decoder:
        decoder.begin(HOSTILE[name](), "a.png")
        before = process_of(decoder)
        with pytest.raises(TooLongError, match=r"^a\.png: .*more than 0\.2 s .*save it anew"):
            decoder.still()
        same(decoder, some())
        assert process_of(decoder) != before and not is_running(before)


def test_limits_are_of_one_picture_and_grow_with_it():
    assert Limits(10).cpu_for(16_000_000) == 10 and Limits(10).cpu_for(64_000_000) == 40
    with Decoder(Limits(cpu_s=0.5)) as decoder:
        process = None
        for _ in range(150):  # more than that together
            decoder.begin(run_lengths(60))
            decoder.still()
            process = process or process_of(decoder)
        assert process_of(decoder) == process


def test_memory_is_limited():
    with Decoder(Limits(memory_bytes=20_000_000)) as decoder:
        decoder.begin(long_texts(50), "a.png")
        with pytest.raises(MoreMemoryError, match=r"^a\.png: .*more than 20\.0 MB .*save it anew"):
            decoder.still()
        same(decoder, some())


def test_pixels_have_memory_of_their_own():
    with Decoder(Limits(memory_bytes=40_000_000)) as decoder:
        wide = cv2.imencode(".png", np.zeros((1500, 1500, 4), np.uint16))[1].tobytes()
        same(decoder, with_chunks(wide, chunk(b"cICP", bytes((9, 16, 0, 1)))))


def test_a_decoder_that_hangs_or_is_killed_is_replaced(monkeypatch):
    with Decoder() as decoder:
        same(decoder, some())
        os.kill(process_of(decoder), signal.SIGSTOP)
        monkeypatch.setattr(decoders, "WALL_START_S", 0.3)
        monkeypatch.setattr(decoders, "WALL_FACTOR", 0)
        decoder.begin(some(), "a.png")
        with pytest.raises(TooLongError, match=r"^a\.png: .*not come to an end"):
            decoder.still()
        monkeypatch.undo()
        for number, words in ((signal.SIGKILL, "from outside"), (signal.SIGSEGV, "SIGSEGV")):
            decoder.begin(profile_flood(3000), "a.png")
            os.kill(process_of(decoder), number)
            with pytest.raises(DataError, match=words):
                decoder.still()
            same(decoder, some())
        os.kill(process_of(decoder), signal.SIGKILL)  # while it has nothing to do
        wait_until(lambda: not decoder._process.alive)
        same(decoder, some())


def test_what_nobody_wants_any_more_is_ended():
    with Decoder() as decoder:
        decoder.start()
        process = process_of(decoder)
        with pytest.raises(UnwantedError):
            decoder.begin(profile_flood(3000), unwanted=lambda: is_at_work(process))
            decoder.still()
        assert not is_running(process)
        # What was never asked for does not come in place of the next.
        decoder.begin(saved(COLOURS, "PNG"), want="still")
        same(decoder, some())
        decoder.begin(saved(COLOURS, "PNG"))
        assert decoder.header().size == (40, 30)
        same(decoder, some())


def test_a_decoder_that_cannot_start_says_so(monkeypatch):
    monkeypatch.setattr(processes, "PROGRAM", "anime_pipeline.no_such_module")
    with Decoder() as decoder, pytest.raises(PipelineError, match="Install") as found:
        decoder.begin(some())
        decoder.still()
    assert not isinstance(found.value, DataError), "no fault of the picture"


def test_forgotten_decoders_end():
    decoder = Decoder()
    decoder.start()
    process = process_of(decoder)
    assert is_running(process)
    del decoder
    assert not is_running(process)


def test_nothing_is_imported_from_a_folder_of_strangers(tmp_path, monkeypatch):
    for name in ("numpy.py", "PIL.py", "json.py"):
        (tmp_path / name).write_text("raise SystemExit(3)")
    monkeypatch.chdir(tmp_path)
    with Decoder() as decoder:
        same(decoder, some())


# --- its end with its owner

OWNS = """
import os, sys
sys.path.insert(0, sys.argv[1])
from hostile_pictures import profile_flood
from anime_pipeline.images.decoding.messages import Limits
from anime_pipeline.images.decoding.decoder import Decoder
decoder = Decoder(Limits(cpu_s=10_000))
decoder.begin(profile_flood(7000))
print(decoder._process._process.pid, flush=True)
decoder.still()
"""


def is_at_work(pid, least_s=0.3):
    """Tell whether a process has begun what takes long: by the processor time that it has had."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") > least_s


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_killed_owner_leaves_no_decoder():
    tests = Path(__file__).parent
    with child("-c", OWNS, tests, stdout=subprocess.PIPE) as owner:
        decoder = int(owner.stdout.readline())
        assert wait_for(owner, lambda: is_at_work(decoder))
        owner.kill()
        owner.wait()
        wait_until(lambda: not is_running(decoder))


def decoder_of(process):
    """Return the process that an `upscale` decodes in; None as long as there is none."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return int(children[0]) if children else None


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    ("number", "way"),
    [
        (signal.SIGINT, "file"),
        pytest.param(signal.SIGTERM, "stdin", marks=pytest.mark.slow),
        pytest.param(signal.SIGHUP, "file", marks=pytest.mark.slow),
        pytest.param(signal.SIGQUIT, "stdin", marks=pytest.mark.slow),
    ],
)
def test_a_command_ends_in_the_middle_of_a_decoding(number, way, tmp_path):
    (tmp_path / "a.jpg").write_bytes(many_scans(4000, 20_000))
    call = ["-m", "anime_pipeline", "upscale", "a.jpg" if way == "file" else "-", "--out", "out"]
    pipes = {"stderr": subprocess.PIPE, "cwd": tmp_path, "process_group": 0}
    with (tmp_path / "a.jpg").open() as stdin, child(*call, stdin=stdin, **pipes) as process:
        assert wait_for(process, lambda: (d := decoder_of(process)) and is_at_work(d, 1.0))
        decoder = decoder_of(process)
        os.killpg(process.pid, number)  # as a terminal does
        _, stderr = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130 and stderr.strip().endswith("Interrupted."), stderr
    assert "Traceback" not in stderr and not list(tmp_path.rglob("*.p*"))
    wait_until(lambda: not is_running(decoder))


def test_a_late_picture_is_named_and_the_others_are_enlarged(cli, tmp_path, monkeypatch):
    monkeypatch.setattr(Decoder.__init__, "__defaults__", (Limits(cpu_s=0.3),))
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.png").write_bytes(some())
    (tmp_path / "in/b.jpg").write_bytes(many_scans(4000, 3000))
    (tmp_path / "in/c.png").write_bytes(some())
    result = cli("upscale", "in", "--out", "out", "--json")
    assert result.code == 3 and "Skipped in/b.jpg: decoding took more than 0.3 s" in result.stderr
    assert len(result.json["written"]) == 2
    assert sorted(os.listdir(tmp_path / "out")) == ["a.png", "c.png"]
    alone = cli("upscale", "in/b.jpg", "--out", "out")
    assert alone.code == 4 and not (tmp_path / "out/b.png").exists()


# --- profiles


def test_a_profile_that_is_a_program_is_not_run():
    content = profiled(64, long_profile(100_000))
    assert len(content) < 5000
    begun = time.process_time()
    pixels = decode(content)
    assert time.process_time() - begun < 5, "a minute, if it was"
    assert np.array_equal(pixels, decode(profiled(64, None)))


def test_what_else_such_a_profile_says_is_applied():
    tags = profile_tags(profile(swapped=True))
    both = profile_of(srgb_profile(), tags | {b"D2B0": profile_tags(long_profile(9))[b"D2B0"]})
    content = saved(Image.new("RGB", (4, 4), (220, 30, 40)), "PNG", icc_profile=both)
    assert np.abs(decode(content)[0, 0].astype(int) - (30, 220, 40)).max() <= 3


def test_of_a_profile_only_the_plain_part_is_left():
    srgb = srgb_profile()
    plain = plain_profile(srgb)
    assert {b"rXYZ", b"rTRC", b"wtpt", b"chad"} <= profile_tags(plain).keys()
    assert b"desc" not in profile_tags(plain) and plain_profile(plain) == plain
    assert int.from_bytes(plain[:4]) == len(plain) and plain[4:128] == srgb[4:128]
    large = {b"A2B0": b"mft2" + bytes(5_000_000), b"rXYZ": b"XYZ " + bytes(1000)}
    pipeline = {b"A2B0": profile_tags(long_profile(3))[b"D2B0"]}
    for tags in ({}, {b"desc": b"desc" + bytes(20)}, large, pipeline):
        assert plain_profile(profile_of(srgb, tags)) is None
    for content in (b"", b"nonsense" * 20, srgb[:131], srgb[:128] + b"\xff" * 4):
        assert plain_profile(content) is None


@given(st.binary(max_size=60), st.integers(0, 400))
def test_damaged_profiles_do_no_harm(noise, place):
    content = bytearray(srgb_profile())
    content[place : place + len(noise)] = noise
    file = io.BytesIO()
    Image.new("RGB", (2, 2), (220, 30, 40)).save(file, "PNG", icc_profile=bytes(content))
    assert decode(file.getvalue()).shape == (2, 2, 3)


@pytest.mark.slow
def test_the_longest_profile_floods_are_ended_by_the_default_limit():
    with Decoder() as decoder:
        decoder.begin(profile_flood(7852))
        with pytest.raises(TooLongError, match="more than 10 s"):
            decoder.still()


# --- headers that are looked at where they are


def test_looking_at_headers_takes_limited_time_and_decodes_nothing(cli, tmp_path, monkeypatch):
    monkeypatch.setattr(headers, "HEADER_CPU_S", 0.1)
    monkeypatch.setattr(Decoder.__init__, "__defaults__", (Limits(cpu_s=0.2),))
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.png").write_bytes(profile_flood(1500))
    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", lambda _: pytest.fail("decoded"))
    text = chunk(b"tEXt", b"source\0of another")
    (tmp_path / "in/b.png").write_bytes(with_chunks(some(), text))
    assert picture_text(tmp_path / "in/b.png") == {"source": "of another"}
    assert picture_text(tmp_path / "in/a.png") == {}
    with pytest.raises(DataError, match="its header took more than"):
        is_result(tmp_path / "in/a.png")
    assert not is_result(tmp_path / "in/b.png")
    pixels, _ = measure([Job(tmp_path / "in/a.png", tmp_path / "x.png", "png")], Target())
    assert pixels == [1]
    result = cli("upscale", "in", "--out", "out", "--json")
    assert result.code == 3 and "a.png: its header took more than 0.1 s" in result.stderr
