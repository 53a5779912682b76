"""Warnings during training: on measurements made up to fail, and on real runs made to fail."""

import json
from dataclasses import replace

import numpy as np
import pytest
from conftest import TINY_DCGAN
from scipy.stats import mannwhitneyu

from anime_pipeline.core.advice import warnings
from anime_pipeline.core.runs import METRICS_FILE, WARNINGS_FILE, list_runs, read_metrics
from anime_pipeline.metrics.diversity import mean_pair_distance
from anime_pipeline.sample.dataset import write_sample_dataset
from anime_pipeline.training import loop
from anime_pipeline.training.callbacks.common import MetricsLog
from anime_pipeline.training.callbacks.watch import Watch
from anime_pipeline.training.dcgan.callbacks import (
    DiscriminatorAccuracy,
    FaceMeasurements,
    rank_share,
)
from anime_pipeline.training.dcgan.task import DcganTask
from anime_pipeline.training.loop import Progress

HEALTHY = {
    "accuracy_real_train": 0.8, "accuracy_real_val": 0.78, "accuracy_fake": 0.8,
    "auc_real_fake": 0.88, "val_images": 256, "diversity": 0.9, "val_psnr_db": 25.0,
}  # fmt: skip

FAILURES = {
    "memorising": {"accuracy_real_train": 0.95, "accuracy_real_val": 0.6},
    "vanishing-generator": {"accuracy_real_train": 1.0, "accuracy_real_val": 1.0,
                            "accuracy_fake": 0.99},
    "lost-discriminator": {"auc_real_fake": 0.52},
    "collapse": {"diversity": 0.2},
    "psnr-drop": {"val_psnr_db": 22.0},
}  # fmt: skip


def test_a_healthy_run_is_left_alone():
    assert warnings([HEALTHY] * 10) == {} == warnings([])


@pytest.mark.parametrize("name", FAILURES)
def test_each_failure_is_named_after_three_looks_with_advice(name):
    bad = HEALTHY | FAILURES[name]
    assert warnings([HEALTHY] * 3 + [bad] * 2) == {}, "two looks may be chance"
    found = warnings([HEALTHY] * 3 + [bad] * 3)
    assert list(found) == [name]
    assert any(word in found[name] for word in ("tart again with", "Add pictures"))
    assert warnings([*[HEALTHY] * 3, *[bad] * 3, HEALTHY]) == {}, "it went away"


def test_few_held_out_pictures_make_no_alarm():
    row = HEALTHY | FAILURES["memorising"]
    assert warnings([row | {"val_images": 6}] * 5) == {}
    assert "memorising" in warnings([row | {"val_images": 12}] * 5)


def test_faces_that_never_differ_are_named_late():
    fog = HEALTHY | {"diversity": 0.05}
    assert warnings([fog] * 5) == {}
    assert list(warnings([fog] * 6)) == ["collapse"]


def test_rows_without_a_measurement_do_not_count():
    bad = HEALTHY | FAILURES["collapse"]
    assert list(warnings([HEALTHY, {"step": 3, "loss_d": 1.0}, bad, bad, {}, bad])) == ["collapse"]


def test_a_warning_is_said_once_until_it_went_away(tmp_path):
    said = []
    watch = Watch(said.append)
    bad = HEALTHY | FAILURES["collapse"]
    progress = Progress(tmp_path, 0, 100, 10, {})
    watch.on_start(progress)
    for step, row in enumerate([HEALTHY, bad, bad, bad, bad, HEALTHY, bad, bad, bad], start=1):
        progress.step, progress.logged = step, dict(row)
        watch.after_step(progress)
        progress.logged = {}
        watch.after_step(progress)
    assert len(said) == 2 and all("become alike" in text for text in said)
    lines = (tmp_path / WARNINGS_FILE).read_text().splitlines()
    assert [line.split(":")[:2] for line in lines] == [
        ["step 4", " collapse"], ["step 9", " collapse"]
    ]  # fmt: skip


def test_a_resumed_run_judges_by_what_was_logged_before(tmp_path):
    bad = HEALTHY | FAILURES["collapse"]
    rows = [HEALTHY, bad, bad]
    text = "".join(json.dumps({"step": i, **row}) + "\n" for i, row in enumerate(rows, start=1))
    (tmp_path / "metrics.jsonl").write_text(text)
    said = []
    watch = Watch(said.append)
    progress = Progress(tmp_path, 3, 100, 10, {})
    watch.on_start(progress)
    progress.step, progress.logged = 4, dict(bad)
    watch.after_step(progress)
    assert len(said) == 1


def test_diversity_is_zero_for_one_face_and_one_for_real_ones():
    images = np.random.default_rng(0).integers(0, 256, (20, 32, 32, 3), np.uint8)
    assert mean_pair_distance(np.repeat(images[:1], 5, axis=0)) == 0
    assert mean_pair_distance(images) > 0
    small = images.reshape(20, 8, 4, 8, 4, 3).mean((2, 4))
    pairs = [
        np.linalg.norm(small[i] - small[j]) / np.sqrt(192) for i in range(20) for j in range(i)
    ]
    assert mean_pair_distance(images) == pytest.approx(np.mean(pairs), rel=1e-5)


@pytest.mark.parametrize("counts", [(256, 256), (7, 256), (1, 1)])
def test_the_share_of_ranks_is_that_of_mann_and_whitney(counts):
    """With ties, which a saturated discriminator gives."""
    random = np.random.default_rng(0)
    above, below = (random.integers(0, 20, count).astype(np.float32) for count in counts)
    wanted = mannwhitneyu(above, below).statistic / (counts[0] * counts[1])
    assert rank_share(above, below) == pytest.approx(wanted, rel=1e-12)
    assert rank_share(above + 100, below) == 1 and rank_share(below, below) == 0.5


FAST = [
    "train-dcgan", "--batch-size", 16, "--precision", "float32", "--set", "diff_augment=false",
    "--set", "image_size=8", "--width", 4, "--set", "width_d=4", "--set", "evaluate_every=20",
]  # fmt: skip
STILL = ["--set", "learning_rate_g=1e-9"]


def warnings_of(folder, stage="dcgan"):
    (run,) = list_runs(folder / stage)
    path = run / WARNINGS_FILE
    return [line.split(": ")[1] for line in path.read_text().splitlines()] if path.exists() else []


@pytest.mark.slow  # the rule itself is tested on rows above
def test_a_generator_that_cannot_learn_is_noticed(drawn, cli, tmp_path):
    result = cli(*FAST, *STILL, "--data", drawn, "--steps", 280, "--set", "image_size=16",
                 "--set", "r1_gamma=0", "--set", "learning_rate_d=2e-3")  # fmt: skip
    assert result.code == 0, result.stderr
    assert "vanishing-generator" in warnings_of(tmp_path / "checkpoints")
    (run,) = list_runs(tmp_path / "checkpoints" / "dcgan")
    last = [row for row in read_metrics(run / METRICS_FILE) if "auc_real_fake" in row][-1]
    assert last["auc_real_fake"] > 0.9, "it tells them apart, so it must rank them apart"
    assert "Warning: The discriminator is always right" in result.stderr


@pytest.mark.slow  # the rule itself is tested on rows above
def test_a_discriminator_that_cannot_learn_is_noticed(drawn, cli, tmp_path):
    result = cli(*FAST, "--data", drawn, "--steps", 100, "--set", "learning_rate_d=1e-9",
                 "--set", "learning_rate_g=1e-3")  # fmt: skip
    assert result.code == 0, result.stderr
    assert warnings_of(tmp_path / "checkpoints") == ["lost-discriminator"]


def test_a_generator_that_draws_one_face_is_noticed(tiny_images, tmp_path):
    """The latent's weights are zero, so that every seed is the same face."""
    config = replace(
        TINY_DCGAN, steps=60, evaluate_every=6, learning_rate_g=1e-9, diff_augment=False
    )
    task = DcganTask(config, tiny_images)
    state = task.initial_state()
    params = state["generator"]["params"]
    for name in ("project/kernel", "style/kernel"):
        params[name] = params[name] * 0
    said = []
    callbacks = [
        DiscriminatorAccuracy(task, tiny_images),
        FaceMeasurements(task),
        Watch(said.append),
    ]
    loop.run(task, state, 0, tmp_path, [*callbacks, MetricsLog(50, 8)])
    assert any("become alike: they vary 0%" in text for text in said), said


def test_an_upscaler_that_is_led_astray_is_noticed(drawn, cli, tmp_path):
    result = cli(
        "train-srgan", "--data", drawn, "--init", "fidelity", "--steps", 100, "--batch-size", 4,
        "--hr-size", 64, "--crop-size", 8, "--adversarial-share", 0.75, "--perceptual-weight", 0,
        "--set", "width_d=4", "--set", "pixel_weight=0", "--set", "adversarial_weight=1",
        "--set", "learning_rate_adversarial=0.005", "--precision", "float32",
        "--set", "evaluate_every=10",
    )  # fmt: skip
    assert result.code == 0, result.stderr
    assert warnings_of(tmp_path / "checkpoints", "srgan") == ["psnr-drop"]
    assert "Warning: Held-out PSNR fell" in result.stderr


@pytest.mark.slow
def test_memorising_is_noticed(cli, tmp_path):
    """A wide discriminator without any restraint, and pictures enough to hold some out."""
    write_sample_dataset(tmp_path / "data", 400, seed=0, size_px=32)
    unrestrained = ["--set", "r1_gamma=0", "--set", "r2_gamma=0", "--set", "flip=false"]
    result = cli(*FAST, "--set", "image_size=16", "--set", "width_d=32", "--loss", "bce",
                 "--set", "learning_rate_d=5e-4", *unrestrained, "--no-feature-critic",
                 "--width", 8, "--steps", 2500)  # fmt: skip
    assert result.code == 0, result.stderr
    assert "memorising" in warnings_of(tmp_path / "checkpoints")
