"""Hair and skin: estimates from pixels, names of colours, and `annotate`."""

import shutil

import numpy as np
import pytest
from conftest import spawn
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from anime_pipeline.core.errors import DataError, UsageError
from anime_pipeline.data.characters import COLOR_FILE, read_color_csv
from anime_pipeline.data.estimate import estimate_colors
from anime_pipeline.images.colour import delta_e, rgb_to_lab
from anime_pipeline.images.colour_names import (
    HAIR_COLOURS,
    SKIN_COLOURS,
    nearest_hair_name,
    parse_colour,
)
from anime_pipeline.images.decoding.decoder import read_rgb

RGB = st.tuples(*[st.integers(0, 255)] * 3)
PINK, BLACK, TAN = HAIR_COLOURS["pink"], HAIR_COLOURS["black"], SKIN_COLOURS["tan"]


def apart(first, second):
    return float(delta_e(rgb_to_lab(np.array(first)), rgb_to_lab(np.array(second))))


def simple_face(hair, skin, height=64, width=64):
    """A background, hair all around and a face in it: as few pixels as can be."""
    rgb = np.full((height, width, 3), 240, np.uint8)
    y, x = np.mgrid[:height, :width] / [[[height]], [[width]]]
    rgb[np.hypot((x - 0.5) / 0.45, (y - 0.5) / 0.5) < 1] = hair
    rgb[np.hypot((x - 0.5) / 0.3, (y - 0.6) / 0.28) < 1] = skin
    return rgb


# Estimates


@pytest.mark.parametrize("size", [(16, 16), (32, 32), (40, 25), (97, 96), (300, 200)])
@pytest.mark.parametrize("hair", HAIR_COLOURS)
def test_a_plain_face_is_told_exactly(hair, size):
    found = estimate_colors(simple_face(HAIR_COLOURS[hair], SKIN_COLOURS["fair"], *size))
    assert apart(found.hair, HAIR_COLOURS[hair]) < 3
    assert apart(found.skin, SKIN_COLOURS["fair"]) < 2


@settings(max_examples=25, deadline=None)
@given(arrays(np.uint8, st.tuples(st.integers(16, 48), st.integers(16, 48), st.just(3))))
def test_any_picture_gets_colours_and_always_the_same(rgb):
    before = rgb.copy()
    colors = estimate_colors(rgb)
    assert colors == estimate_colors(rgb.copy())
    assert all(type(v) is int and 0 <= v <= 255 for v in (*colors.hair, *colors.skin))
    assert (rgb == before).all()


@settings(max_examples=25, deadline=None)
@given(RGB)
def test_one_colour_is_both_hair_and_skin(colour):
    found = estimate_colors(np.full((32, 32, 3), colour, np.uint8))
    assert np.abs(np.array([found.hair, found.skin]) - colour).max() <= 1


def test_drawn_faces_are_close_to_what_was_drawn(drawn):
    hair, skin = [], []
    for folder in sorted(drawn.iterdir()):
        for name, given_colors in [*read_color_csv(folder / COLOR_FILE).by_file.items()][::3]:
            found = estimate_colors(read_rgb(folder / name))
            hair.append(apart(found.hair, given_colors.hair))
            skin.append(apart(found.skin, given_colors.skin))
    assert np.median(hair) < 6 and np.mean(hair) < 12
    assert np.median(skin) < 3 and np.mean(skin) < 5


@pytest.mark.parametrize("margin", [4, 8, 12])
@pytest.mark.parametrize("background", [(255, 255, 255), (40, 90, 200), (20, 20, 20)])
def test_a_face_is_told_from_a_plain_background(margin, background):
    rgb = np.full((64 + 2 * margin, 64 + 2 * margin, 3), background, np.uint8)
    face = simple_face(PINK, TAN)
    face[(face == 240).all(axis=2)] = background
    rgb[margin:-margin, margin:-margin] = face
    found = estimate_colors(rgb)
    assert apart(found.hair, PINK) < 3 and apart(found.skin, TAN) < 2


def test_what_is_no_face_picture_is_refused():
    with pytest.raises(DataError, match="Expected sides of 16 px or more. Received 200x8"):
        estimate_colors(np.zeros((8, 200, 3), np.uint8))
    for wrong in (np.zeros((32, 32), np.uint8), np.zeros((32, 32, 3)), np.zeros((32, 32, 4), "u1")):
        with pytest.raises(ValueError, match="Received"):
            estimate_colors(wrong)


# Names


@given(RGB)
def test_hexadecimal_colours_are_read_back(rgb):
    text = "#{:02x}{:02X}{:02x}".format(*rgb)
    assert parse_colour(text, "hair") == parse_colour(f" {text} ", "skin") == rgb
    assert nearest_hair_name(rgb) in HAIR_COLOURS


def test_names_are_colours_and_colours_names():
    assert parse_colour("PINK", "hair") == PINK
    assert parse_colour("#fa0", "hair") == (255, 170, 0)
    assert parse_colour("Grey", "hair") == HAIR_COLOURS["gray"]
    assert parse_colour("brown", "hair") != parse_colour("brown", "skin")
    assert all(nearest_hair_name(rgb) == name for name, rgb in HAIR_COLOURS.items())
    lightness = rgb_to_lab(np.array(list(SKIN_COLOURS.values())))[:, 0]
    assert (np.diff(lightness) < 0).all()  # from pale to dark


@pytest.mark.parametrize("text", ["", "#", "#12", "#12345", "#gggggg", "ultra", "#١٢٣", "٣"])
def test_other_words_are_refused_with_the_names(text):
    with pytest.raises(UsageError, match="black, brown.*silver") as error:
        parse_colour(text, "hair")
    assert repr(text) in str(error.value)
    with pytest.raises(UsageError, match="pale, fair, light, tan, brown, dark"):
        parse_colour(text, "skin")


# The command


@pytest.fixture
def few(drawn, tmp_path):
    """Two folders of drawn faces in a folder of the test's own, the first without its table."""
    for folder in sorted(drawn.iterdir())[1:]:
        shutil.copytree(folder, tmp_path / "few" / folder.name)
    first, second = sorted((tmp_path / "few").iterdir())
    (first / COLOR_FILE).unlink()
    return first, second


def test_tables_are_written_where_there_are_none(cli, few):
    first, second = few
    before = (second / COLOR_FILE).read_bytes()
    report = cli("annotate", first.parent, "--json")
    assert report.code == 0, report.stderr
    assert report.json["written"] == [str(first / COLOR_FILE)] and report.json["images"] == 50
    assert report.json["kept"] == [str(second / COLOR_FILE)]
    table = read_color_csv(first / COLOR_FILE)
    assert not table.problems and set(table.by_file) == {p.name for p in first.glob("*.png")}
    name = sorted(table.by_file)[0]
    assert table.by_file[name] == estimate_colors(read_rgb(first / name))
    assert (second / COLOR_FILE).read_bytes() == before
    again = cli("annotate", first.parent)
    assert again.code == 0 and "2 folder(s) have a color.csv already" in again.stderr
    assert cli("annotate", first.parent, "--overwrite").code == 0
    assert (second / COLOR_FILE).read_bytes() != before


def test_tables_can_go_elsewhere(cli, few, tmp_path):
    first, second = few
    before = (second / COLOR_FILE).read_bytes()
    assert cli("annotate", first.parent, "--out", tmp_path / "tables").code == 0
    for folder in few:
        table = read_color_csv(tmp_path / "tables" / folder.name / COLOR_FILE)
        assert set(table.by_file) == {path.name for path in folder.glob("*.png")}
    assert not (first / COLOR_FILE).exists() and (second / COLOR_FILE).read_bytes() == before


def test_a_table_in_capitals_is_kept_and_is_what_overwrite_replaces(cli, few):
    first, second = few
    shutil.rmtree(first)
    there = (second / COLOR_FILE).rename(second / "COLOR.CSV")
    before = there.read_bytes()
    assert cli("annotate", second.parent, "--json").json["kept"] == [str(there)]
    assert cli("annotate", second.parent, "--overwrite").code == 0
    assert there.read_bytes() != before and not (second / COLOR_FILE).exists()


def test_no_table_is_written_through_a_link_out_of_the_set(cli, few, tmp_path):
    first, second = few
    shutil.rmtree(first)
    (second / COLOR_FILE).unlink()
    elsewhere = second.rename(tmp_path / "elsewhere")
    second.symlink_to(elsewhere)
    result = cli("annotate", second.parent)
    assert result.code == 4 and f"Skipped {second}: a link leads to {elsewhere}" in result.stderr
    assert not (elsewhere / COLOR_FILE).exists()
    assert cli("annotate", second.parent, "--out", tmp_path / "tables").code == 0
    assert (tmp_path / "tables" / second.name / COLOR_FILE).exists()
    # What the user names may be a link, and links may lead to and fro within.
    (tmp_path / "whole").symlink_to(elsewhere)
    assert cli("annotate", tmp_path / "whole").code == 0 and (elsewhere / COLOR_FILE).exists()


def test_pictures_that_cannot_be_read_are_named(cli, few):
    first, second = few
    (first / "bad.png").write_bytes(b"no picture")
    result = cli("annotate", first.parent)
    assert result.code == 3 and "bad.png: not a picture in a known format" in result.stderr
    assert len(read_color_csv(first / COLOR_FILE).by_file) == 50
    for path in second.glob("*"):
        path.unlink()
    (second / "bad.png").write_bytes(b"")
    result = cli("annotate", second)
    assert result.code == 4 and "None of 1 could be used" in result.stderr
    assert not (second / COLOR_FILE).exists()


def test_compare_measures_and_writes_nothing(cli, few):
    first, second = few
    names = list(read_color_csv(second / COLOR_FILE).by_file.items())
    rows = [f"{name},{nearest_hair_name(colors.hair)},red" for name, colors in names]
    (second / "tags.csv").write_text("\n".join(["file,hair,eyes", *rows, "x.png,long,"]))
    report = cli("annotate", first.parent, "--compare", "--json")
    assert report.code == 0, report.stderr
    assert report.json["images"] == report.json["hair_name"]["images"] == len(names)
    for part in ("hair", "skin"):
        assert report.json[part]["delta_e_mean"] < report.json[part]["delta_e_shuffled"] / 1.5
    assert report.json["hair_name"]["accuracy"] > 0.5
    assert report.json["hair_name"]["table"] == 1  # the tags were made from the table
    assert not (first / COLOR_FILE).exists()
    plain = cli("annotate", first.parent, "--compare").stdout
    assert "CIEDE2000" in plain and "hair name" in plain
    assert cli("annotate", first, "--compare").code == 4
    assert cli("annotate", first, "--compare", "--overwrite").code == 2
    assert cli("annotate", first.parent / "absent").code == 4


def test_help_loads_no_library():
    code = (
        "import sys, anime_pipeline.cli.annotate; "
        "print({'numpy', 'pandas', 'cv2', 'skimage', 'rich', 'PIL'} & set(sys.modules))"
    )
    assert spawn("-c", code).stdout.strip() == "set()"


def test_real_faces_come_out_close_to_their_tables(cli, faces, tmp_path):
    for number in (100, 121, 143):  # the places and widths were chosen on 000 to 099
        name = f"{number}_group"
        shutil.copytree(faces / "faces96" / name, tmp_path / "faces" / name)
    report = cli("annotate", tmp_path / "faces", "--compare", "--json").json
    assert report["hair"]["delta_e_mean"] < 10 and report["skin"]["delta_e_mean"] < 2.5
    assert report["hair_name"]["accuracy"] > 0.5
