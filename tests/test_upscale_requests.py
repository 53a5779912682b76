"""`upscale`: which pictures, where to, what is kept and what is refused."""

import io
import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image


def picture(seed: int = 0, side: int = 8) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8))


def animation(kind: str) -> bytes:
    file = io.BytesIO()
    frames = [picture(n) for n in range(3)]
    frames[0].save(file, kind, save_all=True, append_images=frames[1:], duration=50, loop=0)
    return file.getvalue()


def test_a_result_never_replaces_an_input(cli, tmp_path):
    folder = tmp_path / "d"
    folder.mkdir()
    for name in ("a.png", "a.jpg", "b.jpg"):
        picture().save(folder / name)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    result = cli("upscale", "d", "--out", "d", "--overwrite")
    assert result.code == 2 and "over the input" in result.stderr
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert cli("upscale", "d/b.jpg", "--out", "d").code == 0


@pytest.mark.parametrize("first", [[], ["--back-project", "2"]])
def test_another_request_is_another_result(first, cli):
    picture().save("a.png")
    second = [] if first else ["--back-project", "2"]
    assert cli("upscale", "a.png", "--out", "o", *first).code == 0
    other = cli("upscale", "a.png", "--out", "o", *second)
    assert other.code == 3 and "settings" in other.stderr
    assert cli("upscale", "a.png", "--out", "o", *first, "--json").json["written"] == []


def test_results_are_no_input_however_the_folder_is_spelt(cli, tmp_path):
    (tmp_path / "f").mkdir()
    (tmp_path / "x").mkdir()
    picture().save(tmp_path / "f/a.png")
    for _ in range(2):
        result = cli("upscale", "f", "--out", "x/../f/out", "--json")
        assert result.code == 0
    (tmp_path / "link").symlink_to(tmp_path / "f/out")
    again = cli("upscale", "f", "--out", "link", "--json")
    assert again.json["written"] == [] and len(again.json["kept"]) == 1


def test_a_png_keeps_its_name_when_a_jpeg_joins_it(cli, tmp_path):
    (tmp_path / "e").mkdir()
    picture().save(tmp_path / "e/a.png")
    assert cli("upscale", "e", "--out", "o").code == 0
    picture(1).save(tmp_path / "e/a.jpg")
    result = cli("upscale", "e", "--out", "o", "--json")
    assert result.code == 0
    assert result.json["written"] == ["o/a.jpg.png"] and result.json["kept"] == ["o/a.png"]


def test_a_name_given_twice_is_one_picture(cli):
    picture().save("a.png")
    result = cli("upscale", "a.png", "./a.png", "--out", "o", "--json")
    assert result.code == 0 and result.json["written"] == ["o/a.png"]


def test_a_name_too_long_for_its_result_stops_nothing(cli, tmp_path):
    picture().save(tmp_path / f"{'n' * 251}.jpg")
    picture().save(tmp_path / "z.jpg")
    names = [f"{'n' * 251}.jpg", "z.jpg"]
    result = cli("upscale", *names, "--format", "webp", "--out", "o", "--json")
    assert result.code == 3 and result.json["written"] == ["o/z.webp"]
    assert "too long" in result.json["skipped"][0]["reason"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--realism", "nan"], "finite"),
        (["--max-memory", "0"], "no memory"),
        (["--size", "4x"], "--scale 4"),
        (["--size", "١٠x"], "--size"),
        (["--out", ""], "empty"),
    ],
)
def test_odd_requests_are_refused(options, words, cli):
    picture().save("a.png")
    result = cli("upscale", "a.png", *options)
    assert result.code == 2 and words in result.stderr, result.stderr


def test_a_pipe_is_named_once(cli, tmp_path):
    import os

    os.mkfifo(tmp_path / "pipe")
    result = cli("upscale", "pipe", "--json")
    assert result.code == 4 and len(result.json["skipped"]) == 1


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_what_moves_in_a_pipe_still_moves(kind, tmp_path):
    call = [sys.executable, "-m", "anime_pipeline", "upscale", "-", "--out", "o", "--json"]
    for kept in (0, 1):
        done = subprocess.run(
            call, input=animation(kind), capture_output=True, cwd=tmp_path, check=False
        )
        assert done.returncode == 0, done.stderr
        document = json.loads(done.stdout)
        assert document["kept" if kept else "written"] == [f"o/stdin.{kind.lower()}"]
    with Image.open(tmp_path / f"o/stdin.{kind.lower()}") as large:
        assert large.n_frames == 3 and large.size == (32, 32)


def test_a_closed_stdin_is_said(tmp_path):
    call = f"{sys.executable} -m anime_pipeline upscale - --out o <&-"
    done = subprocess.run(
        ["bash", "-c", call], capture_output=True, cwd=tmp_path, text=True, check=False
    )
    assert done.returncode == 2 and "closed" in done.stderr and "Traceback" not in done.stderr


def test_what_comes_from_a_pipe_is_named_so(tmp_path):
    call = [sys.executable, "-m", "anime_pipeline", "upscale", "-", "--out", "o"]
    done = subprocess.run(call, input=b"no picture", capture_output=True, cwd=tmp_path, check=False)
    assert done.returncode == 4 and b"stdin: not a picture" in done.stderr, done.stderr
