"""A large set's cache: in blocks, by shards, through kills, and as one store in the end."""

import json
import signal
import subprocess

import numpy as np
import pytest
from children import PATIENCE_S, child

from anime_pipeline.data import blocks
from anime_pipeline.data.dataset import open_dataset
from anime_pipeline.data.duplicates import cached_groups
from anime_pipeline.data.store import load_store, split_store
from anime_pipeline.images.rows import Joined, Rows

FILES = 120  # of the drawn set
SIZE = 16


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache folder, in which 120 pictures are a large set of 13 blocks."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("ANIME_PIPELINE_CACHE", str(folder))
    monkeypatch.setattr(blocks, "LEAST", 10)
    monkeypatch.setattr(blocks, "MOST_BLOCKS", 12)
    return folder


@pytest.fixture
def whole(drawn, tmp_path, monkeypatch):
    """The set as one file in another cache."""
    monkeypatch.setenv("ANIME_PIPELINE_CACHE", str(tmp_path / "other"))
    return load_store(open_dataset(drawn), SIZE)


def files(cache):
    (folder,) = cache.glob("pictures-*")
    return sorted(path.name for path in folder.glob("*-of-*.npy"))


def assert_same(store, other):
    for name in ("images", "thumbnails", "hashes", "sizes"):
        ours, theirs = getattr(store, name), getattr(other, name)
        assert ours.shape == theirs.shape and np.array_equal(np.asarray(ours), np.asarray(theirs))
    assert store.records == other.records and store.skipped == other.skipped


def test_shards_make_what_one_file_holds(whole, cache, drawn, cli):
    first = cli("prepare", drawn, "--size", SIZE, "--shard", "2/3", "--json")
    assert first.code == 0, first.stderr
    facts = json.loads(first.stdout)
    assert facts["blocks"] == 12 and facts["built"] == 4 and len(facts["missing"]) == 8
    assert files(cache) == [f"{n:03d}-of-012.npy" for n in (1, 4, 7, 10)]
    said = cli("prepare", drawn, "--size", SIZE, "--shard", "1/3")
    assert said.code == 0 and "4 of 12 blocks are missing" in said.stdout + said.stderr
    assert "--shard 3/3" in said.stdout + said.stderr
    last = cli("prepare", drawn, "--size", SIZE, "--shard", "3/3")
    assert last.code == 0 and "120 of 120 pictures are ready" in last.stdout + last.stderr
    store = load_store(open_dataset(drawn), SIZE, progress=pytest.fail)
    assert isinstance(store.images, Joined)
    assert_same(store, whole)
    assert np.array_equal(cached_groups(store.thumbnails), cached_groups(whole.thumbnails))
    ours, theirs = split_store(store), split_store(whole)
    assert all(np.array_equal(getattr(ours, s), getattr(theirs, s)) for s in vars(theirs))


def test_a_prepared_set_is_found_and_a_file_that_is_there_is_used(drawn, cache, cli):
    before = load_store(open_dataset(drawn), SIZE)
    assert isinstance(before.images, np.memmap), "below SINGLE, one file"
    again = cli("prepare", drawn, "--size", SIZE, "--json")
    facts = json.loads(again.stdout)
    assert facts["pictures"] == FILES and facts["built"] == 0 and facts["place"].endswith(".npy")


def test_beyond_a_size_blocks_are_built_without_being_asked_for(whole, drawn, cache, monkeypatch):
    monkeypatch.setattr(blocks, "SINGLE", 100)
    said = []
    assert_same(load_store(open_dataset(drawn), SIZE, progress=lambda *n: said.append(n)), whole)
    assert said == sorted(said) and said[-1] == (FILES, FILES)


def test_only_a_damaged_block_is_read_again(whole, drawn, cache, monkeypatch):
    monkeypatch.setattr(blocks, "SINGLE", 100)
    load_store(open_dataset(drawn), SIZE)
    (folder,) = cache.glob("pictures-*")
    path = folder / "005-of-012.npy"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    (folder / "007-of-012.npy").unlink()
    times = {each: each.stat().st_mtime_ns for each in folder.glob("*.npy")}
    said = []
    assert_same(load_store(open_dataset(drawn), SIZE, warn=said.append), whole)
    assert len(said) == 1 and str(path) in said[0] and "damaged" in said[0]
    assert [each for each in times if each.stat().st_mtime_ns != times[each]] == [path]


def test_a_known_block_is_not_read_in_full_again(drawn, cache, monkeypatch):
    monkeypatch.setattr(blocks, "SINGLE", 100)
    load_store(open_dataset(drawn), SIZE)
    read = []
    whole = blocks.read_entry.__globals__["_is_whole"]
    monkeypatch.setitem(
        blocks.read_entry.__globals__, "_is_whole", lambda file: read.append(file) or whole(file)
    )
    load_store(open_dataset(drawn), SIZE)
    assert not read
    (folder,) = cache.glob("pictures-*")
    (folder / blocks.INDEX).write_text("torn {")
    load_store(open_dataset(drawn), SIZE)
    assert len(read) == 12, "an index that cannot be read knows nothing"


# It is killed in its fourth block, however long that takes: it goes no further by itself.
BUILD = """
import sys, threading
from anime_pipeline.cli.main import run
from anime_pipeline.data import blocks, entry
blocks.LEAST, blocks.MOST_BLOCKS = 10, 12
write, begun = entry._write, []
def stopping(*arguments):
    begun.append(arguments)
    if len(begun) == 4:
        arguments[0].write(b"half a block")
        print("fourth", flush=True)
        threading.Event().wait()
    write(*arguments)
entry._write = stopping
run()
"""


def test_a_kill_loses_the_block_that_was_being_written(whole, drawn, cache, cli):
    with child("-c", BUILD, "prepare", drawn, "--size", SIZE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=PATIENCE_S)
    assert files(cache) == [f"{n:03d}-of-012.npy" for n in range(3)]
    assert len(list(cache.rglob("*.partial"))) == 1
    facts = json.loads(cli("prepare", drawn, "--size", SIZE, "--json").stdout)
    assert facts["built"] == 9 and facts["pictures"] == FILES and not facts["missing"]
    assert not list(cache.rglob("*.partial"))
    assert_same(load_store(open_dataset(drawn), SIZE, progress=pytest.fail), whole)


def test_what_is_no_shard_is_refused(drawn, cli):
    for wrong in ("0/2", "3/2", "2", "a/b", "1/0"):
        refused = cli("prepare", drawn, "--shard", wrong)
        assert refused.code == 2 and "Expected i/n" in refused.stderr


def test_joined_arrays_are_indexed_as_one(tmp_path):
    parts, rng = [], np.random.default_rng(0)
    for number, count in enumerate((7, 1, 30)):
        np.save(tmp_path / f"{number}.npy", rng.integers(0, 256, (count, 40, 40, 3), np.uint8))
        parts.append(np.load(tmp_path / f"{number}.npy", mmap_mode="r"))
    whole, joined = np.concatenate(parts), Joined(parts)
    keys = [0, 7, -1, np.int64(8), slice(2, 12), slice(None, None, -3), slice(5, 5), [3, 37, 8]]
    keys += [np.array([37, 0, 0, -38, 7]), rng.random(38) < 0.5, np.array([[1, 2], [20, 7]])]
    for key in keys:
        assert np.array_equal(joined[key], whole[key])
    assert len(joined) == 38 and np.array_equal(joined, whole)
    rows = Rows(Rows(joined, np.arange(37, -1, -1)), np.array([0, 2]))
    assert np.array_equal(rows, whole[[37, 35]])
    for outside in (38, -39, [0, 38]):
        with pytest.raises(IndexError):
            joined[outside]
