"""Whatever is read from where others may write is a regular file of possible size."""

import fcntl
import os

import numpy as np
import pytest
from foreign import put
from PIL import Image
from test_web_runs import make_run

from anime_pipeline.core import runs
from anime_pipeline.core.errors import CheckpointError, DataError, UsageError
from anime_pipeline.core.files import read_regular
from anime_pipeline.core.runs import read_facts, read_metrics, read_run
from anime_pipeline.data import entry
from anime_pipeline.data.dataset import open_dataset
from anime_pipeline.data.store import load_store, split_store
from anime_pipeline.reports.benchmark_folders import read_results, write_inputs


@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "socket", "device", "giant"])
def test_a_runs_configuration_is_a_small_regular_file(kind, run, mine):
    from anime_pipeline.core.config import DcganConfig
    from anime_pipeline.training.session import open_run

    (run / "config.json").unlink()
    if kind == "giant":
        with (run / "config.json").open("wb") as file:
            file.truncate(10**10)
    else:
        put(kind, run / "config.json", mine)
    for read in (
        read_run,
        read_facts,
        lambda folder: open_run(folder.parent, "1-cpu", DcganConfig),
    ):
        with pytest.raises(CheckpointError) as error:
            read(run)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("kind", ["pipe", "device", "giant"])
def test_what_lies_in_the_cache_under_our_names_is_made_anew(kind, tmp_path, monkeypatch):
    monkeypatch.setenv("ANIME_PIPELINE_CACHE", str(tmp_path / "cache"))
    for shade in (0, 128):
        Image.effect_noise((32, 32), 90).convert("RGB").save(tmp_path / f"{shade}.png")
    dataset = open_dataset(tmp_path)
    split_store(load_store(dataset, 8))
    paths = sorted((tmp_path / "cache").iterdir())
    assert [path.name.partition("-")[0] for path in paths] == ["groups", "pictures"]
    for path in paths:
        path.unlink()
        if kind == "giant":
            with path.open("wb") as file:
                file.truncate(10**10)
        else:
            put(kind, path)
    summed = []
    whole = entry._is_whole
    monkeypatch.setattr(
        entry,
        "_is_whole",
        lambda file: summed.append(os.fstat(file.fileno()).st_size) or whole(file),
    )
    said = []
    store = load_store(dataset, 8, warn=said.append)
    split_store(store)
    assert len(store.images) == 2
    assert len(said) == 1 and "damaged" in said[0]
    assert max(summed) < 10**6, "no giant is read to its end"


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "giant"])
def test_a_benchmarks_folders_may_hold_anything(kind, tmp_path):
    path, lr_images = tmp_path / "a.png", np.zeros((1, 8, 8, 3), np.uint8)
    if kind == "giant":
        with path.open("wb") as file:
            file.truncate(10**10)
    else:
        put(kind, path)
    with pytest.raises(UsageError, match="holds something else"):
        write_inputs(tmp_path, ["a.png"], lr_images)
    with pytest.raises(DataError, match="1 of 1 results cannot be used: a.png \\(cannot be read"):
        read_results(tmp_path, ["a.png"], 8)


def test_a_discriminator_is_looked_for_in_regular_files_only(run, tmp_path):
    from anime_pipeline.core.checkpoint import load_branch

    (run / "state").mkdir()
    os.mkfifo(run / "state/state-00000001.json")
    (run / "state/state-00000002.json").symlink_to("/dev/zero")
    (run / "state/state-00000002.npz").symlink_to("/dev/zero")
    assert load_branch(run / "state", "discriminator") == {}


def test_a_log_beside_weights_costs_no_evaluation_its_report(run, capsys):
    from anime_pipeline.cli.evaluate import _last_row

    assert _last_row(run / "generator.npz")["loss_g"] == 0.5
    (run / "metrics.jsonl").unlink()
    os.mkfifo(run / "metrics.jsonl")
    assert _last_row(run / "generator.npz") == {}
    assert "Passed over" in capsys.readouterr().err


def test_a_log_that_may_not_be_read_hides_no_other_run(run, cli, tmp_path, monkeypatch):
    make_run(tmp_path / "checkpoints/dcgan/2-cpu")

    def refused(path, *arguments, **options):
        if "1-cpu" in str(path) and path.name == "metrics.jsonl":
            raise PermissionError(13, "Permission denied", str(path))
        return read_regular(path, *arguments, **options)

    monkeypatch.setattr(runs, "read_regular", refused)
    result = cli("runs", "list", "--json")
    assert [each["name"] for each in result.json["runs"]] == ["dcgan/2-cpu"]
    assert len(result.stderr.splitlines()) == 1 and "Permission denied" in result.stderr


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "link"])
def test_whether_a_run_is_trained_in_is_asked_of_its_own_lock_only(kind, run, mine):
    put(kind, run / ".lock", mine)
    with mine.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert read_run(run).state == "stopped"


def test_a_log_of_a_million_short_lines_is_none(run, monkeypatch):
    monkeypatch.setattr(runs, "MAX_ROWS", 3)
    (run / "metrics.jsonl").write_text('{"step": 1}\n' * 3)
    assert len(read_metrics(run / "metrics.jsonl")) == 3
    (run / "metrics.jsonl").write_text('{"step": 1}\n' * 4)
    with pytest.raises(CheckpointError, match="more than 3 lines"):
        read_metrics(run / "metrics.jsonl")


def test_numbers_of_a_log_are_finite(run):
    lines = ['{"step": 1, "a": NaN, "b": 1e999, "c": "x", "d": 1}', '{"step": 1e999}', "[1]", "{"]
    (run / "metrics.jsonl").write_text("\n".join(lines))
    assert read_metrics(run / "metrics.jsonl") == [{"step": 1, "d": 1}]
