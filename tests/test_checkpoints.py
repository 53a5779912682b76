import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from conftest import TINY_DCGAN

from anime_pipeline.core import checkpoint
from anime_pipeline.core.errors import CheckpointError, PipelineError, UsageError
from anime_pipeline.core.runs import read_metrics
from anime_pipeline.models.weights import assign, load_weights, save_weights
from anime_pipeline.training.callbacks.common import MetricsLog, NanGuard
from anime_pipeline.training.loop import Progress


def state(value):
    return {"generator": {"params": {"a/kernel": np.full((2, 3), value, np.float32)}}}


def test_flatten_round_trip():
    tree = {"a": {"x/y": np.arange(3)}, "b": np.float32(2), "c": {"stats": {}}}
    again = checkpoint.rebuild(checkpoint.flatten(tree), tree)
    assert np.array_equal(again["a"]["x/y"], tree["a"]["x/y"]) and again["b"] == 2
    assert again["c"] == {"stats": {}}


def test_the_last_k_are_kept(tmp_path):
    for step in range(1, 6):
        checkpoint.save(tmp_path, step, state(step), keep=2)
    assert checkpoint.steps_in(tmp_path) == [4, 5]
    assert len(list(tmp_path.iterdir())) == 4


def test_an_array_left_alone_by_a_kill_goes_with_the_next_save(tmp_path):
    for step in (1, 2):
        checkpoint.save(tmp_path, step, state(step), keep=2)
    (tmp_path / "state-00000001.json").unlink()
    checkpoint.save(tmp_path, 3, state(3), keep=2)
    assert {path.stem for path in tmp_path.iterdir()} == {"state-00000002", "state-00000003"}


def damage_flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def damage_cut(path):
    path.write_bytes(path.read_bytes()[:-40])


def damage_remove(path):
    path.unlink()


def damage_json(path):
    path.with_suffix(".json").write_text("{")


@pytest.mark.parametrize("damage", [damage_flip, damage_cut, damage_remove, damage_json])
def test_a_damaged_checkpoint_is_named_and_the_previous_used(tmp_path, damage):
    for step in (1, 2):
        checkpoint.save(tmp_path, step, state(step), keep=3)
    damage(tmp_path / "state-00000002.npz")
    warnings = []
    step, loaded = checkpoint.load_latest(tmp_path, warnings.append)
    assert step == 1 and loaded["generator|params|a/kernel"][0, 0] == 1
    assert len(warnings) == 1 and "state-00000002.npz" in warnings[0]
    assert checkpoint.steps_in(tmp_path) == [1], "the damaged one must not count among the last K"
    checkpoint.save(tmp_path, 2, state(2), keep=3)
    damage(tmp_path / "state-00000002.npz")
    damage(tmp_path / "state-00000001.npz")
    with pytest.raises(CheckpointError, match="All 2 checkpoints"):
        checkpoint.load_latest(tmp_path, warnings.append)


def test_a_whole_file_that_is_not_the_recorded_one_is_damaged(tmp_path):
    for step in (1, 2):
        checkpoint.save(tmp_path, step, state(step), keep=2)
    shutil.copy(tmp_path / "state-00000001.npz", tmp_path / "state-00000002.npz")
    said = []
    assert checkpoint.load_latest(tmp_path, said.append)[0] == 1
    assert len(said) == 1 and "sha256" in said[0]


def test_what_was_set_aside_as_damaged_stays_to_be_looked_at(tmp_path):
    for step in (1, 2):
        checkpoint.save(tmp_path, step, state(step), keep=2)
    damage_flip(tmp_path / "state-00000002.npz")
    before = (tmp_path / "state-00000002.npz").read_bytes()
    checkpoint.load_latest(tmp_path, lambda _: None)
    for step in range(3, 7):
        checkpoint.save(tmp_path, step, state(step), keep=2)
    assert checkpoint.steps_in(tmp_path) == [5, 6]
    assert (tmp_path / "state-00000002.npz").read_bytes() == before
    assert (tmp_path / "state-00000002.damaged").exists()


def test_no_checkpoint_is_an_error(tmp_path):
    with pytest.raises(CheckpointError, match="No checkpoint"):
        checkpoint.load_latest(tmp_path, print)


def test_an_array_without_its_json_does_not_count(tmp_path):
    checkpoint.save(tmp_path, 1, state(1), keep=3)
    checkpoint.save(tmp_path, 2, state(2), keep=3)
    (tmp_path / "state-00000002.json").unlink()
    assert checkpoint.load_latest(tmp_path, print)[0] == 1


def test_another_architecture_is_refused():
    with pytest.raises(CheckpointError, match="a/kernel"):
        template = {"generator": {"params": {"a/kernel": np.zeros(5)}}}
        checkpoint.rebuild(checkpoint.flatten(state(1)), template)


def test_weights_files_round_trip_and_hold_no_pickle(tmp_path):
    path, arrays = tmp_path / "w.npz", {"a": np.linspace(0, 1, 7, dtype=np.float32)}
    save_weights(path, arrays, "dcgan-generator", {"width": 4}, {"step": 9}, dtype="float16")
    weights = load_weights(path, "dcgan-generator")
    assert weights.config == {"width": 4} and weights.training == {"step": 9}
    np.testing.assert_allclose(weights.arrays["a"], arrays["a"], atol=1e-3)
    with np.load(path, allow_pickle=False) as file:
        assert {array.dtype.kind for array in file.values()} <= {"f", "u"}


def test_bad_weights_files_are_refused_in_words(tmp_path):
    path = tmp_path / "w.npz"
    with pytest.raises(CheckpointError, match="No weights file"):
        load_weights(path, "dcgan-generator")
    path.write_bytes(b"nonsense")
    with pytest.raises(CheckpointError, match="damaged"):
        load_weights(path, "dcgan-generator")
    np.savez(path, a=np.array([{"pickled": 1}], object))
    with pytest.raises(CheckpointError, match="damaged"):
        load_weights(path, "dcgan-generator")
    save_weights(path, {"a": np.zeros(2)}, "srgan-generator", {}, {})
    with pytest.raises(CheckpointError, match="holds a srgan-generator"):
        load_weights(path, "dcgan-generator")


def test_weights_of_another_shape_are_not_assigned(tmp_path):
    from anime_pipeline.models.dcgan import build_generator

    model = build_generator(TINY_DCGAN)
    arrays = {
        v.path: np.asarray(v) for v in build_generator(replace(TINY_DCGAN, width=8)).variables
    }
    save_weights(tmp_path / "w.npz", arrays, "dcgan-generator", {}, {})
    with pytest.raises(CheckpointError, match="does not fit"):
        assign(model, load_weights(tmp_path / "w.npz", "dcgan-generator"))


def progress(folder, step, **metrics):
    return Progress(folder, step, 100, 10, {}, metrics)


def test_a_state_that_is_no_number_is_never_written(tmp_path):
    checkpoint.save(tmp_path, 1, state(1), keep=2)
    bad = state(2)
    bad["generator"]["params"]["a/kernel"][0, 0] = np.nan
    with pytest.raises(PipelineError, match="a/kernel holds values"):
        checkpoint.save(tmp_path, 2, bad, keep=2)
    assert checkpoint.steps_in(tmp_path) == [1]
    with pytest.raises(PipelineError, match="diverged"):
        save_weights(tmp_path / "w.npz", {"a": np.array([np.inf])}, "dcgan-generator", {}, {})
    assert not (tmp_path / "w.npz").exists()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_the_nan_guard_stops_and_names_the_last_good_state(tmp_path, value):
    guard = NanGuard()
    guard.after_step(progress(tmp_path, 4, loss_d=0.5))
    checkpoint.save(tmp_path / "state", 3, state(1), keep=2)
    with pytest.raises(PipelineError, match=r"step 5: \{'loss_d'.*last good state is step 3"):
        guard.after_step(progress(tmp_path, 5, loss_d=value, loss_g=1.0))


def test_a_full_disk_names_the_file_and_the_last_whole_state(tmp_path, monkeypatch):
    from anime_pipeline.training.callbacks.common import Checkpoints

    saver = Checkpoints(save_every=1, keep=2)
    first = progress(tmp_path, 1, loss_d=0.5)
    first.state = state(1)
    saver.after_step(first)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    second = progress(tmp_path, 2, loss_d=0.5)
    second.state = state(2)
    with pytest.raises(PipelineError, match=r"No space left.*state-00000002.*step 1 is whole"):
        saver.after_step(second)
    assert checkpoint.load_latest(tmp_path / "state", print)[0] == 1


def test_the_log_drops_steps_that_will_run_again(tmp_path):
    log = MetricsLog(every=2, images_per_step=8)
    log.on_start(progress(tmp_path, 0))
    for step in range(1, 7):
        log.after_step(progress(tmp_path, step, loss_d=float(step)))
    path = tmp_path / "metrics.jsonl"
    assert [row["loss_d"] for row in read_metrics(path)] == [1.5, 3.5, 5.5]
    path.write_bytes(b"5\n\xff\xfe\n" + path.read_bytes() + b'{"step": 8, "torn')
    MetricsLog(2, 8).on_start(progress(tmp_path, 4))
    assert [row["step"] for row in read_metrics(path)] == [2, 4]
    assert all(json.loads(line) for line in path.read_text().splitlines())


def test_resuming_with_other_settings_lists_the_differences(tmp_path):
    from anime_pipeline.training.session import Run, check_same_surroundings, check_unchanged

    recorded = {"preset": "cpu", "task": {}, "libraries": {}}
    run = Run(tmp_path, TINY_DCGAN, recorded)
    check_unchanged(run, "cpu", {"loss": "rpgan"})
    with pytest.raises(UsageError, match="loss: the run has 'rpgan', you asked for 'hinge'"):
        check_unchanged(run, None, {"loss": "hinge"})
    with pytest.raises(UsageError, match="preset"):
        check_unchanged(run, "gpu", {})
    with pytest.raises(UsageError, match="steps: the run has 12, you asked for 5"):
        check_unchanged(run, None, {"steps": 5})
    warnings = []
    check_same_surroundings(run, {}, warnings.append)
    assert "numpy None ->" in warnings[0]
    with pytest.raises(UsageError, match="ASSETS"):
        check_same_surroundings(run, {"vgg16": "torch"}, warnings.append)
    check_same_surroundings(run, {"snapshots": "alexnet"}, warnings.append)  # recorded since 0.6
    chosen = Run(tmp_path, TINY_DCGAN, recorded | {"task": {"snapshots": "alexnet"}})
    with pytest.raises(UsageError, match="alexnet.*nothing.*ASSETS"):
        check_same_surroundings(chosen, {}, warnings.append)
