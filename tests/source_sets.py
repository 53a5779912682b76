"""Sets of pictures in stores and in tars, for the tests of both: a pytest plugin."""

import json
import tarfile

import pytest
from source_helpers import add, colours_of

from anime_pipeline.data.dataset import open_dataset
from anime_pipeline.data.sources.places import Url


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("ANIME_PIPELINE_CACHE", str(folder))
    return folder


@pytest.fixture
def memory():
    """An empty store in memory."""
    store = pytest.importorskip("fsspec").filesystem("memory")
    store.store.clear()
    store.pseudo_dirs[:] = [""]
    yield store
    store.store.clear()


@pytest.fixture
def stored(drawn, memory):
    """The drawn set in a store."""
    for path in sorted(drawn.rglob("*.*")):
        memory.pipe(f"/bucket/faces/{path.relative_to(drawn).as_posix()}", path.read_bytes())
    return Url("memory://bucket/faces")


@pytest.fixture
def shards(drawn, tmp_path):
    """The drawn set in three tars, with what `color.csv` says as JSON."""
    folder = tmp_path / "shards"
    folder.mkdir()
    records = list(open_dataset(drawn).records)
    for number in range(3):
        with tarfile.open(folder / f"faces-{number:03d}.tar", "w") as tar:
            for record in records[number * 40 : number * 40 + 40]:
                name = record.path.relative_to(drawn).as_posix()
                add(tar, name, record.path.read_bytes())
                add(tar, f"{name[:-4]}.json", json.dumps(colours_of(record)).encode())
                add(tar, f"{name[:-4]}.cls", b"7")
    return folder
