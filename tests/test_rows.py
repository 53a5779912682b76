"""Training reads the rows of a batch where they lie, and trains as on a copy of them all."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import TINY_DCGAN, TINY_SRGAN

from anime_pipeline.data.records import Record, as_records
from anime_pipeline.data.store import Store
from anime_pipeline.images.rows import Rows
from anime_pipeline.images.writing.grid import spread
from anime_pipeline.training.dcgan.stage import DcganStage
from anime_pipeline.training.dcgan.task import DcganTask
from anime_pipeline.training.request import Request
from anime_pipeline.training.srgan.stage import SrganStage
from anime_pipeline.training.srgan.task import SrganTask


@pytest.fixture
def mapped(tiny_images, tmp_path):
    """The tiny pictures in a file that is mapped into memory, as a store's are."""
    np.save(tmp_path / "pictures.npy", tiny_images)
    return np.load(tmp_path / "pictures.npy", mmap_mode="r")


@pytest.fixture
def chosen(mapped):
    """Three quarters of the rows, mixed up."""
    return np.random.default_rng(0).permutation(len(mapped))[: len(mapped) * 3 // 4]


def test_rows_are_indexed_as_a_copy_would_be(mapped, chosen):
    rows, copy = Rows(mapped, chosen), np.asarray(mapped)[chosen]
    assert len(rows) == len(copy) and rows.shape == copy.shape
    keys = (
        0,
        -1,
        np.int64(3),
        slice(2, 5),
        slice(None, None, -2),
        np.array([4, 0, 0]),
        copy[:, 0, 0, 0] > 90,
    )
    for key in keys:
        assert np.array_equal(rows[key], copy[key]) and type(rows[key]) is np.ndarray
    assert np.array_equal(rows, copy) and np.array_equal(list(rows), copy)
    assert np.array_equal(spread(rows, 5), spread(copy, 5))
    assert np.array_equal(spread(rows, 500), copy)
    with pytest.raises(IndexError):
        rows[len(rows)]
    with pytest.raises(ValueError, match="copy=False"):
        np.array(rows, copy=False)


class Asked:
    """Pictures that note which of them are read."""

    def __init__(self, images):
        self.images, self.shape, self.read = images, images.shape, set()

    def __len__(self):
        return len(self.images)

    def __getitem__(self, rows):
        self.read.update(np.atleast_1d(rows).tolist())
        return self.images[rows]


@pytest.mark.parametrize(
    "stage,task_type,config",
    [(DcganStage, DcganTask, TINY_DCGAN), (SrganStage, SrganTask, TINY_SRGAN)],
    ids=["dcgan", "srgan"],
)
def test_a_step_reads_its_batch_and_takes_the_same_arrays(stage, task_type, config, mapped, chosen):
    pictures, config = Asked(mapped), replace(config, batch_size=4)
    records = as_records([Record(Path(f"{row}.png")) for row in range(len(mapped))])
    store = Store(pictures, mapped, mapped, mapped, records, [])
    task = stage(Request(data=[Path()]), print, print).make_task(config, store, chosen)
    assert not pictures.read, "nothing is read before the first step"
    copied = task_type(config, np.asarray(mapped)[chosen])
    assert task.steps_per_epoch == copied.steps_per_epoch
    for step in range(3):
        pictures.read.clear()
        ours, theirs = task.inputs(step), copied.inputs(step)
        assert len(pictures.read) == 4 and pictures.read <= set(chosen.tolist())
        assert ours.keys() == theirs.keys()
        for name in {"real", "lr_image", "hr_image"} & ours.keys():
            assert np.array_equal(ours[name], theirs[name])
