"""Whole training steps of both stages: every loss, both phases, both backends, the schedules."""

import json
from dataclasses import replace

import numpy as np
import pytest
from conftest import JAX, TINY_DCGAN, TINY_SRGAN, spawn

from anime_pipeline.core.checkpoint import flatten
from anime_pipeline.core.config import LOSSES
from anime_pipeline.data import conditions
from anime_pipeline.models import backend
from anime_pipeline.training.dcgan.task import DcganTask
from anime_pipeline.training.srgan.task import SrganTask


def run_steps(task, count):
    state, losses = task.initial_state(), []
    for step in range(count):
        state, [metrics] = task.advance(state, step, task.inputs(step))
        losses.append({name: float(value) for name, value in metrics.items()})
    return flatten(backend.to_numpy(state)), losses


def moved(before, after):
    return {key for key in before if not np.array_equal(before[key], after[key])}


def conditional(images, **settings):
    """Return a task in which every picture's hair is asked for."""
    config = replace(TINY_DCGAN, condition="hair", **settings)
    rgb = np.random.default_rng(1).integers(0, 256, (len(images), 3))
    return DcganTask(config, images, conditions.encode_colour("hair", rgb))


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_moves_both_players_and_stays_finite(loss, tiny_images):
    task = DcganTask(replace(TINY_DCGAN, loss=loss), tiny_images)
    before = flatten(backend.to_numpy(task.initial_state()))
    after, losses = run_steps(task, 3)
    # The last bias sees equal and opposite gradients while no hinge is satisfied.
    assert moved(before, after) >= {k for k in before if k.endswith("kernel")}
    assert np.isfinite([value for row in losses for value in row.values()]).all()
    assert "r1" in losses[0] and "r1" not in losses[1]
    assert ("gradient_penalty" in losses[0]) == (loss == "wgan-gp")


def test_a_condition_trains_every_part_that_reads_it(tiny_images):
    task = conditional(tiny_images)
    before = flatten(backend.to_numpy(task.initial_state()))
    after, losses = run_steps(task, 3)
    assert moved(before, after) >= {k for k in before if k.endswith("kernel")}
    assert {"guess_d", "guess_g", "r1", "r2"} <= set(losses[0])


RESIDUAL = replace(
    TINY_DCGAN, architecture="residual", beta_1=0.0, beta_2_start=0.9, lr_schedule="constant",
    learning_rate_fall=4.0, gamma_fall=10.0,
)  # fmt: skip


def test_a_residual_run_trains_every_weight_and_reads_its_patches(tiny_images, assets):
    config = replace(RESIDUAL, feature_critic=True, feature_px=64)
    task = DcganTask(config, tiny_images)
    before = flatten(backend.to_numpy(task.initial_state()))
    after, losses = run_steps(task, 5)
    kernels = {key for key in before if key.endswith("kernel") and "|m|" not in key}
    assert moved(before, after) >= {key for key in kernels if "|params|" in key}
    assert np.isfinite([value for row in losses for value in row.values()]).all()
    state = task.initial_state()
    assert task.logits(state, tiny_images[:5]).shape == (5,)


def test_rates_and_penalties_fall_along_a_cosine(tiny_images):
    task = DcganTask(replace(RESIDUAL, steps=100), tiny_images)
    first, middle, last = (task.inputs(step) for step in (0, 50, 100))
    config = task.config
    assert first["learning_rate_g"] == np.float32(config.learning_rate_g)
    assert last["learning_rate_g"] == np.float32(config.learning_rate_g / 4)
    assert middle["learning_rate_d"] == pytest.approx(config.learning_rate_d * 0.625)
    assert first["r1_gamma"] == np.float32(config.r1_gamma)
    assert last["r2_gamma"] == np.float32(config.r2_gamma / 10)
    assert [float(i["beta_2"]) for i in (first, middle, last)] == pytest.approx([0.9, 0.945, 0.99])


def test_a_rescheduled_task_shares_what_is_compiled_and_no_more(tiny_images):
    # Networks without VGG16, so that steps are taken everywhere, and in one form.
    config = replace(RESIDUAL, r1_gamma=0.0, r2_gamma=0.0)
    task = DcganTask(config, tiny_images)
    other = task.rescheduled(replace(config, steps=7, learning_rate_g=1e-3))
    assert other.total_steps == 7 and task.total_steps == config.steps
    fresh = DcganTask(other.config, tiny_images)
    ours, theirs = (run_steps(t, 2)[0] for t in (other, fresh))
    assert not moved(ours, theirs)
    for change in ({"width": 8}, {"r1_gamma": 1.0}, {"seed": 1}):
        with pytest.raises(ValueError, match="changes of"):
            task.rescheduled(replace(config, **change))


def test_a_rescheduled_stage_two_changes_phases_and_nothing_else(tiny_images):
    task = SrganTask(TINY_SRGAN, tiny_images)
    other = task.rescheduled(replace(TINY_SRGAN, fidelity_steps=1, learning_rate=1e-3))
    assert other.form(1) and other.total_steps == 1 + TINY_SRGAN.adversarial_steps
    assert not task.form(1), "the first one keeps its own"
    for change in ({"channels": 12}, {"pixel_loss": "mse"}, {"seed": 1}):
        with pytest.raises(ValueError, match="changes of"):
            task.rescheduled(replace(TINY_SRGAN, **change))


def test_a_run_too_short_for_its_second_phase_does_without_vgg(tiny_images, assets):
    config = replace(TINY_SRGAN, perceptual_weight=1.0)
    task = SrganTask(config, tiny_images)
    short = task.rescheduled(replace(config, fidelity_steps=2, adversarial_steps=0))
    assert short.total_steps == 2 and not short.form(1)
    assert short.facts == SrganTask(short.config, tiny_images).facts == {}, "as a resumed run has"
    with pytest.raises(ValueError, match="changes of"):
        short.rescheduled(config)


def test_the_feature_critic_trains_and_keeps_vgg_out_of_the_state(tiny_images, assets):
    task = DcganTask(replace(TINY_DCGAN, feature_critic=True), tiny_images)
    assert task.facts == {"vgg16": "torch"}
    before = flatten(backend.to_numpy(task.initial_state()))
    assert sum(array.size for array in before.values()) < 5_000_000
    after, losses = run_steps(task, 3)
    assert moved(before, after) >= {k for k in before if k.endswith("kernel")}
    assert np.isfinite([value for row in losses for value in row.values()]).all()
    assert len(task.logits(backend.to_device(task.initial_state()), tiny_images)) == len(
        tiny_images
    )


@pytest.mark.parametrize("d_steps", [1, 3])
def test_the_reference_networks_train(d_steps, tiny_images):
    config = replace(
        TINY_DCGAN, architecture="reference", d_steps=d_steps, diff_augment=False, r1_gamma=0.0,
        r2_gamma=0.0, real_label=0.9,
    )  # fmt: skip
    task = DcganTask(config, tiny_images)
    assert task.inputs(0)["real"].shape == (d_steps, 8, 16, 16, 3)
    _, losses = run_steps(task, 2)
    assert all(np.isfinite(list(row.values())).all() for row in losses)


def test_dropout_masks_keep_four_fifths_and_the_mean(tiny_images):
    config = replace(TINY_DCGAN, architecture="reference")
    masks = DcganTask(config, tiny_images).inputs(0)["masks_real"]
    values = np.concatenate([mask.ravel() for mask in masks])
    assert set(np.unique(values).round(4)) == {0.0, 1.25}
    assert abs(values.mean() - 1) < 0.05


def test_the_phases_train_what_they_should(tiny_images):
    images = np.repeat(np.repeat(tiny_images, 2, 1), 2, 2)
    task = SrganTask(TINY_SRGAN, images)
    before = flatten(backend.to_numpy(task.initial_state()))
    fidelity, losses = run_steps(task, 4)
    changed = moved(before, fidelity)
    assert not any("discriminator" in key for key in changed)
    assert any(key.startswith("generator|params") for key in changed)
    assert set(losses[0]) == {"loss_pixel"}
    both, losses = run_steps(task, 9)
    assert any(key.startswith("discriminator|params") for key in moved(fidelity, both))
    assert {"loss_adversarial", "loss_d"} <= set(losses[-1])


def test_the_reference_upscaler_trains(tiny_images):
    config = replace(
        TINY_SRGAN, architecture="reference", hr_size=16, crop_size=0, fidelity_steps=0,
        label_noise=0.2, degradations="area:1",
    )  # fmt: skip
    task = SrganTask(config, tiny_images)
    labels = task.inputs(0)["label_real"]
    assert labels.min() >= 0.8 and labels.max() <= 1 and np.ptp(labels) > 0
    before = flatten(backend.to_numpy(task.initial_state()))
    after, _ = run_steps(task, 2)
    stats = [k for k in moved(before, after) if "discriminator|stats" in k]
    assert stats, "batch norm statistics of the discriminator must be learnt"


def test_the_upscaler_learns_a_picture(tiny_images):
    from anime_pipeline.sample.drawing import draw_face

    images = np.stack([draw_face(seed, 32).image for seed in range(4)])
    config = replace(
        TINY_SRGAN, fidelity_steps=150, flip=False, degradations="area:1", crop_size=32,
        learning_rate=2e-2,
    )  # fmt: skip
    _, losses = run_steps(SrganTask(config, images), 100)
    assert losses[-1]["loss_pixel"] < 0.75 * losses[0]["loss_pixel"]


def test_windows_of_lr_and_hr_match(tiny_images):
    """With area reduction the LR window must be the block means of the HR window."""
    images = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)
    task = SrganTask(replace(TINY_SRGAN, degradations="area:1"), images)
    for step in range(5):
        inputs = task.inputs(step)
        hr_image = inputs["hr_image"].reshape(4, 4, 4, 4, 4, 3).mean(axis=(2, 4))
        assert np.abs(hr_image - inputs["lr_image"]).max() <= 0.51


def test_inputs_depend_on_the_step_alone(tiny_images):
    large = np.repeat(np.repeat(tiny_images, 2, 1), 2, 2)
    pairs = [
        [DcganTask(TINY_DCGAN, tiny_images) for _ in range(2)],
        [SrganTask(TINY_SRGAN, large) for _ in range(2)],
    ]
    for task, again in pairs:
        for step in (5, 0, 5):
            first, second = flatten(task.inputs(step)), flatten(again.inputs(step))
            assert all(np.array_equal(first[key], second[key]) for key in first)
    other = DcganTask(replace(TINY_DCGAN, seed=1), tiny_images).inputs(5)
    assert not np.array_equal(other["latent"], pairs[0][0].inputs(5)["latent"])


def test_learning_rates_follow_their_schedules(tiny_images):
    task = DcganTask(replace(TINY_DCGAN, steps=100, learning_rate_g=2e-4), tiny_images)
    rates = [float(task.inputs(step)["learning_rate_g"]) for step in (0, 50, 75, 99)]
    assert rates == pytest.approx([2e-4, 2e-4, 1e-4, 4e-6], rel=1e-4)
    images = np.repeat(np.repeat(tiny_images, 2, 1), 2, 2)
    config = replace(TINY_SRGAN, fidelity_steps=1000, adversarial_steps=100)
    task = SrganTask(config, images)
    rates = [float(task.inputs(step)["learning_rate_g"]) for step in (0, 500, 999, 1000, 1060)]
    assert rates == pytest.approx([2.5e-6, 2.5e-4, 5e-6, 1e-4, 5e-5], rel=1e-2)


def both_stages(images):
    """Return the losses of both stages' steps, on networks of few layers: JAX compiles slowly."""
    small = conditional(images[:, ::2, ::2], image_size=8)
    large = SrganTask(replace(TINY_SRGAN, blocks=1), np.repeat(np.repeat(images, 2, 1), 2, 2))
    return [run_steps(task, 12)[1] for task in (small, large)]


# Runs in a process where importing TensorFlow fails, as where it is not installed.
JAX_TRAINING = """
import sys
sys.modules["tensorflow"] = None
import json, numpy as np
sys.path.insert(0, sys.argv[1])
from test_training_steps import both_stages
images = np.random.default_rng(0).integers(0, 256, (24, 16, 16, 3), dtype=np.uint8)
result = both_stages(images)
assert not any(name.startswith("tensorflow.") for name in sys.modules)
print(json.dumps(result))
"""


def test_jax_without_tensorflow_trains_the_same(tiny_images):
    pytest.importorskip("jax")
    from pathlib import Path

    process = spawn("-c", JAX_TRAINING, Path(__file__).parent, **JAX)
    assert process.returncode == 0, process.stderr[-2000:]
    theirs = json.loads(process.stdout)
    for mine, other in zip(both_stages(tiny_images), theirs, strict=True):
        for a, b in zip(mine, other, strict=True):
            # Holes are exactly 0, where the two backends give a leaky unit another slope until
            # its bias has moved: gradients of pictures differ, and what follows from them a little.
            assert a == pytest.approx(b, rel=0.3, abs=5e-3)
            rest = [{k: v for k, v in row.items() if k not in ("r1", "r2")} for row in (a, b)]
            assert rest[0] == pytest.approx(rest[1], rel=2e-2, abs=5e-3)
        before = ("loss_d", "real_logit", "fake_logit", "guess_d", "loss_pixel")  # any update
        for name in set(before) & set(mine[0]):
            assert mine[0][name] == pytest.approx(other[0][name], rel=1e-4, abs=1e-5)
