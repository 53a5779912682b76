"""Tables beside pictures: every unambiguous form is read, and what is not used is said."""

import codecs
import os
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from anime_pipeline.core.errors import DataError
from anime_pipeline.data import tables
from anime_pipeline.data.celeba import read_attributes
from anime_pipeline.data.characters import Colors, parse_color_csv, read_color_csv, read_tag_csv
from anime_pipeline.data.conditions import label_hashes
from anime_pipeline.data.dataset import open_dataset, unused_labels
from anime_pipeline.data.tables import match_names

HEADER = "file,hair_r,hair_g,hair_b,skin_r,skin_g,skin_b"
ROWS = ["a.png,1,2,3,250,240,230", "b.png,12,0,255,4,5,6"]
PLAIN = "\n".join([HEADER, *ROWS]) + "\n"
MEANT = {"a.png": Colors((1, 2, 3), (250, 240, 230)), "b.png": Colors((12, 0, 255), (4, 5, 6))}

FORMS = {
    "semicolons": PLAIN.replace(",", ";"),
    "tabs": PLAIN.replace(",", "\t"),
    "whole numbers of pandas": PLAIN.replace(",2,", ",2.0,").replace(",12,", ",12.0,"),
    "decimal commas": PLAIN.replace(",", ";").replace(";12;", ";12,0;"),
    "header in capitals": PLAIN.replace(HEADER, HEADER.upper()),
    "blank first lines": "\n \r\n" + PLAIN,
    "first line of empty cells": ",,,,,,\n" + PLAIN,
    "separator line": "sep=;\r\n" + PLAIN.replace(",", ";"),
    "separator line, quoted": '"sep=\t"\n\n' + PLAIN.replace(",", "\t"),
    "separator line of a sign that nobody would guess": "sep=|\n" + PLAIN.replace(",", "|"),
    "empty last rows": PLAIN + ",,,,,,\n,\n",
    "empty last column": PLAIN.replace("\n", ",\n"),
    "all quoted, semicolons": "\n".join(
        ";".join(f'"{cell}"' for cell in line.split(",")) for line in PLAIN.split()
    ),
    "old Mac line ends": PLAIN.replace("\n", "\r"),
    "index column": "\n".join(
        f"{'' if row == 0 else row},{line}" for row, line in enumerate(PLAIN.split())
    ),
}
ENCODINGS = {
    "utf-8": lambda text: text.encode(),
    "utf-8 with a mark": lambda text: text.encode("utf-8-sig"),
    "utf-16": lambda text: text.encode("utf-16"),
    "utf-16-be": lambda text: codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
    "utf-16-le without a mark": lambda text: text.encode("utf-16-le"),
    "utf-16-be without a mark": lambda text: text.encode("utf-16-be"),
}


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("form", FORMS)
def test_a_color_csv_is_read_however_it_was_saved(form, encoding):
    table = parse_color_csv(ENCODINGS[encoding](FORMS[form]), "color.csv")
    assert table.problems == [] and table.by_file == MEANT and table.rows == 2


@pytest.mark.parametrize("cell", ["256", "12.5", "-1", "1e1", "", "12.0.0", "nan", "0x1"])
def test_no_colour_is_guessed(cell):
    table = parse_color_csv(PLAIN.replace(",12,", f",{cell},").encode(), "color.csv")
    assert set(table.by_file) == {"a.png"}
    assert "color.csv:3: b.png: colours must be integers 0..255" in table.problems


def test_lines_are_counted_from_the_top_of_the_file():
    table = parse_color_csv(("sep=,\n\n" + PLAIN + "c.png,1\n").encode(), "color.csv")
    assert table.problems == ["color.csv:6: 2 cells, expected 7"]


def test_of_a_column_that_is_there_twice_none_is_guessed():
    table = parse_color_csv(PLAIN.replace("skin_b", "skin_b,HAIR_R").encode(), "color.csv")
    assert table.by_file == {} and "column(s) hair_r twice" in table.problems[0]


def test_a_second_row_under_another_spelling_is_named():
    table = parse_color_csv((PLAIN + ROWS[1].replace("b.png", "./b.png")).encode(), "color.csv")
    assert table.by_file == MEANT and "second row" in table.problems[0]


def test_other_encodings_and_huge_files_are_named_not_guessed(tmp_path, monkeypatch):
    path = tmp_path / "color.csv"
    path.write_bytes(PLAIN.replace("a.png", "ä.png").encode("latin-1"))
    assert "save it as UTF-8" in read_color_csv(path).problems[0]
    monkeypatch.setattr(tables, "MAX_BYTES", 2**20)
    with path.open("wb") as file:
        file.truncate(2**40)  # takes no room
    assert "1.0 MB are read" in read_color_csv(path).problems[0]
    assert "1.0 MB are read" in read_tag_csv(path)[1][0]


@given(st.binary(max_size=200))
def test_any_bytes_are_a_table_or_a_problem(content):
    table = parse_color_csv(content, "color.csv")
    assert table.by_file or table.problems


COMPOSED, TAKEN_APART = (unicodedata.normalize(form, "é.png") for form in ("NFC", "NFD"))


@pytest.mark.parametrize(
    ("on_disk", "in_table"),
    [
        ("a.png", "./a.png"),
        ("a.png", ".\\a.png"),
        ("a.png", "././a.png"),
        ("a.png", "a.PNG"),
        ("A.JPG", "A.jpg"),
        ("Face_1.png", "face_1.PNG"),
        (TAKEN_APART, COMPOSED),
        (COMPOSED, TAKEN_APART),
        (TAKEN_APART, ".\\" + COMPOSED.upper()),
    ],
)
def test_names_are_matched_as_they_were_meant(on_disk, in_table):
    assert match_names([on_disk, "other.png"], [in_table]) == {on_disk: in_table}


def test_what_could_mean_two_is_left_alone():
    assert match_names(["a.png", "a.PNG"], ["A.png"]) == {}
    assert match_names(["a.png"], ["A.png", "A.PNG"]) == {}
    assert match_names(["a.png", "A.png"], ["A.png", "a.png"]) == {n: n for n in ("a.png", "A.png")}
    assert match_names(["a.png", "A.png"], ["./a.png"]) == {"a.png": "./a.png"}
    assert match_names(["a.png"], ["a.jpg", "sub/a.png"]) == {}


def test_tags_are_read_as_freely(tmp_path):
    path = tmp_path / "tags.csv"
    path.write_text("sep=;\n\nFile;Hair;EYES;Mood\na.png;Pink;Blue;Sad\n", encoding="utf-16")
    assert read_tag_csv(path) == ({"a.png": {"Pink_hair", "blue_eyes", "Sad_Mood"}}, [])
    path.write_text("file,eyes\na.png,blue\na.png,red\n./a.png,blue\n")
    tags, problems = read_tag_csv(path)
    assert tags == {"a.png": {"blue_eyes"}}
    assert problems == [f"{path}:3: a.png: second row for this file, ignored"]


def write_pictures(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        Image.new("RGB", (32, 32), (number * 40 % 256, 9, 9)).save(folder / name)
    return folder


CELEBA_TEXT = "2\nMale Hat\n000001.jpg {no} 1\n000002.jpg  1 {no}\n"
CELEBA_CSV = "image_id,Male,Hat\n000001.jpg,{no},1\n000002.jpg,1,{no}\n"


@pytest.mark.parametrize("no", ["-1", "0", "-1.0", "0.0"])
@pytest.mark.parametrize(("kind", "text"), [("txt", CELEBA_TEXT), ("csv", CELEBA_CSV)])
def test_attributes_say_no_by_minus_one_or_zero(tmp_path, kind, text, no):
    path = tmp_path / f"list.{kind}"
    path.write_text(text.format(no=no))
    frame = read_attributes(path)
    assert frame.loc["000001.jpg"].tolist() == [False, True]
    assert frame.loc["000002.jpg"].tolist() == [True, False]
    assert list(frame.columns) == ["Male", "Hat"]


def test_attribute_rows_that_cannot_be_used_are_named_and_the_others_read(tmp_path):
    path = tmp_path / "list.csv"
    path.write_text("id,Male,Hat\n1.jpg,-1,1\n2.jpg,0,1\n3.jpg,1\n1.jpg,1,1\n4.jpg,1,-1\n")
    problems = []
    frame = read_attributes(path, problems)
    assert frame.index.tolist() == ["1.jpg", "4.jpg"] and not frame.loc["1.jpg", "Male"]
    assert sorted(text.removeprefix(f"{path}:")[0] for text in problems) == ["3", "4", "5"]
    assert f"{path}:3: 2.jpg: '0' in a table of -1 and 1" in problems


@pytest.mark.parametrize(
    "content", [b"", b"\x00\xff\xfe", b"image_id,Male\n1.jpg,7\n", b"\xff\xd8\xff\xe0", b'a,"b\nc']
)
def test_a_broken_attribute_table_is_named_and_never_takes_the_pictures_down(tmp_path, content):
    write_pictures(tmp_path / "img_align_celeba", "1.jpg", "2.jpg")
    table = tmp_path / "list_attr_celeba.csv"
    table.write_bytes(content)
    dataset = open_dataset(tmp_path)
    assert [record.tags for record in dataset.records] == [None, None]
    assert dataset.attributes is None and str(table) in dataset.color_problems[0]
    assert str(table) in unused_labels([dataset])
    with pytest.raises(DataError, match="not a CelebA attribute table"):
        read_attributes(table)


def test_attributes_are_joined_by_meaning_and_absent_ones_counted(tmp_path):
    write_pictures(tmp_path / "img_align_celeba", "1.JPG", "2.jpg", "3.jpg")
    (tmp_path / "list_attr_celeba.csv").write_text("id,Hat\n1.jpg,1\n2.jpg,0\n9.jpg,1\n")
    dataset = open_dataset(tmp_path)
    assert [record.tags for record in dataset.records] == [{"Hat"}, set(), None]
    assert dataset.rows_without_image == [str(tmp_path / "9.jpg")]


def test_inspect_counts_attributes_as_they_are_used_and_names_a_broken_table(cli, tmp_path):
    write_pictures(tmp_path / "img_align_celeba", "1.JPG", "2.jpg", "3.jpg")
    table = tmp_path / "list_attr_celeba.csv"
    table.write_text("id,Hat\n1.jpg,1\n2.jpg,0\n9.jpg,1\n")
    facts = cli("inspect", tmp_path, "--json").json
    assert facts["attributes"]["images_with_attributes"] == 2
    assert "1 for 2 pictures (3 rows in the table, of which 1 name absent files)" in " ".join(
        cli("inspect", tmp_path).stdout.split()
    )
    table.write_text("nothing like it")
    result = cli("inspect", tmp_path)
    assert result.code == 0 and "not a CelebA attribute table" in " ".join(result.stdout.split())


def test_unused_labels_are_one_line_with_counts_and_examples(tmp_path):
    folder = write_pictures(tmp_path / "000_a", "a.png", "b.png", "c.png")
    bare = open_dataset(tmp_path)
    assert unused_labels([bare]) == ""
    table = PLAIN + "gone.png,1,2,3,4,5,6\nc.png,1,2,300,4,5,6\n"
    (folder / "color.csv").write_text(table)
    (folder / "tags.csv").write_text("file,eyes\na.png,blue\ngone.png,red\n")
    said = unused_labels([open_dataset(tmp_path)])
    assert "\n" not in said
    assert f"1 row(s) name no picture (first {folder / 'gone.png'})" in said
    assert f"1 of the tables' entries cannot be used (first {folder / 'color.csv'}:5: c.png" in said
    assert f"1 of 3 pictures have no row (first {folder / 'c.png'})" in said
    (folder / "tags.csv").unlink()
    (folder / "color.csv").write_text(PLAIN + "c.png,1,2,3,4,5,6\n")
    assert unused_labels([open_dataset(tmp_path)]) == ""


def test_label_hashes_are_of_what_a_run_uses(tmp_path):
    folder = write_pictures(tmp_path / "000_a", "a.png", "b.png", "c.png")
    (folder / "color.csv").write_text(PLAIN)
    (folder / "tags.csv").write_text("file,eyes,mood\na.png,blue,sad\n")

    def hashes(*names):
        return label_hashes(names, open_dataset(tmp_path).records)

    colours, both = hashes("hair"), hashes("hair", "eyes")
    assert colours.dtype == np.uint64 and colours[2] == 0 and len(set(colours.tolist())) == 3
    assert hashes("sad_mood")[1] == 0
    (folder / "tags.csv").write_text("file,eyes,mood\na.png,red,sad\n")
    (folder / "color.csv").write_text(PLAIN.replace(",250,", ",251,"))  # skin, which nobody uses
    assert (hashes("hair") == colours).all() and hashes("hair", "eyes")[0] != both[0]


# --- names of tables, in any case


@pytest.mark.parametrize("name", ["COLOR.CSV", "Color.csv", "color.CSV"])
def test_tables_are_found_whatever_the_case_of_their_names(name, tmp_path):
    folder = write_pictures(tmp_path / "000_a", "a.png", "b.png")
    (folder / name).write_text(PLAIN)
    (folder / "TAGS.Csv").write_text("file,eyes\na.png,blue\n")
    dataset = open_dataset(tmp_path)
    assert {record.path.name: record.colors for record in dataset.records} == MEANT
    assert dataset.records[0].tags == {"blue_eyes"}
    assert dataset.kind == "characters" and dataset.folders_without_colors == []
    assert dataset.color_problems == []


def test_of_names_that_differ_in_case_alone_the_usual_one_is_read_and_the_other_said(tmp_path):
    folder = write_pictures(tmp_path / "000_a", "a.png", "b.png")
    (folder / "color.csv").write_text(PLAIN)
    for name in ("COLOR.csv", "Color.csv"):
        (folder / name).write_text(PLAIN.replace(",1,", ",9,"))
    dataset = open_dataset(tmp_path)
    assert dataset.records[0].colors == MEANT["a.png"]
    other = f"{folder / 'COLOR.csv'}: not read, as color.csv is there too"
    assert dataset.color_problems[0] == other and other in unused_labels([dataset])
    (folder / "color.csv").unlink()
    assert open_dataset(tmp_path).color_problems == [
        f"{folder / 'Color.csv'}: not read, as COLOR.csv is there too"
    ]


@pytest.mark.parametrize("kind", ["pipe", "folder", "dangling"])
def test_what_is_no_table_under_its_name_is_said_and_never_waited_for(kind, tmp_path):
    folder = write_pictures(tmp_path / "000_a", "a.png")
    {
        "pipe": os.mkfifo,
        "folder": os.mkdir,
        "dangling": lambda path: os.symlink("nowhere", path),
    }[kind](folder / "color.csv")
    (problem,) = open_dataset(tmp_path).color_problems
    assert problem.startswith(f"{folder / 'color.csv'}: cannot be read (")


def test_attribute_tables_are_found_in_any_case_too(tmp_path):
    write_pictures(tmp_path / "img_align_celeba", "000001.jpg", "000002.jpg")
    (tmp_path / "List_Attr_CelebA.TXT").write_text(CELEBA_TEXT.format(no=-1))
    (tmp_path / "list_attr_celeba.csv").mkdir()  # as archives are unpacked into folders
    assert [record.tags for record in open_dataset(tmp_path).records] == [{"Hat"}, {"Male"}]
    assert len(open_dataset(tmp_path / "img_align_celeba" / "000001.jpg").records) == 1
