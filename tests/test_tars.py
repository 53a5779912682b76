"""WebDataset tars: what their samples say, and tars that are hostile or damaged."""

import io
import json
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from source_helpers import SIZE, add

from anime_pipeline.core.errors import DataError
from anime_pipeline.data.characters import Colors
from anime_pipeline.data.dataset import open_dataset, unused_labels
from anime_pipeline.data.sources import tars
from anime_pipeline.data.sources.places import Url
from anime_pipeline.data.store import load_store

fsspec = pytest.importorskip("fsspec")
pytest_plugins = ["source_sets"]
pytestmark = pytest.mark.usefixtures("own_cache")


# --- samples' JSON ---


def test_keys_that_are_ours_are_used_and_others_counted(tmp_path, drawn):
    content = next(drawn.rglob("*.png")).read_bytes()
    documents = {
        "a": {"hair": [1, 2, 3], "skin": [4, 5, 6.0], "caption": "x"},
        "b": {"hair": "pink", "Eyes": "Blue", "length": "", "tags": ["1girl"], "caption": "y"},
        "c": {"hair": [1, 2], "skin": [4, 5, 6]},
        "d": {"hair_r": 300, "url": ["z"]},
        "e": [1, 2],
        "f": {},
    }
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as tar:
        for name, document in documents.items():
            add(tar, f"./{name}.png", content)
            add(tar, f"./{name}.json", json.dumps(document).encode())
        add(tar, "g.png", content)
        add(tar, "g.json", b"[" * 100_000)
    dataset = open_dataset(path)
    by_name = {record.path.name: record for record in dataset.records}
    assert by_name["a.png"].colors == Colors((1, 2, 3), (4, 5, 6))
    assert by_name["b.png"].tags == {"pink_hair", "blue_eyes", "1girl"}
    assert [r.path.name for r in dataset.records if r.colors] == ["a.png"] and len(by_name) == 7
    said = "\n".join(dataset.color_problems)
    assert said.count("three integers 0..255 each") == 2 and said.count("no JSON object") == 2
    assert "without a use: caption (2), url (1)" in said
    assert "of the tables' entries cannot be used" in unused_labels([dataset])


# --- hostile tars ---


def write_tar(path, members):
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for name, content, values in members:
            add(tar, name, content, **values)


def test_what_is_no_picture_is_passed_over_and_counted(tmp_path, drawn):
    content = next(drawn.rglob("*.png")).read_bytes()
    path = tmp_path / "a.tar"
    members = [
        ("ok.png", content, {}),
        ("ok.png", content, {}),
        ("../../up.png", content, {}),
        ("/abs.png", content, {}),
        ("link.png", b"", {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}),
        ("device.png", b"", {"type": tarfile.CHRTYPE}),
        ("._ok.png", b"x", {}),
        ("notes.txt", b"x", {}),
        ("run.sh", b"x", {}),
        ("empty.png", b"", {}),
    ]
    write_tar(path, members)
    dataset = open_dataset(path)
    assert [str(each.path) for each in dataset.records] == [
        f"{path}/{name}" for name in ("ok.png", "abs.png", "empty.png")
    ]
    (skipped,) = dataset.skipped
    for words in ("1 of a name that is there twice", "2 links, devices", "1 of a name that leads"):
        assert words in skipped.reason
    assert "1 other files" in skipped.reason
    store = load_store(dataset, SIZE)
    assert len(store.images) == 2 and store.skipped[0].path == f"{path}/empty.png"


def hostile_tars(content):
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as tar:
        add(tar, "a.png", content)
        add(tar, "b.png", content)
    good = whole.getvalue()
    used = 2 * (512 + -(-len(content) // 512) * 512)

    def header(**values):
        member = tarfile.TarInfo("a.png")
        for key, value in values.items():
            setattr(member, key, value)
        return member.tobuf(tarfile.GNU_FORMAT)

    return {
        "empty": b"",
        "not a tar": b"\x89PNG" * 400,
        "cut in a picture": good[: used - 700],
        "cut in a header": good[: used // 2 + 100],
        "cut before its end": good[:used],
        "absurd size": header(size=2**60) + bytes(1024),
        "negative size": header(size=-1024) + bytes(1024),
        "absurd name": header(type=tarfile.GNUTYPE_LONGNAME, size=2**40) + bytes(1024),
        "absurd records": header(type=tarfile.XHDTYPE, size=2**33) + bytes(1024),
        "records without end": header(type=tarfile.XHDTYPE, size=0) * 5000 + bytes(1024),
        "damaged header": good[: used // 2] + b"\xff" * 512 + good[used // 2 + 512 :],
        "compressed": b"\x1f\x8b" + bytes(600),
    }


@pytest.mark.parametrize("kind", hostile_tars(b"x"))
@pytest.mark.parametrize("place", ["here", "in a store"])
def test_a_hostile_tar_is_refused_in_words(kind, place, drawn, tmp_path, memory):
    content = hostile_tars(next(drawn.rglob("*.png")).read_bytes())[kind]
    root = tmp_path / "bad.tar"
    root.write_bytes(content)
    if place == "in a store":
        memory.pipe("/bucket/bad.tar", content)
        root = Url("memory://bucket/bad.tar")
    with pytest.raises(DataError, match="bad.tar (is no tar|cannot be read)"):
        open_dataset(root)


@given(st.data())
def test_damaged_bytes_of_a_tar_raise_nothing_else(data):
    content = bytearray(hostile_tars(b"x" * 600)["cut before its end"] + bytes(1024))
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = tars._scan("x", tars._Headers(io.BytesIO(content), len(content)))
    except (tarfile.TarError, ValueError, IndexError, OverflowError, RecursionError):
        return
    assert all(0 <= at <= at + size <= len(content) for _, at, size in found.pictures)


def test_a_damaged_index_in_the_cache_is_made_anew(shards, own_cache):
    whole = open_dataset(shards).records
    for path in own_cache.glob("tar-*.json"):
        path.write_text(path.read_text()[:-40])
    assert open_dataset(shards).records == whole
