"""Origins: a part of a set that was made or saved in another way is named; one origin is not."""

import io
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from anime_pipeline.data.dataset import open_dataset
from anime_pipeline.data.duplicates import near_duplicate_groups, thumbnail
from anime_pipeline.data.origins import (
    Coding,
    Family,
    coding_families,
    find_origins,
    mirrored_pairs,
    read_codings,
    size_families,
    standing_apart,
)
from anime_pipeline.data.store import load_store
from anime_pipeline.images.writing.grid import captioned_rows
from anime_pipeline.reports import origins as report
from anime_pipeline.sample.drawing import draw_face

SIX = [draw_face(seed, 32).image for seed in range(6)]
MIRROR = Image.Transpose.FLIP_LEFT_RIGHT


@pytest.fixture(scope="module")
def portraits():
    return [Image.fromarray(draw_face(seed, 64).image) for seed in range(60)]


def saved(picture, path: Path, **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, **options)
    return path


def coding_of(picture, tmp_path, name="a.jpg", **options) -> Coding | None:
    return read_codings([saved(picture, tmp_path / name, **options)])[0][0]


def families(counts):
    """Families of so many pictures, the largest first."""
    ends = np.cumsum(counts)
    return [
        Family(str(i), np.arange(end - count, end))
        for i, (count, end) in enumerate(zip(counts, ends, strict=True))
    ]


def inspected(cli, folder):
    """What the program says of a folder as JSON, and its words on the terminal as one line."""
    result = cli("inspect", folder, "--json")
    assert result.code == 0, result.stderr
    return result.json, " ".join(cli("inspect", folder).stdout.split())


# --- headers ---


@given(st.integers(1, 100), st.sampled_from([0, 1, 2]), st.booleans())
def test_the_quality_that_wrote_a_jpeg_is_read_from_its_tables(quality, sampling, progressive):
    file = io.BytesIO()
    picture = Image.new("RGB", (24, 16), "teal")
    picture.save(file, "JPEG", quality=quality, subsampling=sampling, progressive=progressive)
    path = Path("unused")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("anime_pipeline.data.sources.reading.open_regular", lambda *_: file)
        (coding,), unread = read_codings([path])
    assert unread == [] and coding.quality == quality and coding.sampling == sampling
    assert f"quality {quality}," in str(coding)


def test_other_formats_grey_ones_and_tables_of_ones_own_are_told_apart(tmp_path, portraits):
    picture = portraits[0]
    assert str(coding_of(picture, tmp_path, "a.png")) == "PNG"
    assert str(coding_of(picture, tmp_path, "a.webp")) == "WEBP"
    grey = coding_of(picture.convert("L"), tmp_path, quality=90)
    assert str(grey) == "grey JPEG, quality 90"
    own = coding_of(picture, tmp_path, qtables=[[7] * 64, [9] * 64], subsampling=0)
    assert str(own) == "JPEG, tables of its own (sum 448), colours at full size"
    # The name of a file says nothing about its content.
    assert str(coding_of(picture, tmp_path, "b.jpg", format="PNG")) == "PNG"


def test_the_sums_of_the_tables_are_those_known(tmp_path, portraits):
    sums = {q: sum(coding_of(portraits[0], tmp_path, quality=q).tables[0]) for q in (75, 95)}
    assert sums == {75: 1858, 95: 369}


def test_a_file_that_cannot_be_read_is_named_and_the_others_are_not_lost(tmp_path, portraits):
    good = saved(portraits[0], tmp_path / "good.jpg")
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"\xff\xd8\xff\xdb broken")
    (tmp_path / "text.png").write_text("no picture")
    paths = [tmp_path / "gone.jpg", bad, good, tmp_path / "text.png"]
    codings, unread = read_codings(paths)
    assert [coding is not None for coding in codings] == [False, False, True, False]
    assert [item.path for item in unread] == [str(paths[0]), str(bad), str(paths[3])]
    assert unread[0].reason == "cannot be read (No such file or directory)"
    assert all("picture" in item.reason for item in unread[1:])


# --- families ---


@given(st.lists(st.sampled_from([None, *(Coding(name) for name in "abcdef")]), max_size=40))
def test_each_picture_with_a_header_is_in_one_family_the_largest_first(codings):
    found = coding_families(codings)
    counts = [len(family.members) for family in found]
    assert counts == sorted(counts, reverse=True)
    rows = np.sort(np.concatenate([f.members for f in found])) if found else np.array([])
    assert rows.tolist() == [row for row, coding in enumerate(codings) if coding]
    assert all(codings[row] == f.coding for f in found for row in f.members)


def test_sizes_are_those_of_the_files_or_their_longest_side():
    sizes = np.array([[96, 96]] * 80 + [[64, 48]] * 20)
    assert [f.what for f in size_families(sizes)] == ["96x96 px", "48x64 px"]
    cut = np.array([[160, 100 + i] for i in range(50)] + [[80 + i, 160] for i in range(50)])
    assert [f.what for f in size_families(cut)] == ["longest side 160 px"]


@pytest.mark.parametrize(
    ("counts", "apart"),
    [
        ([100], []),
        ([62, 38], ["1"]),
        ([50, 50], ["1"]),
        ([98, 2], []),  # too few to matter
        ([980, 20], ["1"]),
        ([981, 19], []),
        ([40, 35, 25], ["1", "2"]),
        ([3] * 60, []),  # gathered from everywhere
        ([15, 10, 9, 8, 8, 7, 6, 6, 5, 5, 5], []),
        ([38, *[1] * 62], ["0"]),  # one block among many
        ([38, 10, *[1] * 52], []),
        ([700, *[5] * 60], ["60 other ways"]),
        ([970, *[5] * 6], []),
    ],
)
def test_what_stands_apart(counts, apart):
    assert [family.what for family in standing_apart(families(counts), lump=True)] == apart


@given(st.lists(st.integers(1, 500), min_size=1, max_size=40))
def test_what_stands_apart_is_never_most_nor_tiny(counts):
    found = families(sorted(counts, reverse=True))
    total = sum(counts)
    for family in standing_apart(found, lump=True):
        assert 5 <= len(family.members) and 0.02 * total <= len(family.members) <= 0.5 * total


@given(st.integers(0, 10**6), st.integers(1, 10**6))
def test_a_share_is_never_rounded_to_nothing_or_all(part, whole):
    part = min(part, whole)
    words = report.share_words(part, whole)
    assert (words == "0%") == (part == 0) and (words == "100%") == (part == whole)


# --- mirrors ---


def mirrored(images):
    thumbnails = np.stack([thumbnail(np.asarray(image)) for image in images])
    return mirrored_pairs(thumbnails, near_duplicate_groups(thumbnails))


@pytest.mark.parametrize("quality", [None, 95, 75, 50])
def test_mirrored_copies_are_found_re_encoded_or_not(portraits, quality):
    def again(picture):
        if quality is None:
            return picture
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=quality)
        return Image.open(file)

    copies = [again(picture.transpose(MIRROR)) for picture in portraits[:12]]
    assert mirrored([*portraits, *copies]) == [(i, 60 + i) for i in range(12)]


def test_mirrored_copies_of_uneven_pictures_are_found(tmp_path, portraits):
    for index, picture in enumerate(portraits[:12]):
        cut = picture.resize((160, 160)).crop((0, 0, 160, 151))
        saved(cut, tmp_path / f"{index:02d}-a.png")
        saved(cut.transpose(MIRROR), tmp_path / f"{index:02d}-b.jpg", quality=75)
    store = load_store(open_dataset(tmp_path), 96)
    groups = near_duplicate_groups(store.thumbnails)
    assert mirrored_pairs(store.thumbnails, groups) == [(i, i + 1) for i in range(0, 24, 2)]


def test_copies_that_are_not_mirrored_and_symmetric_pictures_are_none(portraits):
    images = [np.asarray(picture) for picture in portraits[:20]]
    images += [np.asarray(p.resize((60, 60)).resize((64, 64))) for p in portraits[:10]]
    even = np.asarray(portraits[20])
    even = np.concatenate([even[:, :32], even[:, :32][:, ::-1]], axis=1)
    images += [even, even, even // 2 * 2]
    assert mirrored(images) == []


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=24))
def test_each_mirrored_picture_is_found_whatever_else_is_there(choice):
    images = [SIX[face][:, ::-1] if turned else SIX[face] for face, turned in choice]
    found = {row for pair in mirrored(images) for row in pair}
    expected = {row for row, (face, turned) in enumerate(choice) if (face, not turned) in choice}
    assert found == expected


# --- the command ---


def test_a_set_of_one_origin_says_nothing_alarming(drawn, cli, tmp_path, portraits):
    facts, words = inspected(cli, drawn)
    assert facts["origins"]["warnings"] == [] == facts["origins"]["apart"]
    assert "origin_sheet" not in facts and "Saved as PNG: all" in words
    assert "Warning" not in words and "Mirrored copies none" in words
    for index, picture in enumerate(portraits):
        saved(picture, tmp_path / "jpeg" / f"{index}.jpg", quality=90)
    facts, words = inspected(cli, tmp_path / "jpeg")
    assert facts["origins"]["warnings"] == [] and "origin_sheet" not in facts
    assert "Saved as JPEG, quality 90, colours at half size: all" in words


def test_a_part_saved_at_another_quality_and_mirrored_is_reported(cli, tmp_path, portraits):
    folder = tmp_path / "mixed"
    for index, picture in enumerate(portraits):
        if index < 40:
            saved(picture, folder / f"{index:02d}.jpg", quality=95)
            continue
        saved(picture, folder / f"{index:02d}.jpg", quality=75)
        if index < 44:
            saved(picture.transpose(MIRROR), folder / f"{index:02d}-m.jpg", quality=75)
    facts, words = inspected(cli, folder)
    origins = facts["origins"]
    assert [(f["count"], f["luminance_table_sum"]) for f in origins["saved_as"]] == [
        (40, 369),
        (24, 1858),
    ]
    (apart,) = origins["apart"]
    assert apart["share"] == 0.375
    assert {Path(name).name for name in apart["files"]} == {
        path.name for path in folder.iterdir() if int(path.name[:2]) >= 40
    }
    assert [{Path(name).name for name in pair} for pair in origins["mirrored"]] == [
        {f"{index}.jpg", f"{index}-m.jpg"} for index in range(40, 44)
    ]
    assert "24 of 64 pictures (38%) differ from the rest by their files" in words
    assert "leave it out" in words and "8 of 64 pictures (12%) have a mirrored copy" in words
    with Image.open(tmp_path / facts["origin_sheet"]) as sheet:
        assert sheet.width > 900 and sheet.height > 400


def test_png_among_jpeg_of_another_size_is_one_finding(cli, tmp_path, portraits):
    folder = tmp_path / "formats"
    for index, picture in enumerate(portraits):
        if index % 6:
            saved(picture, folder / f"{index}.jpg", quality=90)
        else:
            saved(picture.resize((48, 48)), folder / f"{index}.png")
    (folder / "broken.jpg").write_bytes((folder / "1.jpg").read_bytes()[:300])
    facts, words = inspected(cli, folder)
    (apart,) = facts["origins"]["apart"]
    assert apart["what"] == "PNG, 48x48 px" and apart["count"] == 10
    assert [Path(item["path"]).name for item in facts["skipped"]] == ["broken.jpg"]
    assert "Commonest sizes 64x64 px: 50 (83%); 48x48 px: 10 (17%)" in words
    assert words.count("differ from the rest") == 1 and "Skipped 1" in words


def test_a_set_from_everywhere_does_not_drown_the_user(cli, tmp_path, portraits):
    for index, picture in enumerate(portraits):
        saved(picture, tmp_path / "all" / f"{index}.jpg", quality=30 + index)
    facts, words = inspected(cli, tmp_path / "all")
    assert len(facts["origins"]["saved_as"]) == 60 and facts["origins"]["warnings"] == []
    assert "59 other ways: 59 (98%)" in words
    assert "Warning" not in words and len(words) < 2500


def test_a_file_that_went_meanwhile_is_named(drawn, tmp_path):
    folder = tmp_path / "faces"
    shutil.copytree(drawn / "000_sakura", folder)
    store = load_store(open_dataset(folder), 32)
    gone = store.records[3].path
    gone.unlink()
    origins = find_origins(store, near_duplicate_groups(store.thumbnails))
    assert [item.path for item in origins.unread] == [str(gone)] and origins.apart == []
    ((_, text),) = [row for row in report.rows(origins, 50) if row[0] == "Origin unknown"]
    assert text.startswith("1 file(s)") and str(gone) in text
    assert 3 not in origins.codings[0].members


def test_captioned_rows_hold_their_pictures():
    pictures = np.full((3, 20, 20, 3), 7, np.uint8)
    sheet = captioned_rows([("A caption longer than its pictures", pictures), ("", pictures[:1])])
    assert (sheet == 7).all(axis=2).sum() >= 4 * 400 and sheet.shape[1] > 150


def test_real_sets_of_one_origin_are_not_alarming(faces, cli):
    for name in ("moeimouto", "characters", "celeba_sample"):
        facts = cli("inspect", faces / name, "--json").json
        assert facts["origins"]["warnings"] == [], name
        assert len(facts["origins"]["saved_as"]) == 1, name
