"""From files to a ready store: the same bytes however it is done, and nothing left half done."""

import fcntl
import io
import os
import shutil
import signal
import subprocess
import threading
import tracemalloc

import numpy as np
import pytest
from children import PATIENCE_S, child
from PIL import Image

from anime_pipeline.core.machine import usable_cores
from anime_pipeline.core.storage import sweep_temporaries
from anime_pipeline.data.dataset import drop_repeated, open_dataset
from anime_pipeline.data.duplicates import cached_groups
from anime_pipeline.data.parallel import in_order
from anime_pipeline.data.store import load_store
from anime_pipeline.images.codec import decode
from anime_pipeline.sample.drawing import draw_face


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache folder of this test's own."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("ANIME_PIPELINE_CACHE", str(folder))
    return folder


@pytest.fixture
def mixed(drawn, tmp_path):
    """Drawn faces, odd shapes and kinds, and three files that are no pictures."""
    root = tmp_path / "mixed"
    shutil.copytree(drawn, root)
    face = Image.fromarray(draw_face(3, 90).image)
    face.crop((0, 0, 90, 40)).save(root / "wide.png")
    face.convert("L").save(root / "grey.jpg")
    face.save(root / "odd.webp")
    whole = (root / "wide.png").read_bytes()
    (root / "000_sakura" / "cut.png").write_bytes(whole[:-40])
    (root / "001_yuki" / "empty.jpg").touch()
    (root / "text.png").write_text("no picture")
    return root


def test_the_bytes_do_not_depend_on_the_number_of_workers(mixed, cache):
    found = []
    for workers in (1, 4):
        store = load_store(open_dataset(mixed), 20, workers=workers)
        (path,) = cache.iterdir()
        found.append(path.read_bytes())
        assert len(store.images) == len(store.thumbnails) == len(store.records) == 123
        assert len(store.sizes) == len(store.hashes) == 123
        refused = [os.path.basename(item.path) for item in store.skipped]
        assert refused == ["text.png", "cut.png", "empty.jpg"]
        path.unlink()
    assert found[0] == found[1]
    assert np.array_equal(np.load(io.BytesIO(found[0])), store.images), "a plain .npy to others"


def test_rows_belong_to_their_records(mixed, cache):
    store = load_store(open_dataset(mixed), 128, "pad")
    for row in (0, 1, 2, 50, 122):
        picture = decode(store.records[row].path.read_bytes())
        assert tuple(store.sizes[row]) == picture.shape[:2]
        if picture.shape == (128, 128, 3):
            assert np.array_equal(store.images[row], picture)


def test_no_flipped_byte_of_the_cache_is_trained_on(drawn, cache):
    dataset = open_dataset(drawn)
    first = np.array(load_store(dataset, 16).images)
    (path,) = cache.iterdir()
    whole = path.read_bytes()
    places = [4, 9, 40, 200, len(whole) // 2, len(whole) - 1000, len(whole) - 1]  # header to sum
    for place in places:
        damaged = bytearray(whole)
        damaged[place] ^= 1
        damaged[-2000] ^= 128
        path.write_bytes(damaged)
        said: list[str] = []
        assert np.array_equal(load_store(dataset, 16, warn=said.append).images, first)
        assert len(said) == 1 and str(path) in said[0] and "damaged" in said[0]
        assert path.read_bytes() == whole
    load_store(dataset, 16, warn=said.append)
    load_store(dataset, 17, warn=said.append)
    assert len(said) == 1, "nothing is said of what is whole or was never there"


def test_no_flipped_byte_of_the_groups_moves_a_picture_to_another_side(drawn, cache):
    thumbnails = load_store(open_dataset(drawn), 16).thumbnails
    groups = cached_groups(thumbnails)
    (path,) = cache.glob("groups-*")
    whole = path.read_bytes()
    for place in range(0, len(whole), 37):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 2]) + whole[place + 1 :])
        assert np.array_equal(cached_groups(thumbnails), groups)


def test_progress_is_told_and_ends_with_everything(mixed, cache):
    said: list[tuple[int, int]] = []
    store = load_store(open_dataset(mixed), 16, progress=lambda *now: said.append(now))
    assert len(said) > 2 and said == sorted(said) and said[-1] == (126, 126)
    said.clear()
    load_store(open_dataset(mixed), 16, progress=lambda *now: said.append(now))
    assert not said, "nothing was decoded"
    cached_groups(store.thumbnails, lambda *now: said.append(now))
    assert said[-1] == (123, 123)


def test_memory_does_not_hold_the_pictures(drawn, tmp_path, cache):
    for number in range(3):
        shutil.copytree(drawn, tmp_path / "many" / str(number), copy_function=os.link)
    dataset = open_dataset(tmp_path / "many")
    tracemalloc.start()
    store = load_store(dataset, 256, workers=1)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(store.images) == 360 and peak_bytes < store.images.nbytes / 3


def test_only_a_few_items_are_taken_ahead():
    taken = []

    def items():
        for item in range(100):
            taken.append(item)
            yield item

    with in_order(lambda item: -item, items(), workers=2) as results:
        assert next(results) == 0 and len(taken) <= 6
        assert list(results) == [-item for item in range(1, 100)]
    with pytest.raises(ZeroDivisionError), in_order(lambda item: 1 // item, [1, 0, 2]) as results:
        list(results)


def test_an_interruption_waits_for_nothing_that_is_under_way():
    begun, free, done = threading.Event(), threading.Event(), []

    def slow(item):
        begun.set()
        free.wait(10)  # where it is waited for, that is how long it takes
        done.append(item)

    def items():
        yield 0
        begun.wait()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), in_order(slow, items(), workers=1) as results:
        next(results)
    assert not done
    free.set()


# It is killed in the middle, however long that takes: it goes no further by itself.
BUILD = """
import sys, threading
from pathlib import Path
from anime_pipeline.data.dataset import open_dataset
from anime_pipeline.data.store import load_store
def stop(done, total):
    print(done, flush=True)
    threading.Event().wait()
load_store(open_dataset(Path(sys.argv[1])), 48, progress=stop)
"""


def test_a_kill_leaves_nothing_but_a_temporary_that_is_swept(drawn, cache):
    with child("-c", BUILD, drawn, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert process.returncode == -signal.SIGKILL
    (left,) = cache.iterdir()
    assert left.suffix == ".partial"
    with left.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        store = load_store(open_dataset(drawn), 48)
        assert len(store.images) == 120
        os.utime(left, (1_000, 1_000))
        load_store(open_dataset(drawn), 47)
        assert left.exists(), "its writer lives"
    load_store(open_dataset(drawn), 46)
    assert not left.exists() and len(list(cache.iterdir())) == 3


def test_the_temporary_is_locked_while_it_is_written(drawn, cache):
    def look(done, total):
        (path,) = cache.iterdir()
        os.utime(path, (1_000, 1_000))
        sweep_temporaries(cache, below=False)
        assert path.exists()

    assert len(load_store(open_dataset(drawn), 16, progress=look).images) == 120


# Whoever runs the tests in the background has Ctrl-C ignored, and children inherit that. Several
# threads read: print() writes a line and its end one after the other, and theirs would mix. Nothing
# is read before the threads have been told to stop, however late that is.
INTERRUPTED = """
import os, signal, threading
signal.signal(signal.SIGINT, signal.default_int_handler)
from anime_pipeline.cli.main import run
from anime_pipeline.data import entry
from anime_pipeline.data.sources import reading
read, told = reading.read_regular, threading.Event()
class Stopped(threading.Event):
    def set(self):
        super().set()
        told.set()
class Threading:
    Event = Stopped
def slowly(path, most):
    if path.suffix == ".png":
        os.write(1, b"reading\\n")
        told.wait()
    return read(path, most)
reading.read_regular, entry.threading = slowly, Threading
run()
"""


def test_ctrl_c_while_decoding_ends_cleanly(drawn, cache, tmp_path):
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with child("-c", INTERRUPTED, "inspect", drawn, cwd=tmp_path, **pipes) as process:
        assert process.stdout.readline() == "reading\n"
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130 and stderr.strip().endswith("Interrupted.")
    assert "Traceback" not in stderr
    assert stdout.count("reading") < usable_cores(), "each thread ends with the file it is at"
    assert list(cache.iterdir()) == [] and not (tmp_path / "outputs").exists()


def test_folders_given_twice_by_another_path_count_once(drawn, tmp_path):
    (tmp_path / "link").symlink_to(drawn)
    (tmp_path / "some").mkdir()
    first = next(drawn.rglob("*.png"))
    (tmp_path / "some" / "linked.png").symlink_to(first)
    shutil.copy(first, tmp_path / "some" / "copied.png")
    datasets = [open_dataset(path) for path in (drawn, tmp_path / "link", tmp_path / "some")]
    kept = drop_repeated(datasets)
    assert [dataset.root for dataset in kept] == [drawn, tmp_path / "some"]
    assert [record.path.name for record in kept[1].records] == ["copied.png"]
    assert drop_repeated(datasets[1:2]) == datasets[1:2]


def test_several_folders_are_one_mapped_array(drawn, mixed, cache):
    alone = [load_store(open_dataset(root), 16) for root in (drawn, mixed)]
    both = load_store([open_dataset(root) for root in (drawn, mixed)], 16)
    assert isinstance(both.images, np.memmap)
    for name in ("images", "hashes", "sizes", "thumbnails"):
        joined = np.concatenate([getattr(store, name) for store in alone])
        assert np.array_equal(getattr(both, name), joined)
    assert both.records == [*alone[0].records, *alone[1].records]
    assert both.skipped == alone[0].skipped + alone[1].skipped
