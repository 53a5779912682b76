"""`upscale` in folders that change: nothing is replaced or done twice, one never stops all."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from anime_pipeline.cli import upscale_batch


def paint(path: Path, seed: int, **options) -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
    Image.fromarray(pixels).save(path, **options)
    return path.read_bytes()


@pytest.fixture
def folder(tmp_path) -> Path:
    for number in range(3):
        paint(tmp_path / f"in/p{number}.png", number)
    return tmp_path / "in"


def names(paths) -> list[str]:
    return sorted(Path(path).name for path in paths)


# --- a folder that changes goes on


def test_a_changed_picture_is_made_anew_and_the_rest_is_done(folder, cli, tmp_path):
    assert cli("upscale", "in", "--out", "out").code == 0
    before = (tmp_path / "out/p1.png").read_bytes()
    paint(folder / "p1.png", 50)
    paint(folder / "new.png", 60)
    result = cli("upscale", "in", "--out", "out", "--json")
    assert result.code == 0 and names(result.json["written"]) == ["new.png", "p1.png"]
    assert names(result.json["kept"]) == ["p0.png", "p2.png"]
    assert result.json["made_anew"] == ["in/p1.png"]
    assert "as it has changed: in/p1.png" in result.stderr
    assert (tmp_path / "out/p1.png").read_bytes() != before
    assert cli("upscale", "in", "--out", "out", "--json").json["written"] == []


def test_a_result_of_the_other_kinds_cannot_be_proven_untouched(folder, cli, tmp_path):
    asked = ("upscale", "in", "--out", "out", "--format", "webp")
    assert cli(*asked).code == 0
    paint(folder / "p1.png", 50)
    assert cli(*asked).code == 3, "an editor may have kept what the picture says of itself"
    again = cli(*asked, "--overwrite", "--json")
    assert again.code == 0 and names(again.json["written"]) == ["p1.webp"], "only what differs"


def retouch(path: Path) -> None:
    """Paint on a result as an editor does that keeps its text entries."""
    with Image.open(path) as picture:
        text = PngInfo()
        for key, value in picture.text.items():
            text.add_text(key, value)
        picture.load()
        picture.putpixel((3, 3), (255, 0, 0))
        picture.save(path, pnginfo=text)


def append(path: Path) -> None:
    """Add bytes behind the picture, which decoders do not see."""
    path.write_bytes(path.read_bytes() + b"notes")


@pytest.mark.parametrize("touch", [retouch, append])
def test_an_edited_result_is_never_replaced(touch, folder, cli, tmp_path):
    assert cli("upscale", "in", "--out", "out").code == 0
    touch(tmp_path / "out/p1.png")
    before = (tmp_path / "out/p1.png").read_bytes()
    paint(folder / "p1.png", 50)
    result = cli("upscale", "in", "--out", "out", "--json")
    assert result.code == 3 and result.json["written"] == []
    (skipped,) = result.json["skipped"]
    assert skipped["path"] == "in/p1.png" and "changed" in skipped["reason"]
    assert "--overwrite" in result.stderr and "None" not in result.stderr
    assert (tmp_path / "out/p1.png").read_bytes() == before


def test_a_namesake_from_another_folder_is_no_change(folder, cli, tmp_path):
    assert cli("upscale", "in", "--out", "out").code == 0
    before = (tmp_path / "out/p1.png").read_bytes()
    paint(tmp_path / "two/p1.png", 70)
    result = cli("upscale", "two", "in", "--out", "out2")
    assert result.code != 0, "both in one call"
    assert cli("upscale", "two", "--out", "out").code == 3
    assert (tmp_path / "out/p1.png").read_bytes() == before


def test_somebodys_picture_in_the_way_stops_no_other(folder, cli, tmp_path):
    mine = paint(tmp_path / "out/p0.png", 99)
    result = cli("upscale", "in", "--out", "out", "--json")
    assert result.code == 3 and names(result.json["written"]) == ["p1.png", "p2.png"]
    assert (tmp_path / "out/p0.png").read_bytes() == mine


@pytest.mark.parametrize("first", ["jpg", "png"])
def test_a_newcomer_of_the_same_stem_changes_nothing(first, cli, tmp_path):
    second = {"jpg": "png", "png": "jpg"}[first]
    paint(tmp_path / f"in/b.{first}", 1)
    assert cli("upscale", "in", "--out", "out").code == 0
    before = (tmp_path / "out/b.png").read_bytes()
    paint(tmp_path / f"in/b.{second}", 2)
    paint(tmp_path / "in/c.png", 3)
    result = cli("upscale", "in", "--out", "out", "--json")
    assert result.code == 0, result.stderr
    assert names(result.json["written"]) == sorted([f"b.{second}.png", "c.png"])
    assert (tmp_path / "out/b.png").read_bytes() == before
    assert cli("upscale", "in", "--out", "out", "--json").json["written"] == []


def test_two_calls_at_once_never_replace_each_other(folder, cli, tmp_path, monkeypatch):
    """The other call's result comes while ours is computed: both looked at an empty folder."""
    other = tmp_path / "other"
    assert cli("upscale", "in", "--out", other, "--scale", 2).code == 0
    write = upscale_batch.writer

    def late(*arguments, **options):
        shutil.copytree(other, tmp_path / "out", dirs_exist_ok=True)
        return write(*arguments, **options)

    monkeypatch.setattr(upscale_batch, "writer", late)
    result = cli("upscale", "in", "--out", "out", "--json")
    assert result.json["written"] == [] and len(result.json["skipped"]) == 3
    for path in other.iterdir():
        assert (tmp_path / "out" / path.name).read_bytes() == path.read_bytes()
    shutil.rmtree(tmp_path / "out")
    same = cli("upscale", "in", "--out", "out", "--scale", 2, "--json")
    assert same.code == 0 and len(same.json["kept"]) == 3, "the very same request is no conflict"
    assert not [path for path in (tmp_path / "out").iterdir() if path.suffix != ".png"]


@pytest.mark.parametrize("overwrite", [[], ["--overwrite"]])
def test_a_file_where_a_folder_should_be_is_one_line(overwrite, cli, tmp_path):
    paint(tmp_path / "in/sub/a.png", 1)
    paint(tmp_path / "in/b.png", 2)
    (tmp_path / "out").mkdir()
    (tmp_path / "out/sub").write_text("mine")
    result = cli("upscale", "in", "--out", "out", "--json", *overwrite)
    assert result.code == 3 and names(result.json["written"]) == ["b.png"]
    assert (tmp_path / "out/sub").read_text() == "mine"


# --- results are known by what they record


def test_results_are_no_input_wherever_they_lie(folder, cli, tmp_path):
    assert cli("upscale", "in", "--out", "twice", "--scale", 2).code == 0
    (tmp_path / "twice").rename(tmp_path / "renamed")
    shutil.copy(tmp_path / "renamed/p0.png", tmp_path / "in/copy-of-a-result.png")
    for kind in ("jpg", "webp"):
        assert cli("upscale", "in", "--out", f"in/{kind}", "--format", kind).code == 0
    result = cli("upscale", ".", "--out", "four", "--json")
    assert result.code == 0 and len(result.json["written"]) == 3, result.json
    assert len(result.json["passed_over"]) == 3 + 1 + 2 * 3
    assert "Passed over 10" in result.stderr


def test_a_folder_of_results_alone_says_what_to_do(folder, cli):
    assert cli("upscale", "in", "--out", "twice", "--scale", 2).code == 0
    result = cli("upscale", "twice", "--out", "four")
    assert result.code == 4 and "name their files" in result.stderr
    named = cli("upscale", "twice/p0.png", "--out", "four", "--json")
    assert named.code == 0 and len(named.json["written"]) == 1


def test_a_strangers_picture_below_out_is_an_input(folder, cli, tmp_path):
    paint(tmp_path / "in/out/mine.png", 7)
    result = cli("upscale", "in", "--out", "in/out", "--json")
    assert "in/out/out/mine.png" in result.json["written"]


def test_drawn_faces_are_enlarged(cli):
    assert cli("generate", "-n", 2, "--out", "faces").code == 0
    assert len(cli("upscale", "faces", "--out", "large", "--json").json["written"]) == 2


# --- `--out x.png`


@pytest.mark.parametrize(
    ("name", "form"),
    [("x.png", "PNG"), ("sub/x.JPG", "JPEG"), ("x.jpeg", "JPEG"), ("x.webp", "WEBP")],
)
def test_out_may_be_the_file(name, form, folder, cli, tmp_path):
    call = ["upscale", "in/p0.png", "--out", name, "--json"]
    result = cli(*call)
    assert result.code == 0 and result.json["written"] == [name], result.stderr
    with Image.open(tmp_path / name) as picture:
        assert picture.format == form and picture.size == (32, 32)
    assert cli(*call).json["kept"] == [name]
    other = cli("upscale", "in/p1.png", "--out", name)
    assert other.code == 3 and "--overwrite" in other.stderr
    assert cli("upscale", "in/p1.png", "--out", name, "--overwrite", "--json").json["written"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["in/p0.png", "in/p1.png", "--out", "x.png"], "one picture"),
        (["in", "--out", "x.png"], "one picture"),
        (["in/p0.png", "--out", "x.bmp"], ".png"),
        (["in/p0.png", "--out", "x.png", "--format", "jpg"], "two formats"),
        (["in/p0.png", "--out", "in/p0.png"], "over the input"),
        (["in/p0.png", "--out", "in/p0.png", "--overwrite"], "over the input"),
    ],
)
def test_a_file_that_cannot_be_is_refused(arguments, words, folder, cli, tmp_path):
    before = (folder / "p0.png").read_bytes()
    result = cli("upscale", *arguments)
    assert result.code == 2 and words in result.stderr
    assert (folder / "p0.png").read_bytes() == before and os.listdir(tmp_path) == ["in"]


def test_a_folder_of_such_a_name_stays_a_folder(folder, cli, tmp_path):
    (tmp_path / "x.png").mkdir()
    result = cli("upscale", "in/p0.png", "--out", "x.png", "--json")
    assert result.json["written"] == ["x.png/p0.png"]


# --- pictures that are none, or too large to be read


def test_a_giant_and_a_pipe_are_lines_and_hide_no_other(folder, cli):
    with (folder / "sparse.png").open("wb") as file:
        file.truncate(20 * 10**9)
    os.mkfifo(folder / "pipe.png")
    result = cli("upscale", "in", "in/pipe.png", "--out", "out", "--json")
    assert result.code == 3 and len(result.json["written"]) == 3
    reasons = {Path(item["path"]).name: item["reason"] for item in result.json["skipped"]}
    assert "20.0 GB" in reasons["sparse.png"] and "regular" in reasons["pipe.png"]


def test_json_of_names_that_steer_is_the_same_to_programs(cli, tmp_path):
    name = "a\x9b31m\x7f\u202e.png"
    paint(tmp_path / name, 1)
    result = cli("upscale", name, "--out", "out", "--json")
    assert not set(result.stdout) & set("\x9b\x7f\u202e")
    assert json.loads(result.stdout)["written"] == [f"out/{name}"]
