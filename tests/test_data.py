import contextlib
import io
import os
import shutil
import subprocess
import warnings

import numpy as np
import pytest
from children import PATIENCE_S, child
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from anime_pipeline.core.errors import DataError
from anime_pipeline.data.celeba import read_attributes
from anime_pipeline.data.characters import Colors, format_color_csv, read_color_csv
from anime_pipeline.data.dataset import open_dataset
from anime_pipeline.data.opening import choose_hr_size
from anime_pipeline.data.splits import split_by_content
from anime_pipeline.data.store import load_store, require_pictures, split_store
from anime_pipeline.images.codec import decode
from anime_pipeline.sample.dataset import write_sample_dataset
from anime_pipeline.sample.drawing import draw_face

rgb = st.tuples(*[st.integers(0, 255)] * 3)


@given(st.dictionaries(st.from_regex(r"\A[a-z0-9_.-]{1,20}\.png\Z"), st.builds(Colors, rgb, rgb)))
def test_color_csv_round_trip(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("csv") / "color.csv"
    path.write_text(format_color_csv(list(rows.items())))
    table = read_color_csv(path)
    assert table.by_file == rows and table.rows == len(rows) and table.problems == []


def test_bad_rows_are_named_by_line_and_left_out(tmp_path):
    path = tmp_path / "color.csv"
    path.write_text(
        "\ufefffile,hair_r,hair_g,hair_b,skin_r,skin_g,skin_b\r\n"
        "good.png,1,2,3,4,5,6\r\n"
        "high.png,1,2,300,4,5,6\r\n"
        "word.png,1,two,3,4,5,6\r\n"
        ",1,2,3,4,5,6\r\n"
        "good.png,9,9,9,9,9,9\r\n"
        "\r\n"
        "long.png,1,2,3,4,5,6,7\r\n",
        encoding="utf-8",
    )
    table = read_color_csv(path)
    assert table.by_file == {"good.png": Colors((1, 2, 3), (4, 5, 6))}
    lines = [problem.split(":")[1] for problem in table.problems]
    assert lines == ["3", "4", "5", "6", "8"] and table.rows == 6


@pytest.mark.parametrize(
    "content,reason",
    [(b"", "missing"), (b"a,b\n1,2\n", "missing"), (b"\xff\xfe\x00", "UTF-8")],
)
def test_an_unusable_color_csv_is_a_problem_not_a_crash(tmp_path, content, reason):
    path = tmp_path / "color.csv"
    path.write_bytes(content)
    table = read_color_csv(path)
    assert not table.by_file and reason in table.problems[0]


def test_celeba_tables_in_both_forms(tmp_path):
    (tmp_path / "a.txt").write_text("2\nMale Smiling\n000001.jpg -1  1\n000002.jpg  1 -1\n")
    (tmp_path / "b.csv").write_text("image_id,Male,Smiling\n000001.jpg,-1,1\n000002.jpg,1,-1\n")
    (tmp_path / "c.csv").write_text(",Male,Smiling\n000001.jpg,-1,1\n000002.jpg,1,-1\n")
    frames = [read_attributes(tmp_path / name) for name in ("a.txt", "b.csv", "c.csv")]
    for frame in frames:
        assert frame.loc["000001.jpg"].tolist() == [False, True]
        assert list(frame.columns) == ["Male", "Smiling"]
    (tmp_path / "d.csv").write_text("image_id,Male\n000001.jpg,7\n")
    with pytest.raises(DataError, match="-1 and 1"):
        read_attributes(tmp_path / "d.csv")


@pytest.fixture
def messy(tmp_path):
    """A folder with one of everything that goes wrong."""
    root = tmp_path / "messy"
    write_sample_dataset(root, 12, seed=1, size_px=64)
    folder = root / "000_sakura"
    (folder / "empty.png").touch()
    (folder / "text.jpg").write_text("not a picture")
    whole = (folder / "face_00000.png").read_bytes()
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    (folder / "notes.doc").write_text("?")
    (folder / ".hidden.png").write_bytes(whole)
    Image.new("RGB", (90, 40), "red").save(root / "wide.png")
    with (folder / "color.csv").open("a") as file:
        file.write("gone.png,1,2,3,4,5,6\n")
    return root


def test_open_dataset_joins_colours_and_names_what_does_not_fit(messy):
    dataset = open_dataset(messy)
    store = load_store(dataset, 32)
    assert dataset.kind == "characters"
    assert dataset.color_rows == 13
    assert dataset.rows_without_image == [str(messy / "000_sakura" / "gone.png")]
    assert dataset.folders_without_colors == [str(messy)]
    assert len(store.images) == 13 and len(store.records) == 13
    assert sum(record.colors is not None for record in store.records) == 12
    reasons = {os.path.basename(s.path): s.reason for s in [*dataset.skipped, *store.skipped]}
    assert set(reasons) == {"empty.png", "text.jpg", "cut.png", "notes.doc"}
    assert "0 bytes" in reasons["empty.png"] and "damaged" in reasons["cut.png"]


def test_pipes_and_odd_names_are_named_not_waited_for(messy, cli):
    os.mkfifo(messy / "pipe.png")
    (messy / os.fsdecode(b"odd\xff.png")).touch()
    result = cli("inspect", messy, "--json")
    reasons = {os.path.basename(item["path"]): item["reason"] for item in result.json["skipped"]}
    assert reasons["pipe.png"] == "not a regular file"
    assert "0 bytes" in reasons[os.fsdecode(b"odd\xff.png")]


def test_overlapping_folders_count_each_picture_once(messy):
    from anime_pipeline.data.opening import open_store

    whole = open_store([messy], 16, "crop")
    both = open_store([messy, messy / "000_sakura"], 16, "crop")
    assert np.array_equal(both.images, whole.images)


def test_links_that_loop_end(messy):
    (messy / "000_sakura" / "loop").symlink_to(messy)
    assert len(open_dataset(messy).records) == 16


def test_nothing_usable_says_what_was_searched(tmp_path):
    with pytest.raises(DataError, match="sample-data"):
        open_dataset(tmp_path / "nowhere")
    with pytest.raises(DataError, match="0 pictures found"):
        open_dataset(tmp_path)
    (tmp_path / "a.png").touch()
    with pytest.raises(DataError, match=r"a\.png: the file is empty"):
        require_pictures(load_store(open_dataset(tmp_path), 32), [tmp_path])


def test_the_store_is_cached_until_a_file_changes(messy, monkeypatch):
    dataset = open_dataset(messy)
    first = load_store(dataset, 16)
    monkeypatch.setattr("anime_pipeline.data.store.build_entry", None)  # decoding again would fail
    again = load_store(dataset, 16)
    assert np.array_equal(first.images, again.images)
    assert isinstance(again.images, np.memmap) and not again.images.flags.writeable
    monkeypatch.undo()
    Image.new("RGB", (64, 64), "lime").save(messy / "wide.png")
    changed = load_store(open_dataset(messy), 16)
    assert (changed.images[0] == (0, 255, 0)).all()
    # A bitmap of another colour has the same size in bytes: only the time tells.
    for colour, time_s in (("red", 1_000), ("blue", 2_000)):
        Image.new("RGB", (64, 64), colour).save(messy / "a.bmp")
        os.utime(messy / "a.bmp", (time_s, time_s))
        latest = load_store(open_dataset(messy), 16)
    assert (latest.images[0] == (0, 0, 255)).all()


def test_two_processes_may_build_the_same_entry(drawn, tmp_path):
    code = (
        "import sys; from pathlib import Path\n"
        "from anime_pipeline.data.dataset import open_dataset\n"
        "from anime_pipeline.data.store import load_store, require_pictures, split_store\n"
        "print(int(load_store(open_dataset(Path(sys.argv[1])), 24).images.sum(dtype='i8')))"
    )
    environment = {**os.environ, "ANIME_PIPELINE_CACHE": str(tmp_path)}
    options = {"env": environment, "stdout": subprocess.PIPE}
    with child("-c", code, drawn, **options) as one, child("-c", code, drawn, **options) as other:
        sums = {process.communicate(timeout=PATIENCE_S)[0] for process in (one, other)}
    assert len(sums) == 1 and int(sums.pop()) > 0
    (entry,) = tmp_path.iterdir()
    assert entry.name.startswith("pictures-") and entry.suffix == ".npy"


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
def test_a_damaged_cache_entry_is_built_again(messy, tmp_path, monkeypatch, share):
    monkeypatch.setenv("ANIME_PIPELINE_CACHE", str(tmp_path / "cache"))
    first = np.array(load_store(open_dataset(messy), 16).images)
    (entry,) = (tmp_path / "cache").iterdir()
    whole = entry.read_bytes()
    entry.write_bytes(whole[: int(len(whole) * share)])
    assert np.array_equal(load_store(open_dataset(messy), 16).images, first)
    assert entry.read_bytes() == whole
    entry.write_bytes(b"{}" * len(whole))
    assert np.array_equal(load_store(open_dataset(messy), 16).images, first)


def test_what_could_not_be_read_is_tried_again(messy, monkeypatch):
    from anime_pipeline.data.sources import reading

    read = reading.read_regular

    def fail_once(path, most):
        if path.name == "wide.png":
            raise PermissionError(13, "Permission denied")
        return read(path, most)

    monkeypatch.setattr(reading, "read_regular", fail_once)
    partial = load_store(open_dataset(messy), 20)
    assert any("Permission denied" in s.reason for s in partial.skipped)
    monkeypatch.undo()
    assert len(load_store(open_dataset(messy), 20).images) == len(partial.images) + 1


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP"])
def test_damaged_bytes_never_raise_anything_else(kind):
    buffer = io.BytesIO()
    Image.fromarray(draw_face(0, 32).image).save(buffer, kind)
    whole, random = buffer.getvalue(), np.random.default_rng(0)
    for _ in range(60):
        content = bytearray(whole)
        for position in random.integers(0, len(whole), 6):
            content[position] = random.integers(0, 256)
        with contextlib.suppress(DataError), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of odd metadata
            decode(bytes(content))


def test_min_side_refuses_small_pictures_by_name(messy):
    store = load_store(open_dataset(messy), 32, min_side=50)
    assert any("90x40" in s.reason and "50 px" in s.reason for s in store.skipped)


def test_hr_size_follows_the_pictures(tmp_path):
    for size, expected in ((160, 128), (100, 96), (70, 64)):
        root = tmp_path / str(size)
        write_sample_dataset(root, 3, seed=0, size_px=size)
        assert choose_hr_size([open_dataset(root)]) == expected
    write_sample_dataset(tmp_path / "small", 3, seed=0, size_px=48)
    with pytest.raises(DataError, match="short sides 48-48 px. Needed.*128 px"):
        choose_hr_size([open_dataset(tmp_path / "small")])


@given(st.integers(0, 2**32))
def test_splits_are_stable_when_pictures_are_added(seed):
    hashes = np.random.default_rng(seed).integers(0, 2**64, 400, dtype=np.uint64)
    before = split_by_content(hashes[:300], np.arange(300))
    after = split_by_content(hashes, np.arange(400))
    for side in ("train", "val", "test"):
        assert np.array_equal(getattr(before, side), [i for i in getattr(after, side) if i < 300])
    parts = np.concatenate([after.train, after.val, after.test])
    assert sorted(parts) == list(range(400))


def test_split_shares_and_exact_counts():
    hashes = np.random.default_rng(0).integers(0, 2**64, 20_000, dtype=np.uint64)
    alone = np.arange(20_000)
    split = split_by_content(hashes, alone)
    assert abs(len(split.train) / 20_000 - 0.80) < 0.01
    assert abs(len(split.test) / 20_000 - 0.15) < 0.01
    exact = split_by_content(hashes, alone, 12_000)
    assert len(exact.train) == 12_000 and len(exact.val) == 400 and len(exact.test) == 7_600
    with pytest.raises(ValueError, match="train_count"):
        split_by_content(hashes, alone, 30_000)


def test_copies_share_a_side(messy):
    for number in range(5):
        source = messy / "000_sakura" / f"face_0000{number}.png"
        shutil.copy(source, messy / f"copy{number}.png")
    store = load_store(open_dataset(messy), 32)
    split = split_store(store)
    side = {int(i): name for name in ("train", "val", "test") for i in getattr(split, name)}
    by_hash: dict[int, set[str]] = {}
    for index, value in enumerate(store.hashes):
        by_hash.setdefault(int(value), set()).add(side[index])
    assert len(by_hash) == 13 and all(len(sides) == 1 for sides in by_hash.values())
