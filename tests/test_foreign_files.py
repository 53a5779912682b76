"""Files that others put where ours are expected: not followed, waited for or believed."""

import os
import stat

import numpy as np
import pytest
from foreign import MINE, put
from test_web_runs import make_app, make_run

from anime_pipeline.core import checkpoint
from anime_pipeline.core.errors import NotAFileError, PipelineError, UsageError
from anime_pipeline.core.files import (
    append_line,
    open_inside,
    open_regular,
    read_regular,
    what_is_wrong,
)
from anime_pipeline.core.runs import locked, new_run_folder, read_metrics, read_run
from anime_pipeline.core.storage import atomic_write, atomic_write_text
from anime_pipeline.training.callbacks.common import MetricsLog
from anime_pipeline.training.callbacks.watch import Watch
from anime_pipeline.training.loop import Progress

# --- nothing that is opened for writing follows a link


def test_a_lock_that_is_a_link_is_refused_and_empties_nothing(tmp_path, mine):
    stage = tmp_path / "dcgan"
    stage.mkdir()
    (stage / ".lock").symlink_to(mine)
    with pytest.raises(UsageError, match="symbolic link"):
        new_run_folder(stage, "cpu")
    with pytest.raises(UsageError, match="symbolic link"), locked(stage):
        pass
    assert mine.read_text() == MINE


def test_a_lock_of_ours_may_hold_something_and_keeps_it(tmp_path):
    (tmp_path / ".lock").write_text(MINE)
    with locked(tmp_path):
        pass
    assert (tmp_path / ".lock").read_text() == MINE


@pytest.mark.parametrize("kind", ["link", "dangling", "pipe", "folder"])
def test_logs_are_added_to_regular_files_only(tmp_path, mine, kind):
    path = tmp_path / "warnings.log"
    put(kind, path, mine)
    with pytest.raises(NotAFileError):
        append_line(path, "step 1: one")
    assert mine.read_text() == MINE and not (tmp_path / "nowhere").exists()


def test_a_training_writes_no_line_into_a_linked_log(tmp_path, mine):
    progress = Progress(tmp_path, 1, 10, 5, {}, {"loss": 1.0}, {"val": 1.0})
    (tmp_path / "metrics.jsonl").symlink_to(mine)
    log = MetricsLog(1, 8)
    with pytest.raises(PipelineError, match="symbolic link"):
        log.on_start(progress)
    with pytest.raises(NotAFileError):
        log.after_step(progress)
    (tmp_path / "metrics.jsonl").unlink()
    (tmp_path / "warnings.log").symlink_to(mine)
    with pytest.raises(NotAFileError):
        Watch(print).on_start(progress)
    assert mine.read_text() == MINE


def test_a_log_that_cannot_be_one_is_known_before_the_first_warning(tmp_path, mine):
    put("dangling", tmp_path / "warnings.log")
    with pytest.raises(NotAFileError):
        Watch(print).on_start(Progress(tmp_path, 0, 10, 5, {}, {}, {}))


def test_an_atomic_write_replaces_a_link_and_spares_its_target(tmp_path, mine):
    (tmp_path / "a.txt").symlink_to(mine)
    atomic_write_text(tmp_path / "a.txt", "new")
    assert mine.read_text() == MINE and not (tmp_path / "a.txt").is_symlink()


def test_a_write_that_must_not_replace_leaves_what_came_first(tmp_path):
    path = tmp_path / "a.txt"

    def late(file):
        file.write(b"late")
        path.write_text("first")  # somebody was faster

    with pytest.raises(FileExistsError, match="a.txt"):
        atomic_write(path, late, replace=False)
    assert path.read_text() == "first" and os.listdir(tmp_path) == ["a.txt"]
    atomic_write(tmp_path / "b.txt", lambda file: file.write(b"b"), replace=False)
    assert (tmp_path / "b.txt").read_text() == "b" and len(os.listdir(tmp_path)) == 2
    assert stat.S_IMODE((tmp_path / "b.txt").stat().st_mode) & 0o600 == 0o600


# --- what stands under a file's name


@pytest.mark.parametrize("kind", ["pipe", "folder", "socket", "device"])
def test_only_regular_files_are_opened_and_at_once(tmp_path, kind):
    path = tmp_path / "x"
    put(kind, path)
    with pytest.raises(NotAFileError, match=f"not a regular file but a {kind}"):
        open_regular(path)
    assert what_is_wrong(path) == f"not a regular file but a {kind}"


def test_a_sparse_file_is_refused_by_its_size(tmp_path):
    path = tmp_path / "x"
    with path.open("wb") as file:
        file.truncate(20 * 10**9)
    with pytest.raises(NotAFileError, match="20.0 GB"):
        read_regular(path, 2**20)
    assert "20.0 GB" in what_is_wrong(path)
    path.write_bytes(b"abc")
    assert read_regular(path, 3) == b"abc" and what_is_wrong(path) is None
    with pytest.raises(NotAFileError):
        read_regular(path, 2)


def test_nothing_below_a_folder_leads_out_of_it(tmp_path, mine):
    inner = tmp_path / "run" / "samples"
    inner.mkdir(parents=True)
    (inner / "a").write_text("a")
    with open_inside(tmp_path / "run", "samples", "a") as file:
        assert file.read() == b"a"
    (inner / "b").symlink_to(mine)
    (tmp_path / "run" / "other").symlink_to(inner)
    for parts in (("samples", "b"), ("other", "a")):
        with pytest.raises(NotAFileError, match="symbolic link"):
            open_inside(tmp_path / "run", *parts)


@pytest.mark.parametrize("kind", ["pipe", "folder", "socket", "device"])
def test_every_file_that_a_command_reads_may_be_none(kind, cli, tmp_path):
    put(kind, tmp_path / "x.npz")
    (tmp_path / "outputs").mkdir()
    put(kind, tmp_path / "outputs/manifest.json")
    calls = {
        ("generate", "-n", 1, "--checkpoint", "x.npz"): 5,
        ("generate", "-n", 1): 2,
        ("upscale", "x.npz"): 4,
    }
    if kind != "folder":
        calls["train-dcgan", "--config", "x.npz", "--dry-run"] = 2
        calls["upscale", "x.npz", "--out", "-"] = 2 if kind == "folder" else 4
    for call, code in calls.items():
        result = cli(*call)
        assert result.code == code, (call, result)
        assert len(result.stderr.strip().splitlines()) <= 3 and "Traceback" not in result.stderr


# --- what a run folder serves and tells


def test_the_run_page_follows_no_link(run, tmp_path, mine):
    make_run(tmp_path / "checkpoints/dcgan/2-cpu")
    client = make_app(tmp_path / "checkpoints").test_client()
    secret = MINE.strip()
    for name in ("warnings.log", "metrics.jsonl", "config.json"):
        (run / name).unlink(missing_ok=True)
        (run / name).symlink_to(mine)
        for address in ("/training", "/training/dcgan/1-cpu", "/api/v1/runs"):
            answer = client.get(address)
            assert answer.status_code == 200 and secret not in answer.text, (name, address)
            assert "symbolic link" in answer.text and str(run / name) not in answer.text
        names = [each["name"] for each in client.get("/api/v1/runs").json["runs"]]
        assert names == ["dcgan/2-cpu", "dcgan/1-cpu"], "it hides no other"


@pytest.mark.parametrize("linked", ["file", "folder"])
def test_no_sample_is_served_through_a_link(run, tmp_path, linked):
    client = make_app(tmp_path / "checkpoints").test_client()
    address = "/runs/dcgan/1-cpu/samples/epoch_0001.png"
    assert client.get(address).status_code == 200
    (run / "samples").rename(tmp_path / "elsewhere")
    if linked == "folder":
        (run / "samples").symlink_to(tmp_path / "elsewhere")
    else:
        (run / "samples").mkdir()
        (run / "samples/epoch_0001.png").symlink_to(tmp_path / "elsewhere/epoch_0001.png")
    assert client.get(address).status_code == 404
    assert client.get("/api/v1/runs/dcgan/1-cpu").json["samples"] == []
    assert client.get("/training/dcgan/1-cpu").status_code == 200


def test_a_report_shows_nothing_through_a_link(run, tmp_path):
    from anime_pipeline.reports.training import write_report

    (run / "samples/epoch_0001.png").rename(tmp_path / "grid.png")
    with_grid = write_report(run).read_text()
    (run / "samples/epoch_0001.png").symlink_to(tmp_path / "grid.png")
    assert write_report(run).read_text().count("<img") == with_grid.count("<img")


def test_a_giant_log_is_one_line_and_hides_no_other_run(run, cli, tmp_path):
    make_run(tmp_path / "checkpoints/dcgan/2-cpu", rows=[{"step": 1, "loss_g": 1.0}])
    with (run / "metrics.jsonl").open("r+b") as file:
        file.truncate(200 * 10**9)
    result = cli("runs", "list", "--json")
    assert [each["name"] for each in result.json["runs"]] == ["dcgan/2-cpu"]
    assert len(result.stderr.splitlines()) == 1 and "200.0 GB" in result.stderr


def test_a_long_line_of_a_log_is_passed_over(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n{"step": 2, "x": "' + "y" * 2**17 + '"}\n{"step": 3}\n')
    assert [row["step"] for row in read_metrics(path)] == [1, 3]


def test_warnings_that_are_no_file_are_said(run, mine):
    os.mkfifo(run / "warnings.log")
    assert "pipe" in read_run(run).warnings[0]


# --- checkpoints: only our own names


def test_a_save_deletes_only_what_it_named_itself(tmp_path):
    others = [
        "state-best.npz", "state-1.npz", "state-1.json", "state-00000001.npz.bak",
        "state-000000001.npz", "state-.json", "my-state-00000001.npz", "state-0000001a.npz",
        "state-00000001.NPZ", "state-000000001.json",
        "state-\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661.npz",
    ]  # fmt: skip
    for name in others:
        (tmp_path / name).write_text(MINE)
    (tmp_path / "state-00000002.npz").mkdir()
    (tmp_path / "state-00000003.npz").symlink_to(tmp_path / "state-best.npz")
    for step in range(10, 15):
        checkpoint.save(tmp_path, step, {"a": np.ones(2)}, keep=2)
    assert all((tmp_path / name).read_text() == MINE for name in others)
    assert (tmp_path / "state-00000002.npz").is_dir()
    assert (tmp_path / "state-00000003.npz").is_symlink()
    assert checkpoint.steps_in(tmp_path) == [13, 14]
    left = set(os.listdir(tmp_path)) - set(others)
    assert {name for name in left if name > "state-00000004"} == {
        f"state-{step:08d}.{kind}" for step in (13, 14) for kind in ("npz", "json")
    }
