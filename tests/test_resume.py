"""Training through the real command line: kill -9 and resume, Ctrl-C, damaged checkpoints."""

import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from children import PATIENCE_S, child, wait_for
from conftest import spawn
from PIL import Image

LAST = 40
DCGAN = [
    "train-dcgan", "--steps", LAST, "--batch-size", 8, "--width", 4, "--set", "image_size=16",
    "--set", "latent_dim=8", "--set", "save_every=4", "--set", "r1_interval=4", "--set",
    "width_d=4",
]  # fmt: skip
SRGAN = [
    "train-srgan", "--steps", LAST, "--batch-size", 4, "--hr-size", 64, "--crop-size", 16,
    "--set", "blocks=1", "--set", "channels=4", "--set", "width_d=4", "--set", "save_every=4",
    "--adversarial-share", 0.5, "--perceptual-weight", 0,
]  # fmt: skip
STAGES = {"dcgan": DCGAN, "srgan": SRGAN}


def command(stage, data, folder):
    return [*STAGES[stage], "--data", data, "--checkpoints", folder, "--precision", "float32"]


def train(*arguments, **environment):
    return spawn("-m", "anime_pipeline", *arguments, **environment)


def run_folder(folder, stage):
    return next((folder / stage).glob("[0-9]*-*"))


def last_state(folder, stage):
    paths = sorted((run_folder(folder, stage) / "state").glob("*.npz"))
    with np.load(paths[-1], allow_pickle=False) as arrays:
        return paths[-1].name, dict(arrays)


def saved_steps(folder, stage):
    return [int(path.stem[6:]) for path in (folder / stage).glob("*/state/state-*.json")]


def kill_when(arguments, folder, stage, step, how=signal.SIGKILL, after_s=0.0, **environment):
    """Start training; send a signal `after_s` after the checkpoint of `step` or later is there."""
    options = {"env": {**os.environ, **environment}, "stderr": subprocess.PIPE}
    with child("-m", "anime_pipeline", *arguments, **options) as process:
        if wait_for(process, lambda: max(saved_steps(folder, stage), default=0) >= step):
            time.sleep(after_s)
            process.send_signal(how)
        _, stderr = process.communicate(timeout=PATIENCE_S)
    return process.returncode, stderr


def assert_equal_states(first, second):
    assert first[0] == second[0]
    assert first[1].keys() == second[1].keys()
    for name, value in first[1].items():
        assert np.array_equal(value, second[1][name]), name


def check_resume(stage, cut, drawn, tmp_path, cli, options=(), **environment):
    whole, cut_run = tmp_path / "whole", tmp_path / "cut"
    uninterrupted = [*command(stage, drawn, whole), *options]
    if environment:
        done = train(*uninterrupted, **environment)
        assert done.returncode == 0, done.stderr[-2000:]
    else:  # where TensorFlow is imported already
        here = cli(*uninterrupted)
        assert here.code == 0, here.stderr[-2000:]
    arguments = [*command(stage, drawn, cut_run), *options]
    # Slower steps would be kinder to this test, but a kill must be survived at full speed: one that
    # came too late is tried again. The moment within the save interval is any: it differs from call
    # to call and is not repeatable.
    for _ in range(5):
        after_s = random.uniform(0, 0.06)  # noqa: S311
        code, stderr = kill_when(arguments, cut_run, stage, cut, after_s=after_s, **environment)
        if max(saved_steps(cut_run, stage)) < LAST:
            break
        shutil.rmtree(cut_run)
    assert code == -signal.SIGKILL, f"training ended before it could be killed: {stderr[-500:]}"
    again = train(f"train-{stage}", "--resume", "--checkpoints", cut_run, **environment)
    assert again.returncode == 0, again.stderr[-2000:]
    resumed_at = int(again.stderr.split("Resuming at step ")[1].split()[0])
    assert cut <= resumed_at < LAST
    assert_equal_states(last_state(whole, stage), last_state(cut_run, stage))


@pytest.mark.parametrize(
    "stage,cut", [("dcgan", 8), pytest.param("srgan", 12, marks=pytest.mark.slow)]
)
def test_killed_and_resumed_equals_uninterrupted(stage, cut, drawn, tmp_path, cli):
    check_resume(stage, cut, drawn, tmp_path, cli)


@pytest.mark.slow
@pytest.mark.parametrize(
    "stage,backend,cut",
    list(itertools.product(STAGES, ["tensorflow", "jax"], [4, 8, 12, 16])),
)
def test_resume_matrix(stage, backend, cut, drawn, tmp_path, cli):
    together = ["--set", "steps_per_dispatch=4"] if backend == "jax" else []
    check_resume(stage, cut, drawn, tmp_path, cli, together, KERAS_BACKEND=backend)


@pytest.fixture(scope="module")
def interrupted(drawn, tmp_path_factory):
    """A DCGAN run stopped by Ctrl-C."""
    folder = tmp_path_factory.mktemp("runs")
    arguments = [*command("dcgan", drawn, folder), "--steps", 100_000, "--set", "evaluate_every=20"]
    code, stderr = kill_when(arguments, folder, "dcgan", 40, signal.SIGINT)
    return folder, code, stderr


def test_ctrl_c_saves_and_exits_130(interrupted):
    folder, code, stderr = interrupted
    assert code == 130
    step = int(stderr.split("Stopped at step ")[1].split()[0])
    assert last_state(folder, "dcgan")[0] == f"state-{step:08d}.npz"
    assert "--resume" in stderr and "Traceback" not in stderr
    files = {path.name for path in run_folder(folder, "dcgan").iterdir()}
    assert files >= {
        "config.json", "metrics.jsonl", "metrics.csv", "curves.png", "samples", "generator.npz",
    }  # fmt: skip


def test_a_resume_with_other_settings_is_exit_2_with_the_difference(interrupted, cli):
    folder, _, _ = interrupted
    result = cli(
        "train-dcgan", "--resume", "--checkpoints", folder, "--loss", "hinge", "--steps", 5
    )
    assert result.code == 2
    assert "loss: the run has 'rpgan', you asked for 'hinge'" in result.stderr
    assert "steps: the run has 100000, you asked for 5" in result.stderr


def test_resume_names_damage_and_fails_with_exit_5_when_nothing_is_whole(interrupted, cli, drawn):
    folder = interrupted[0].parent / "damaged"
    shutil.copytree(interrupted[0], folder)
    states = sorted((run_folder(folder, "dcgan") / "state").glob("*.npz"))
    for path in states:
        path.write_bytes(path.read_bytes()[:1000])
    result = cli("train-dcgan", "--resume", run_folder(folder, "dcgan"))
    assert result.code == 5
    assert all(path.name in result.stderr for path in states)


def test_resume_on_changed_pictures_is_refused(interrupted, cli, drawn):
    folder = interrupted[0].parent / "moved"
    shutil.copytree(interrupted[0], folder)
    extra = drawn.parent / "changed"
    shutil.copytree(drawn, extra)
    Image.new("RGB", (64, 64), "red").save(extra / "new.png")
    path = run_folder(folder, "dcgan") / "config.json"
    facts = json.loads(path.read_text())
    path.write_text(json.dumps({**facts, "data": [str(extra)]}))
    result = cli("train-dcgan", "--resume", path.parent)
    assert result.code == 4 and "are not those" in result.stderr
    assert "1 added (first new.png)" in result.stderr


def test_the_run_folder_serves_generate_and_logs_make_sense(interrupted, cli, tmp_path):
    run = run_folder(interrupted[0], "dcgan")
    assert cli("generate", "--checkpoint", run, "-n", 3, "--json").json["size"] == 16
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    steps = [row["step"] for row in rows]
    assert steps == sorted(set(steps))
    measured = [row for row in rows if "accuracy_fake" in row]
    assert measured, "no epoch was measured"
    for row in measured:
        for name in ("accuracy_real_train", "accuracy_real_val", "accuracy_fake"):
            assert 0 <= row[name] <= 1
    with Image.open(next((run / "samples").glob("*.png"))) as grid:
        assert grid.size == (8 * (16 * 3 + 2) + 2,) * 2


def test_minutes_become_a_fixed_plan(cli, drawn, tmp_path):
    # Without penalties there is one form of the step to compile, for the timing and the training.
    arguments = [a for a in DCGAN if a not in ("--steps", LAST)]
    arguments += ["--set", "r1_gamma=0", "--set", "r2_gamma=0"]
    result = cli(*arguments, "--data", drawn, "--minutes", 0.02, "--checkpoints", "runs", "--json")
    assert result.code == 0, result.stderr
    config = json.loads(next(Path("runs/dcgan").glob("*/config.json")).read_text())["config"]
    assert result.json["steps"] == config["steps"] >= 1
