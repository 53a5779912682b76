"""Sets of pictures in stores and in tars: the same pictures, labels and split as in a folder."""

import json
import os
import shutil
import string
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import TINY_CALL
from hypothesis import given
from hypothesis import strategies as st
from source_helpers import SIZE, WANTED, add, assert_same

from anime_pipeline.core.errors import DataError, UsageError
from anime_pipeline.data import blocks
from anime_pipeline.data.dataset import drop_repeated, open_dataset
from anime_pipeline.data.opening import choose_hr_size, estimate_missing
from anime_pipeline.data.origins import find_origins
from anime_pipeline.data.sources import reading, remote, tars
from anime_pipeline.data.sources.braces import expand_braces
from anime_pipeline.data.sources.places import Remote, Url, below, parse_root
from anime_pipeline.data.store import load_store, prepare_store
from anime_pipeline.reports.real_faces import real_at

fsspec = pytest.importorskip("fsspec")
pytest_plugins = ["source_sets"]
pytestmark = pytest.mark.usefixtures("own_cache")


# --- the same as a folder ---


def test_a_store_holds_what_the_folder_holds(drawn, stored):
    ours, theirs = open_dataset(stored), open_dataset(drawn)
    assert ours.kind == theirs.kind == "characters" and ours.color_rows == theirs.color_rows
    names = [str(path) for path in ours.records.paths]
    inside = [str(path.relative_to(drawn)) for path in theirs.records.paths]
    assert names == [f"memory://bucket/faces/{name}" for name in inside]
    assert ours.skipped == theirs.skipped == [] == ours.color_problems
    assert_same(load_store(ours, SIZE), load_store(theirs, SIZE))
    assert [below(name, [stored]) for name in names] == inside


def test_a_file_system_that_goes_from_folder_to_folder(drawn):
    address = Url(f"file://{drawn}")
    assert_same(load_store(open_dataset(address), SIZE), load_store(open_dataset(drawn), SIZE))


@pytest.mark.parametrize("form", ["folder", "braces", "store", "store in braces"])
def test_tars_hold_what_the_folder_holds(form, drawn, shards, memory):
    for path in shards.iterdir():
        memory.pipe(f"/bucket/shards/{path.name}", path.read_bytes())
    root = {
        "folder": shards,
        "braces": shards / "faces-{000..002}.tar",
        "store": Url("memory://bucket/shards"),
        "store in braces": Url("memory://bucket/shards/faces-{000..002}.tar"),
    }[form]
    dataset = open_dataset(root)
    assert dataset.kind == "webdataset" and dataset.color_rows == 120
    assert dataset.skipped == dataset.color_problems == []
    theirs = open_dataset(drawn)
    assert_same(load_store(dataset, SIZE), load_store(theirs, SIZE))
    name = theirs.records[50].path.relative_to(drawn).as_posix()
    assert below(str(dataset.records[50].path), [root]) == f"faces-001.tar/{name}"


def test_celebas_table_is_read_beside_the_pictures(drawn, memory):
    pictures = sorted(drawn.rglob("*.png"))[:3]
    for number, path in enumerate(pictures):
        memory.pipe(f"/celeba/img_align_celeba/{number}.png", path.read_bytes())
    table = b",Smiling,Hat\n0.png,1,-1\n1.png,-1,1\n9.png,1,1\n"
    memory.pipe("/celeba/list_attr_celeba.csv", table)
    for root in ("memory://celeba", "memory://celeba/img_align_celeba"):
        dataset = open_dataset(Url(root))
        assert dataset.kind == "celeba"
        assert [record.tags for record in dataset.records] == [{"Smiling"}, {"Hat"}, None]
        assert dataset.rows_without_image == ["memory://celeba/9.png"]


def test_tags_and_size_limits_hold_for_tables_in_stores(stored, memory, monkeypatch):
    folder = sorted(memory.ls("/bucket/faces", detail=False))[0]
    names = [name for name in memory.ls(folder, detail=False) if name.endswith(".png")]
    first = names[0].rpartition("/")[2]
    memory.pipe(f"{folder}/tags.csv", f"file,eyes\n{first},Blue\nnone.png,red\n".encode())
    dataset = open_dataset(stored)
    assert dataset.records[0].tags == {"blue_eyes"}
    assert dataset.rows_without_image == [f"memory:/{folder}/none.png"]
    monkeypatch.setattr("anime_pipeline.data.tables.MAX_BYTES", 10)
    problems = open_dataset(stored).color_problems
    assert problems and all("10 bytes are read" in problem for problem in problems)


def test_what_reads_originals_again_reads_them_from_where_they_are(drawn, stored, shards):
    def without_colours(store):
        bare = replace(store.records, has_colours=np.zeros(len(store.records), bool))
        return bare.take(np.arange(20))

    expected, _ = estimate_missing(without_colours(load_store(open_dataset(drawn), SIZE)))
    for root in (stored, shards):
        dataset = open_dataset(root)
        assert choose_hr_size([dataset]) == choose_hr_size([open_dataset(drawn)]) == 128
        store = load_store(dataset, SIZE)
        found = find_origins(store, np.arange(len(store.images)))
        assert [each.what for each in found.codings] == ["PNG"] and found.unread == []
        ours, skipped = estimate_missing(without_colours(store))
        assert skipped == [] and ours.has_colours.all()
        assert [record.colors for record in ours] == [record.colors for record in expected]
        large = real_at([store.records.path(row) for row in range(3)], 32, 64, "crop")
        assert large.images.shape == (3, 64, 64, 3)


# --- what has changed, and what goes on ---


def test_only_what_changed_makes_another_set(stored, memory):
    first = load_store(open_dataset(stored), SIZE)
    load_store(open_dataset(stored), SIZE, progress=pytest.fail)
    path = str(first.records.path(0)).removeprefix("memory:/")
    other = str(first.records.path(1)).removeprefix("memory:/")
    memory.pipe(path, memory.cat_file(other))
    second = load_store(open_dataset(stored), SIZE)
    assert second.hashes[0] == second.hashes[1] == first.hashes[1]


def test_a_tar_that_changed_is_looked_through_anew(shards, drawn, monkeypatch):
    first = load_store(open_dataset(shards), SIZE)
    with monkeypatch.context() as patch:
        patch.setattr(tars, "_scan", pytest.fail)
        load_store(open_dataset(shards), SIZE, progress=pytest.fail)
    path = shards / "faces-002.tar"
    with tarfile.open(path, "w") as tar:
        add(tar, "one.png", next(drawn.rglob("*.png")).read_bytes())
    assert len(load_store(open_dataset(shards), SIZE).images) == 81 < len(first.images)


@pytest.fixture
def in_blocks(monkeypatch):
    monkeypatch.setattr(blocks, "LEAST", 10)
    monkeypatch.setattr(blocks, "MOST_BLOCKS", 12)


def test_interrupted_it_goes_on_and_fetches_nothing_twice(drawn, stored, in_blocks, monkeypatch):
    fetched = []
    fetch = remote.fetch

    def counted(spans):
        fetched.extend(address for address, *_ in spans if address.endswith(".png"))
        if len(fetched) > limit:
            raise RuntimeError("killed")
        return fetch(spans)

    monkeypatch.setattr(remote, "fetch", counted)
    limit = 60
    with pytest.raises(RuntimeError, match="killed"):
        prepare_store([open_dataset(stored)], WANTED, workers=1)
    limit = 1000
    dataset = open_dataset(stored)
    before = len(fetched)
    made = prepare_store([dataset], WANTED, workers=1)
    assert 0 < len(made.built) < made.blocks == 12
    fresh = fetched[before:]
    assert len(fresh) == len(set(fresh)) == 10 * len(made.built)
    assert_same(made.store, load_store(open_dataset(drawn), SIZE))


def test_shards_of_a_set_of_tars(shards, drawn, in_blocks):
    dataset = open_dataset(shards)
    assert prepare_store([dataset], WANTED, 2, 2).store is None
    made = prepare_store([dataset], WANTED, 1, 2)
    assert len(made.built) == 6 and made.missing == []
    assert_same(made.store, load_store(open_dataset(drawn), SIZE))


def test_an_unreadable_object_is_named_and_tried_again(stored, monkeypatch):
    fetch = remote.fetch
    bad = str(open_dataset(stored).records.path(7))

    def broken(spans):
        return [
            remote._unreadable(a, PermissionError("?sig=secret")) if a == bad else content
            for (a, *_), content in zip(spans, fetch(spans), strict=True)
        ]

    with monkeypatch.context() as patch:
        patch.setattr(remote, "fetch", broken)
        store = load_store(open_dataset(stored), SIZE)
    assert len(store.images) == 119
    assert [(each.path, each.reason) for each in store.skipped] == [
        (bad, "cannot be read (not permitted)")
    ]
    assert len(load_store(open_dataset(stored), SIZE).images) == 120


def test_a_store_that_is_gone_ends_the_work(stored, monkeypatch, own_cache):
    dataset = open_dataset(stored)
    monkeypatch.setattr(
        remote, "fetch", lambda spans: [remote._unreadable(a, TimeoutError()) for a, *_ in spans]
    )
    with pytest.raises(DataError, match="did not answer in time.*goes on where it was"):
        load_store(dataset, SIZE)
    assert list(own_cache.glob("pictures-*")) == []


def test_an_object_cut_short_or_too_large_is_no_picture(stored, memory, monkeypatch):
    dataset = open_dataset(stored)
    path = str(dataset.records.path(0)).removeprefix("memory:/")
    memory.pipe(path, memory.cat_file(path)[:-10])
    store = load_store(dataset, SIZE)
    assert len(store.images) == 119 and "it was changed" in store.skipped[0].reason
    place = dataset.records.path(1)
    with pytest.raises(OSError, match="10 bytes are read"):
        reading.read(place, 10)
    unknown = Remote.stored(str(place), None, "0")
    assert reading.read(unknown, 2**20) == reading.read(place, 2**20)
    with pytest.raises(OSError, match="10 bytes are read"):
        reading.read(unknown, 10)


# --- addresses ---


@pytest.mark.parametrize(
    "text",
    ["s3://key:secret@bucket/faces", "ftp://me:se/cret@host/x", "HTTPS://a:secret@host:80/x"],
)
def test_an_address_with_a_password_is_refused_and_not_repeated(text, cli):
    with pytest.raises(UsageError) as refused:
        parse_root(text)
    assert "cret" not in str(refused.value)
    for command in (["prepare"], ["inspect"], ["train-dcgan", "--data"]):
        result = cli(*command, text)
        assert result.code == 2 and "cret" not in result.stdout + result.stderr


def test_addresses_are_told_from_paths():
    assert parse_root("S3://bucket/faces/") == Url("s3://bucket/faces")
    assert parse_root("https://host:8080/a@b") == Url("https://host:8080/a@b")
    assert parse_root("data/a:b") == Path("data/a:b") == parse_root(Path("data/a:b"))
    for text in ("s3://", "memory:///", "simplecache::s3://a/b", "s3://a::zip://b"):
        if "::s3" in text:
            assert isinstance(parse_root(text), Path), "no address: there is no such folder"
        else:
            with pytest.raises(UsageError):
                parse_root(text)


@given(st.text(string.printable, min_size=1).filter(lambda text: "\0" not in text))
def test_any_name_comes_back_from_its_place(text):
    place = Remote.member("memory://b/a.tar\0" + "1:0", text, 5, 7)
    assert place.span == (5, 7) and str(place) == f"memory://b/a.tar/{text}"
    assert place.tar == "memory://b/a.tar" and place.is_far
    whole = Remote.stored(f"memory://b/x/{text.replace('/', '_')}", 9, "0")
    assert whole.span == (0, 9) and whole.tar is None


def test_errors_of_stores_tell_no_secrets():
    error = remote._unreadable("s3://b", OSError("GET https://me:pw@h/x?sig=abc failed"))
    assert "abc" not in str(error) and "pw" not in str(error) and "failed" in str(error)


@given(st.data(), st.integers(1, 9), st.text("ab,-", max_size=4))
def test_braces_stand_for_every_number_in_its_width(data, digits, text):
    number = st.integers(0, 10**digits - 1)
    first = data.draw(number)
    last = min(max(0, first + data.draw(st.integers(-50, 50))), 10**digits - 1)
    numbers = [f"{n:0{digits}d}" for n in range(min(first, last), max(first, last) + 1)]
    numbers = numbers[:: 1 if first <= last else -1]
    pattern = f"x{{{first:0{digits}d}..{last:0{digits}d}}}y{{{text},z}}.tar"
    ends = [*text.split(","), "z"]
    expected = [f"x{each}y{end}.tar" for each in numbers for end in ends]
    assert expand_braces(pattern, 10**4) == expected
    assert expand_braces("plain.tar", 1) == ["plain.tar"]


def test_a_pattern_without_a_list_is_refused():
    for pattern in ("{a}", "{1..}", "{", "}{", "{a,{b,c}}", "{1..2}{", "{0..999999999999}"):
        with pytest.raises(UsageError):
            expand_braces(pattern, 1000)


# --- commands ---


def test_commands_take_stores_and_tars(stored, shards, cli):
    for root in (stored, shards):
        result = cli("prepare", root, "--size", SIZE, "--json")
        assert result.code == 0 and result.json["pictures"] == 120, result.stderr
        result = cli("inspect", root, "--json")
        assert result.code == 0, result.stderr
        assert result.json["images"] == result.json["images_with_colors"] == 120
        assert result.json["root"] == str(root) and "\\u0000" not in result.stdout


@pytest.mark.parametrize("form", ["store", pytest.param("tars", marks=pytest.mark.slow)])
def test_a_run_records_its_source_and_goes_on(form, stored, shards, cli, tmp_path):
    root = stored if form == "store" else shards / "faces-{000..002}.tar"
    result = cli(*TINY_CALL, "--data", root, "--steps", 1)
    assert result.code == 0, result.stderr
    (config,) = tmp_path.glob("checkpoints/dcgan/*/config.json")
    assert json.loads(config.read_text())["data"] == [str(root)]
    result = cli("train-dcgan", "--resume", config.parent)
    assert result.code == 0 and "other names" not in result.stderr, result.stderr
    assert "Already complete" in result.stderr


def test_a_benchmark_names_pictures_as_of_a_folder(drawn, stored, shards, cli, tmp_path):
    options = ["--hr-size", 64, "--side", "all", "--limit", 3, "--write-lr"]
    for number, root in enumerate((drawn, stored, shards)):
        result = cli("benchmark", "--data", root, *options, f"lr{number}")
        assert result.code == 0, result.stderr
    theirs, ours, members = (
        {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.png")}
        for folder in (tmp_path / f"lr{number}" for number in range(3))
    )
    assert ours == theirs and len(theirs) == 3
    assert {name.partition("/")[2]: content for name, content in members.items()} == theirs


def test_what_cannot_be_written_beside_pictures_is_refused(stored, shards, cli):
    assert cli("annotate", stored).code == 2
    refused = cli("annotate", shards)
    assert refused.code == 2 and "holds tars" in refused.stderr
    refused = cli("upscale", stored)
    assert refused.code == 2 and "is in a store" in refused.stderr


@pytest.mark.parametrize(
    ("root", "code", "words"),
    [
        ("memory://bucket/none", 4, "memory://bucket/none cannot be listed: nothing is there"),
        ("nosuch://bucket/x", 2, "Protocol not known"),
        ("x-{0..2}.tar", 4, "x-0.tar, and no such file"),
        ("x-{0..2}.zip", 2, "Expected a list of .tar files"),
        ("x-{0..999999999}.tar", 2, "stands for 1000000000 files"),
        ("x-{0..1.tar", 2, "not closed one by one"),
    ],
)
def test_what_is_not_there_is_told(root, code, words, cli, memory):
    result = cli("prepare", root)
    assert result.code == code and words in " ".join(result.stderr.split()), result.stderr


def test_a_missing_package_is_named(cli, monkeypatch):
    remote._filesystem.cache_clear()
    monkeypatch.setitem(sys.modules, "s3fs", None)
    result = cli("prepare", "s3://bucket/faces")
    said = " ".join(result.stderr.split())
    assert result.code == 2 and "pip install 'anime-pipeline[remote]' s3fs" in said
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    result = cli("prepare", "s3://bucket/faces")
    assert result.code == 2 and "pip install 'anime-pipeline[remote]'" in result.stderr


def test_the_same_tars_count_once(shards, tmp_path):
    os.symlink(shards, tmp_path / "link")
    shutil.copy(shards / "faces-000.tar", tmp_path / "other.tar")
    roots = (shards, tmp_path / "link", shards / "faces-{000..001}.tar", tmp_path / "other.tar")
    kept = drop_repeated([open_dataset(root) for root in roots])
    assert [dataset.root for dataset in kept] == [shards, tmp_path / "other.tar"]
