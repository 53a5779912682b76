"""Pictures of strangers that start programs, never end, or say what few readers understand."""

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hostile_pictures import chunk, with_chunks
from PIL import Image, UnidentifiedImageError, features
from test_upscale_folders import names, paint
from upscaling import open_picture

from anime_pipeline.cli import upscale_batch
from anime_pipeline.core.errors import DataError
from anime_pipeline.data import opening
from anime_pipeline.images import headers, loading
from anime_pipeline.images.codec import to_rgb, write_png
from anime_pipeline.images.headers import open_header
from anime_pipeline.sample.drawing import draw_face

POSTSCRIPT = (
    b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 40 40\n%%EndComments\n0 0 40 40 rectfill\n"
)


@pytest.mark.parametrize("command", [("upscale", "in", "--out", "out"), ("inspect", "in")])
def test_no_picture_starts_a_program(command, cli, tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin/gs"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    for number in range(3):
        paint(tmp_path / f"in/{number}.png", number)
    (tmp_path / "in/x.png").write_bytes(POSTSCRIPT + b"%%EOF\n")
    result = cli(*command)
    assert not (tmp_path / "started").exists()
    assert "in a known format" in " ".join((result.stderr + result.stdout).split())


def test_what_decodes_while_it_is_opened_is_not_tried():
    row = bytes(1 + 3 * 20_000)
    pixels = zlib.compress(row * 200, 9)  # far too few, as nobody is to find out
    giant = b"\x89PNG\r\n\x1a\n" + chunk(
        b"IHDR", struct.pack(">IIBBBBB", 20_000, 200, 8, 2, 0, 0, 0)
    )
    giant += chunk(b"IDAT", pixels) + chunk(b"IEND")
    icon = struct.pack("<HHHBBBBHHII", 0, 1, 1, 16, 16, 0, 0, 1, 32, len(giant), 22) + giant
    with pytest.raises(UnidentifiedImageError):
        open_header(io.BytesIO(icon))
    assert Image.open(io.BytesIO(giant)).size == (20_000, 200), "by itself it would be opened"


@pytest.mark.parametrize("named", [False, True])
def test_a_header_without_end_costs_no_other_picture(named, cli, tmp_path, monkeypatch):
    monkeypatch.setattr(headers, "HEADER_CPU_S", 0.2)
    good = paint(tmp_path / "in/good.png", 1)
    paint(tmp_path / "in/later.png", 2)
    (tmp_path / "in/endless.png").write_bytes(with_chunks(good, chunk(b"prIv") * 1_000_000))
    paths = [f"in/{name}.png" for name in ("good", "endless", "later")] if named else ["in"]
    result = cli("upscale", *paths, "--out", "out", "--json")
    assert result.code == 3 and names(result.json["written"]) == ["good.png", "later.png"]
    (skipped,) = result.json["skipped"]
    assert skipped["path"] == "in/endless.png" and "processor time" in skipped["reason"]


@pytest.mark.parametrize("start", [b"RIFF\0\0\0\0WEBP", b"\0\0\0\x1cftypavif"])
def test_what_is_read_whole_must_not_be_endless(start, tmp_path):
    path = tmp_path / "a.webp"
    path.write_bytes(start)
    os.truncate(path, headers.MOST_WHOLE_BYTES + 1)
    with path.open("rb") as file, pytest.raises(Exception, match="which no picture of this kind"):
        open_header(file)


# --- what is changed while we work


def test_what_comes_while_a_picture_is_made_anew_stays(cli, tmp_path, monkeypatch):
    paint(tmp_path / "in/a.png", 1)
    assert cli("upscale", "in", "--out", "out").code == 0
    paint(tmp_path / "in/a.png", 2)
    write = upscale_batch.writer

    def late(*arguments, **options):
        made = write(*arguments, **options)

        def after(file):
            made(file)
            (tmp_path / "out/a.png").write_text("mine")

        return after

    monkeypatch.setattr(upscale_batch, "writer", late)
    result = cli("upscale", "in", "--out", "out")
    assert result.code == 3 and (tmp_path / "out/a.png").read_text() == "mine"


def test_another_folder_under_the_same_path_is_no_change(cli, tmp_path):
    for number, day in enumerate(("monday", "tuesday")):
        paint(tmp_path / day / "a.png", number)
    (tmp_path / "current").symlink_to("monday")
    assert cli("upscale", "current", "--out", "out").code == 0
    before = (tmp_path / "out/a.png").read_bytes()
    (tmp_path / "current").unlink()
    (tmp_path / "current").symlink_to("tuesday")
    assert cli("upscale", "current", "--out", "out").code == 3
    assert (tmp_path / "out/a.png").read_bytes() == before


def test_a_result_is_found_again_when_its_namesake_is_gone(cli, tmp_path):
    paint(tmp_path / "in/a.jpg", 1)
    assert cli("upscale", "in", "--out", "out").code == 0
    paint(tmp_path / "in/a.png", 2)
    assert cli("upscale", "in", "--out", "out").code == 0
    (tmp_path / "in/a.jpg").unlink()
    result = cli("upscale", "in", "--out", "out", "--json")
    assert result.code == 0 and names(result.json["kept"]) == ["a.png.png"]


def test_no_link_below_the_results_is_followed(cli, tmp_path):
    paint(tmp_path / "in/sub/a.png", 1)
    paint(tmp_path / "in/b.png", 2)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out/sub").symlink_to(tmp_path / "elsewhere")
    result = cli("upscale", "in", "--out", "out", "--json")
    assert result.code == 3 and names(result.json["written"]) == ["b.png"]
    assert "a link" in result.json["skipped"][0]["reason"]
    assert not list((tmp_path / "elsewhere").iterdir())


def test_every_picture_in_the_way_is_named(cli, tmp_path):
    for number in range(3):
        paint(tmp_path / f"in/{number}.png", number)
    assert cli("upscale", "in", "--out", "out").code == 0
    result = cli("upscale", "in", "--out", "out", "--scale", 2)
    assert result.code == 3 and result.stderr.count("Skipped in/") == 3
    assert "other size" in result.stderr and "Mend" not in result.stderr


def test_an_ending_that_is_almost_a_pictures_is_asked_about(cli, tmp_path):
    paint(tmp_path / "a.png", 1)
    result = cli("upscale", "a.png", "--out", "b.jpge")
    assert result.code == 2 and "b.jpg" in result.stderr and not (tmp_path / "b.jpge").exists()
    assert cli("upscale", "a.png", "--out", "results.d").code == 0


# --- what formats say


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow reads no AVIF")
@pytest.mark.parametrize(
    ("primaries", "transfer", "grey"),
    # By their definitions: linear light; a power of 2.8; sRGB; a camera's, shown as sRGB.
    [(1, 8, 188), (1, 5, 106), (1, 13, 128), (1, 1, 128)],
)
def test_colours_of_avif_mean_what_its_code_points_say(primaries, transfer, grey):
    file = io.BytesIO()
    Image.new("RGB", (32, 32), (128, 128, 128)).save(file, "AVIF", quality=100)
    content = file.getvalue()
    at = content.index(b"colrnclx") + 8
    said = content[:at] + struct.pack(">HH", primaries, transfer) + content[at + 4 :]
    assert np.abs(to_rgb(open_picture(said)).astype(int) - grey).max() <= 1


def test_only_exif_turns_a_picture():
    file = io.BytesIO()
    words = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    )
    Image.new("RGB", (40, 20)).save(file, "JPEG", xmp=words)
    assert open_picture(file.getvalue()).size == (40, 20), "as browsers show it"


# --- surroundings


def test_a_table_that_comes_in_the_meantime_stays(cli, tmp_path, monkeypatch):
    (tmp_path / "in").mkdir()
    write_png(tmp_path / "in/a.png", draw_face(0, 64).image)
    table = tmp_path / "in/color.csv"
    estimate = opening.estimate_file

    def late(path: Path):
        table.write_text("mine\n")
        return estimate(path)

    monkeypatch.setattr(opening, "estimate_file", late)
    result = cli("annotate", "in", "--json")
    assert result.json["kept"] == ["in/color.csv"] and table.read_text() == "mine\n"


def test_a_long_header_ends_wherever_a_picture_is_decoded(monkeypatch):
    monkeypatch.setattr(headers, "HEADER_CPU_S", 0.2)
    monkeypatch.setattr(loading, "LONG_BYTES", 2**16)
    with pytest.raises(DataError, match=r"a\.jpg: its header took more than 0.2 s"):
        open_picture(b"\xff\xd8\xff\xe0" + bytes(2**24), "a.jpg")
