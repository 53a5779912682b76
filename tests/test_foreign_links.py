"""Links within a run are not followed on writing or deleting; those that a user names are."""

import os
import shutil

import numpy as np
import pytest
from foreign import MINE
from PIL import Image

from anime_pipeline.core import checkpoint
from anime_pipeline.core.errors import UsageError, in_words
from anime_pipeline.core.runs import locked, new_run_folder
from anime_pipeline.core.storage import sweep_temporaries
from anime_pipeline.data.dataset import open_dataset
from anime_pipeline.data.store import load_store
from anime_pipeline.training.callbacks.common import write_grid
from anime_pipeline.training.callbacks.tensorboard import TensorBoard
from anime_pipeline.training.loop import Progress


@pytest.mark.parametrize("name", ["state", "samples", "tensorboard"])
def test_a_run_writes_through_no_link_within_it(name, run, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "state-00000001.npz").write_text(MINE)
    (elsewhere / "events.out.tfevents.1.mine").write_text(MINE)
    shutil.rmtree(run / name, ignore_errors=True)
    (run / name).symlink_to(elsewhere)
    progress = Progress(run, 1, 10, 5, {"a": np.ones(2)}, {"loss": 1.0}, {})
    write = {
        "state": lambda: checkpoint.save(run / name, 10, progress.state, keep=1),
        "samples": lambda: write_grid(progress, 1, np.zeros((8, 8, 3), np.uint8)),
        "tensorboard": lambda: TensorBoard().on_start(progress),
    }[name]
    with pytest.raises(UsageError, match="symbolic link"):
        write()
    with pytest.raises(UsageError, match="symbolic link"), locked(run):
        pass
    assert sorted(os.listdir(elsewhere)) == ["events.out.tfevents.1.mine", "state-00000001.npz"]
    assert all(path.read_text() == MINE for path in elsewhere.iterdir())


def test_damaged_states_are_set_aside_through_no_link(run, tmp_path):
    for step in (1, 2):
        checkpoint.save(tmp_path / "elsewhere", step, {"a": np.ones(2)}, keep=2)
    (tmp_path / "elsewhere/state-00000002.npz").write_text(MINE)
    before = sorted(os.listdir(tmp_path / "elsewhere"))
    (run / "state").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="symbolic link"):
        checkpoint.load_latest(run / "state", pytest.fail)
    assert sorted(os.listdir(tmp_path / "elsewhere")) == before


def test_leftovers_are_swept_through_no_link(run, tmp_path):
    left = tmp_path / "elsewhere/.anime-pipeline-1-0123456789ab.partial"
    left.parent.mkdir()
    left.write_text("half")
    (run / "state").symlink_to(left.parent)
    sweep_temporaries(run)
    assert left.exists()


def test_places_that_the_user_links_work(tmp_path, monkeypatch):
    for name in ("checkpoints", "stage", "cache"):
        (tmp_path / "disk" / name).mkdir(parents=True)
    for name in ("checkpoints", "cache"):
        (tmp_path / name).symlink_to(tmp_path / "disk" / name)
    (tmp_path / "checkpoints/dcgan").symlink_to(tmp_path / "disk/stage")
    folder = new_run_folder(tmp_path / "checkpoints/dcgan", "cpu")
    with locked(folder):
        checkpoint.save(folder / "state", 1, {"a": np.ones(2)}, keep=1)
    assert checkpoint.load_latest(folder / "state", pytest.fail)[0] == 1
    assert (tmp_path / "disk/stage/1-cpu/state/state-00000001.npz").is_file()
    # A run that was moved to another disk, too: the user has named it.
    folder.rename(tmp_path / "disk/moved")
    folder.symlink_to(tmp_path / "disk/moved")
    with locked(folder):
        checkpoint.save(folder / "state", 2, {"a": np.ones(2)}, keep=1)
    assert checkpoint.steps_in(tmp_path / "disk/moved/state") == [2]
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    monkeypatch.setenv("ANIME_PIPELINE_CACHE", str(tmp_path / "cache"))
    assert len(load_store(open_dataset(tmp_path / "a.png"), 8).images) == 1
    assert len(list((tmp_path / "disk/cache").iterdir())) == 1


def test_a_link_to_a_disk_that_is_gone_is_said(tmp_path):
    (tmp_path / "checkpoints").symlink_to(tmp_path / "unplugged")
    with pytest.raises(OSError) as error:
        new_run_folder(tmp_path / "checkpoints/dcgan", "cpu")
    assert "a link to nothing" in str(in_words(error.value))
    assert not (tmp_path / "unplugged").exists()


def test_tensorboard_keeps_what_it_has_not_written_and_bears_odd_samples(run, tmp_path, mine):
    pytest.importorskip("tensorboardX")
    (run / "tensorboard").mkdir()
    (run / "tensorboard/notes.txt").write_text(MINE)
    (run / "tensorboard/events.out.tfevents.1.old").write_text("old")
    (run / "tensorboard/events.out.tfevents.2.old").symlink_to(mine)
    (run / "samples/epoch_0002.png").symlink_to(run / "samples/epoch_0001.png")
    (run / "samples/epoch_0003.png").write_text("torn")
    (run / "samples/mine.png").write_bytes((run / "samples/epoch_0001.png").read_bytes())
    board = TensorBoard()
    progress = Progress(run, 1, 10, 5, {}, {}, {})
    board.on_start(progress)
    board.on_stop(progress)
    assert (run / "tensorboard/notes.txt").read_text() == MINE == mine.read_text()
    assert not (run / "tensorboard/events.out.tfevents.1.old").exists()
    assert len(list((run / "tensorboard").glob("events.*"))) == 2
