"""Training from Python: no command line is needed, and words go where the caller wants them."""

from contextlib import contextmanager

import pytest
from conftest import spawn

from anime_pipeline.core.errors import UsageError
from anime_pipeline.core.progress import unseen
from anime_pipeline.core.runs import list_runs
from anime_pipeline.data.opening import open_store
from anime_pipeline.training import Request, train
from anime_pipeline.training.loop import Callback

SMALL = {
    "batch_size": 8, "width": 4, "width_d": 4, "image_size": 16, "latent_dim": 8, "save_every": 2,
    "precision": "float32", "r1_gamma": 0.0, "r2_gamma": 0.0, "feature_critic": False,
}  # fmt: skip


class Count(Callback):
    def __init__(self):
        self.steps = []

    def after_step(self, progress):
        self.steps.append(progress.step)


def test_a_run_is_trained_and_resumed_without_a_terminal(drawn, tmp_path):
    said, titles, shown = [], [], []

    @contextmanager
    def progress(title):
        titles.append(title)
        yield lambda done, total: None

    @contextmanager
    def display(folder, start, images_per_step):
        shown.append((folder, start, images_per_step))
        yield lambda now: shown.append(now.step)

    count = Count()
    request = Request(data=[str(drawn)], steps=3, overrides=SMALL, checkpoints=tmp_path)
    done = train("dcgan", request, said.append, progress, display, [count])
    (run,) = list_runs(tmp_path / "dcgan")
    assert done["run"] == str(run) and done["steps"] == 3 and done["metrics"]["step"] == 3
    assert shown == [(run, 0, 8), 1, 2, 3] and count.steps == [1, 2, 3]
    assert f"Run folder: {run}" in said and "Building the networks and timing them" in titles
    for path in (run / "state").glob("state-00000003.*"):
        path.unlink()
    again = train("dcgan", Request(resume=done["run"], checkpoints=tmp_path), said.append)
    assert again["steps"] == 3 and "Resuming at step 2 of 3." in said


def test_what_contradicts_itself_is_refused_before_any_library_is_loaded(tmp_path):
    for wrong in (
        {"data": []},
        {"data": [tmp_path, tmp_path]},
        {"data": [tmp_path], "steps": 3, "minutes": 1.0},
        {"resume": "latest", "init": "dcgan"},
        {"resume": "latest", "dry_run": True},
        {"resume": "latest", "adversarial_share": 0.5},
    ):
        with pytest.raises(UsageError):
            Request(**wrong)
    with pytest.raises(UsageError, match="among dcgan, srgan. Received: 'gan'"):
        train("gan", Request(data=[tmp_path]))
    code = (
        "import sys; from anime_pipeline.training import Request, train; Request(data=['x'])\n"
        "print(sorted({'numpy', 'keras', 'click', 'anime_pipeline.cli'} & sys.modules.keys()))"
    )
    assert spawn("-c", code).stdout.strip() == "[]"


def test_pictures_are_opened_in_one_way_and_say_what_is_left_out(drawn, tmp_path):
    (tmp_path / "torn.png").write_bytes(b"\x89PNG")
    (tmp_path / "a.png").write_bytes(next(drawn.rglob("*.png")).read_bytes())
    said = []
    store = open_store([tmp_path], 16, annotate=True, say=said.append, progress=unseen)
    assert len(store.images) == 1 and store.records[0].colors
    assert "Skipped 1 of 2 pictures" in said[0] and "Estimated hair and skin of 1 of 1" in said[1]
