"""Resuming after pictures or labels have changed: what changed is said truly, and what to do."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import TINY_CALL, run_here
from PIL import Image

from anime_pipeline.core import checkpoint
from anime_pipeline.data.dataset import open_dataset
from anime_pipeline.data.opening import estimate_missing
from anime_pipeline.data.store import load_store
from anime_pipeline.sample.dataset import write_sample_dataset
from anime_pipeline.training.pictures import (
    PICTURES_FILE,
    in_order_of,
    picture_changes,
    pictures_fingerprint,
    pictures_of,
    read_pictures,
)

STEPS, CUT = 8, 4
FOLDER = "000_sakura"


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sample")
    write_sample_dataset(folder, 24, seed=3, size_px=32)
    return folder


@pytest.fixture(scope="module")
def finished(sample, tmp_path_factory):
    """A run of STEPS steps on the sample, with states at CUT and at the end."""
    checkpoints = tmp_path_factory.mktemp("finished")
    short = ["--steps", STEPS, "--set", f"save_every={CUT}", "--checkpoints", checkpoints]
    run_here(*TINY_CALL, "--data", sample, *short)
    return checkpoints / "dcgan" / "1-cpu"


@pytest.fixture
def faces(sample, tmp_path):
    """The sample again, for a test to change."""
    return shutil.copytree(sample, tmp_path / "faces")


@pytest.fixture
def stopped(finished, tmp_path):
    """The run as it was at step CUT."""
    folder = shutil.copytree(finished, tmp_path / "checkpoints" / "dcgan" / "1-cpu")
    for path in folder.glob(f"state/state-{STEPS:08d}.*"):
        path.unlink()
    return folder


@pytest.fixture
def resume(cli, faces, stopped):
    return lambda *options: cli("train-dcgan", "--resume", stopped, "--data", faces, *options)


def assert_same_end(first, second):
    (step, wanted), (other_step, found) = (
        checkpoint.load_latest(folder / "state", pytest.fail) for folder in (first, second)
    )
    assert step == other_step == STEPS and wanted.keys() == found.keys()
    assert all(np.array_equal(wanted[name], found[name]) for name in wanted)


def training_name(faces, stopped):
    """Return the path of a picture that is trained on."""
    recorded = read_pictures(stopped)
    return faces / recorded.names[int(np.flatnonzero(recorded.labels)[0])]


def held_out_name(faces, stopped):
    recorded = read_pictures(stopped)
    return faces / recorded.names[int(np.flatnonzero(recorded.labels == 0)[0])]


def edit_hair(faces, name, value="7"):
    table = faces / FOLDER / "color.csv"
    lines = table.read_text().splitlines()
    edited = [
        ",".join([line.split(",")[0], value, *line.split(",")[2:]]) if name in line else line
        for line in lines
    ]
    assert edited != lines
    table.write_text("\n".join(edited) + "\n")


def test_nothing_changed_goes_on_exactly_and_says_nothing(resume, stopped, finished):
    result = resume()
    assert result.code == 0, result.stderr
    assert "other names" not in result.stderr and "Labels:" not in result.stderr
    assert_same_end(finished, stopped)


def test_edited_colours_are_refused_and_counted(resume, faces, stopped):
    picture = training_name(faces, stopped)
    edit_hair(faces, picture.name)
    result = resume()
    assert result.code == 4, result.stderr
    assert f"1 with other labels (first {FOLDER}/{picture.name})" in result.stderr
    assert "Restore color.csv" in result.stderr and f"--init {stopped}" in result.stderr
    assert "pictures are not those" not in result.stderr


def test_a_label_that_nobody_trains_on_may_change(resume, faces, stopped, finished):
    edit_hair(faces, held_out_name(faces, stopped).name)
    result = resume()
    assert result.code == 0, result.stderr
    assert_same_end(finished, stopped)


def test_a_removed_table_is_refused_in_words(resume, faces):
    (faces / FOLDER / "color.csv").unlink()
    result = resume()
    assert result.code == 4 and "all without labels now" in result.stderr, result.stderr
    assert "Traceback" not in result.stderr and "Restore color.csv" in result.stderr


def test_a_removed_row_is_refused_by_name(resume, faces, stopped):
    picture, table = training_name(faces, stopped), faces / FOLDER / "color.csv"
    kept = [line for line in table.read_text().splitlines() if picture.name not in line]
    table.write_text("\n".join(kept) + "\n")
    result = resume()
    assert result.code == 4
    assert f"1 without labels now (first {FOLDER}/{picture.name})" in result.stderr
    assert f"1 of 24 pictures have no row (first {picture})" in result.stderr


def test_the_same_labels_in_another_form_are_the_same(resume, faces, stopped, finished):
    table = faces / FOLDER / "color.csv"
    text = table.read_text().replace(",", ";").replace(".png", ".PNG")
    table.write_text("sep=;\n" + text, encoding="utf-16")
    result = resume()
    assert result.code == 0, result.stderr
    assert_same_end(finished, stopped)


def test_a_renamed_picture_keeps_its_place_and_the_run_goes_on_exactly(
    resume, faces, stopped, finished
):
    picture, table = training_name(faces, stopped), faces / FOLDER / "color.csv"
    picture.rename(picture.with_name("zz.png"))
    table.write_text(table.read_text().replace(picture.name, "zz.png"))
    result = resume()
    assert result.code == 0, result.stderr
    assert f"(first {FOLDER}/{picture.name}, now {FOLDER}/zz.png)" in result.stderr
    assert_same_end(finished, stopped)


def test_a_renamed_picture_that_lost_its_row_is_a_changed_label(resume, faces, stopped):
    picture = training_name(faces, stopped)
    picture.rename(picture.with_name("zz.png"))
    result = resume()
    assert result.code == 4
    assert f"1 without labels now (first {FOLDER}/zz.png)" in result.stderr
    assert f"1 row(s) name no picture (first {picture})" in result.stderr


def test_added_edited_and_missing_pictures_are_told_apart(resume, faces, stopped):
    first, second = sorted((faces / FOLDER).glob("*.png"))[:2]
    Image.new("RGB", (32, 32), "red").save(faces / FOLDER / "extra.png")
    result = resume()
    assert result.code == 4 and f"1 added (first {FOLDER}/extra.png)." in result.stderr
    Image.new("RGB", (32, 32), "blue").save(first)
    second.unlink()
    result = resume()
    assert result.code == 4 and "are not those" in result.stderr
    for text in (
        f"1 edited (first {FOLDER}/{first.name})",
        f"1 added (first {FOLDER}/extra.png)",
        f"1 taken away or unreadable (first {FOLDER}/{second.name})",
        f"--init {stopped}",
    ):
        assert text in result.stderr


def as_of_0_5(folder):
    """Take out what version 0.5 did not record."""
    (folder / PICTURES_FILE).unlink()
    path = folder / "config.json"
    facts = json.loads(path.read_text())
    del facts["labels_fingerprint"], facts["annotated"], facts["config"]["init_sha256"]
    path.write_text(json.dumps(facts))


def test_runs_of_0_5_are_continued_by_their_pictures_alone(resume, faces, stopped, finished):
    as_of_0_5(stopped)
    result = resume()
    assert result.code == 0, result.stderr
    assert_same_end(finished, stopped)


def test_runs_of_0_5_are_refused_on_other_pictures_and_without_any_labels(resume, faces, stopped):
    table, picture = faces / FOLDER / "color.csv", training_name(faces, stopped)
    as_of_0_5(stopped)
    kept = table.read_bytes()
    table.unlink()
    result = resume()
    assert result.code == 4 and "all without labels now" in result.stderr
    table.write_bytes(kept)
    picture.rename(picture.with_name("zz.png"))
    result = resume()
    assert result.code == 4 and "order, which follows from their names" in result.stderr


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 torn", b"{}" * 500, None])
def test_a_damaged_record_is_none(finished, tmp_path, content):
    whole = (finished / PICTURES_FILE).read_bytes()
    (tmp_path / PICTURES_FILE).write_bytes(whole[:-50] if content is None else content)
    assert read_pictures(tmp_path) is None
    assert read_pictures(tmp_path / "nowhere") is None


def test_a_damaged_record_costs_only_the_details(resume, faces, stopped):
    (stopped / PICTURES_FILE).write_bytes(b"PK\x03\x04 torn")
    Image.new("RGB", (32, 32), "red").save(faces / "extra.png")
    result = resume()
    assert result.code == 4 and "another content, number or order" in result.stderr


def test_copies_keep_the_place_of_their_name(sample, tmp_path):
    folder = shutil.copytree(sample / FOLDER, tmp_path / FOLDER)
    first = sorted(folder.glob("*.png"))[0]
    for name in ("copy_a.png", "copy_b.png"):
        shutil.copy(first, folder / name)
    before = load_store(open_dataset(tmp_path), 16)
    train_rows = np.arange(len(before.images))
    recorded = pictures_of(before, train_rows, "hair", [tmp_path])
    first.rename(folder / "zz.png")
    now = load_store(open_dataset(tmp_path), 16)
    said = []
    found = in_order_of(recorded, now, [tmp_path], said.append)
    assert pictures_fingerprint(found) == pictures_fingerprint(before)
    names = [record.path.name for record in found.records]
    assert names[:3] == ["copy_a.png", "copy_b.png", "zz.png"] and "1 picture(s)" in said[0]
    assert np.array_equal(found.images, before.images)
    assert np.array_equal(found.thumbnails, before.thumbnails)
    (folder / "copy_a.png").unlink()
    fewer = load_store(open_dataset(tmp_path), 16)
    assert in_order_of(recorded, fewer, [tmp_path], pytest.fail) is fewer
    assert picture_changes(recorded, fewer, [tmp_path]).startswith("copies of the same pictures")


# --annotate


@pytest.fixture
def bare(faces):
    """The sample without colours of all pictures but one."""
    table = faces / FOLDER / "color.csv"
    table.write_text("\n".join(table.read_text().splitlines()[:2]) + "\n")
    return faces


def tree(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.usefixtures("untimed")
def test_missing_colours_are_estimated_on_the_way_and_nothing_is_written(cli, bare):
    before = tree(bare)
    call = [*TINY_CALL, "--data", bare, "--steps", STEPS, "--set", f"save_every={CUT}"]
    without = cli(*call, "--dry-run")
    assert without.code == 0 and "--annotate estimates hair and skin" in without.stderr
    assert "23 of 24 pictures have no row" in without.stderr
    done = cli(*call, "--annotate")
    assert done.code == 0, done.stderr
    assert "Estimated hair and skin of 23 of 23 pictures without" in done.stderr
    facts = json.loads(Path("checkpoints/dcgan/1-cpu/config.json").read_text())
    assert facts["config"]["condition"] == "hair,skin" and facts["annotated"]
    assert tree(bare) == before
    again = cli(*call, "--config", "checkpoints/dcgan/1-cpu", "--dry-run")
    assert "Estimated hair and skin of 23" in again.stderr


def test_a_resumed_run_estimates_what_it_did(cli, bare, tmp_path):
    call = [*TINY_CALL, "--data", bare, "--steps", STEPS, "--set", f"save_every={CUT}"]
    assert cli(*call, "--annotate").code == 0
    folder = tmp_path / "checkpoints" / "dcgan" / "1-cpu"
    whole = shutil.copytree(folder, tmp_path / "whole")
    for path in folder.glob(f"state/state-{STEPS:08d}.*"):
        path.unlink()
    result = cli("train-dcgan", "--resume", folder)
    assert result.code == 0, result.stderr
    assert_same_end(whole, folder)


def test_annotate_is_decided_when_a_run_begins(resume):
    result = resume("--annotate")
    assert result.code == 2 and "started without --annotate" in result.stderr


def test_estimates_leave_given_colours_and_name_what_cannot_be_told(bare):
    Image.new("RGB", (8, 8), "red").save(bare / FOLDER / "tiny.png")
    (bare / FOLDER / "text.png").write_text("no picture")
    given = open_dataset(bare).records
    found, skipped = estimate_missing(given)
    assert [record.path for record in found] == [record.path for record in given]
    for before, after in zip(given, found, strict=True):
        if before.colors:
            assert after == before
    assert {record.path.name for record in found if not record.colors} == {"tiny.png", "text.png"}
    reasons = {item.path: item.reason for item in skipped}
    assert len(reasons) == 2 and "16 px" in reasons[str(bare / FOLDER / "tiny.png")]
    assert estimate_missing(given, workers=1) == (found, skipped)
