"""Stage two's phase for drawn faces: its arrays, one step, its command, and mixing its weights."""

import shutil
from dataclasses import replace
from unittest.mock import ANY

import keras
import numpy as np
import pytest
from PIL import Image

from anime_pipeline.core.config import SrganConfig
from anime_pipeline.core.errors import CheckpointError, UsageError
from anime_pipeline.core.runs import CHECKPOINT_FOLDER
from anime_pipeline.models import backend
from anime_pipeline.models.blend import find_upscaler, mix
from anime_pipeline.models.resizing import mean_reduced, resized, resizing
from anime_pipeline.models.weights import SRGAN_KIND, load_weights
from anime_pipeline.models.zoo import find_weights

SMALL = SrganConfig(
    hr_size=64, crop_size=32, blocks=1, channels=8, width_d=4, batch_size=2, flat_share=0.5,
    fidelity_steps=0, adversarial_steps=0, faces_steps=8, faces_batch_size=4, faces_px=32,
    condition="hair,skin", critic_weight=0.5,
)  # fmt: skip


@pytest.fixture(scope="module")
def pool():
    from anime_pipeline.training.srgan.faces import FacePool

    random = np.random.default_rng(0)
    real = random.integers(0, 256, (10, 32, 32, 3), np.uint8)
    condition = random.standard_normal((10, 8)).astype(np.float32)
    return FacePool(real, condition, random.integers(0, 256, (2, 10, 16, 16, 3), np.uint8))


@pytest.fixture
def task(pool, assets):
    from anime_pipeline.training.srgan.faces import FacesTask

    large = np.random.default_rng(1).integers(0, 256, (6, 64, 64, 3), np.uint8)
    return FacesTask(SMALL, large, pool)


def test_resizing_is_pillows():
    image = np.random.default_rng(0).random((48, 48, 3)).astype(np.float32)
    for side in (24, 32, 96):
        ours = backend.to_numpy(resized(image[None], resizing(48, side)))[0]
        planes = [Image.fromarray(plane) for plane in np.moveaxis(image, 2, 0)]
        size = (side, side)
        theirs = [np.asarray(each.resize(size, Image.Resampling.BICUBIC)) for each in planes]
        np.testing.assert_allclose(ours, np.stack(theirs, 2), atol=1e-5)
    halves = backend.to_numpy(mean_reduced(image[None], 2))[0]
    np.testing.assert_allclose(halves, image.reshape(24, 2, 24, 2, 3).mean((1, 3)), atol=1e-6)


def test_what_a_step_takes_follows_from_seed_and_step(task):
    first, again, next_one = task.inputs(3), task.inputs(3), task.inputs(4)
    keras.tree.map_structure(np.testing.assert_array_equal, first, again)
    assert (first["drawn"] != next_one["drawn"]).any()
    assert first["drawn"].shape == (4, 16, 16, 3) and first["real"].shape == (4, 32, 32, 3)
    # What the critic is told is what the faces of both kinds show, but for noise.
    rows = [np.flatnonzero((task.pool.real == face).all((1, 2, 3))) for face in first["real"]]
    flipped = [
        np.flatnonzero((task.pool.real[:, :, ::-1] == face).all((1, 2, 3)))
        for face in first["real"]
    ]
    rows = [int((a if len(a) else b)[0]) for a, b in zip(rows, flipped, strict=True)]
    for row, drawn in zip(rows, first["drawn"], strict=True):
        asked = task.pool.drawn[:, row]
        assert any((face == drawn).all() or (face[:, ::-1] == drawn).all() for face in asked)


def test_a_step_moves_both_players_and_keeps_the_upscaler_it_began_with(task):
    state = task.initial_state()
    before = backend.to_numpy(state)
    for step in range(2):  # with the penalty, and without
        state, metrics = task.advance(state, step, task.inputs(step))
    after = backend.to_numpy(state)
    assert all(np.isfinite(value) for value in metrics[0].values())
    assert {"loss_consistency", "loss_identity", "loss_texture", "critic_loss_d"} <= set(metrics[0])

    def moved(entry):
        pairs = zip(before[entry]["params"].items(), after[entry]["params"].values(), strict=True)
        return [name for (name, old), new in pairs if (old != new).any()]

    assert all(moved(player) for player in ("generator", "discriminator", "critic"))
    assert not moved("reference")


def test_a_result_that_reduces_to_the_drawn_face_costs_nothing(task):
    drawn = np.random.default_rng(0).random((2, 16, 16, 3)).astype(np.float32)
    face = np.repeat(np.repeat(2 * drawn - 1, 4, 1), 4, 2)
    step, state = task.make_step(False), task.initial_state()
    within = face + 0.9 * SMALL.consistency_slack / 127.5
    for picture, free in ((face, True), (within, True), (face + 0.2, False)):
        loss = float(step._faces(state, drawn, picture, face)["consistency"])
        assert (loss < 1e-6) is free


@pytest.mark.slow
def test_the_command_trains_and_resumes(cli, practice_large, assets, tmp_path):
    generator = tmp_path / "mine.npz"
    shutil.copy(find_weights("dcgan", "dcgan-generator"), generator)
    call = [
        "train-srgan", "--data", practice_large, "--faces", practice_large, "--batch-size", 2,
        "--generator", generator.name, "--crop-size", 32, "--set", "faces_batch_size=4",
        "--set", "save_every=2", "--steps",
    ]  # fmt: skip
    planned = cli(*call, 4, "--json", "--dry-run")
    assert planned.json["parameters"].keys() == {"generator", "discriminator", "critic"}
    whole = cli(*call, 4, "--json")
    assert whole.code == 0, whole.stderr
    made = load_weights(tmp_path / whole.json["run"] / "faces.npz", SRGAN_KIND)
    assert made.training["phase"] == "faces"
    assert (
        made.config["init_sha256"]
        == load_weights(find_weights("fidelity", SRGAN_KIND), SRGAN_KIND).sha256
    )
    run = tmp_path / whole.json["run"]
    max((run / CHECKPOINT_FOLDER).glob("*.json")).unlink()  # as if killed before it was written
    (run / "faces.npz").unlink()
    again = cli("train-srgan", "--resume", run, "--json")
    assert again.code == 0 and "Resuming at step 2 of 4" in again.stderr
    resumed = load_weights(run / "faces.npz", SRGAN_KIND)
    for name, array in made.arrays.items():
        # The last bits were seen to differ at this size; at smaller ones they do not.
        np.testing.assert_allclose(array, resumed.arrays[name], atol=1e-4)
    again = cli("train-srgan", "--config", run, "--dry-run", "--json")
    assert again.code == 0, again.stderr
    assert again.json["config"] == {**planned.json["config"], "init_sha256": ANY}
    shutil.copy(generator, tmp_path / "kept.npz")
    generator.write_bytes(generator.read_bytes() + b" ")
    refused = cli("train-srgan", "--resume", run)
    assert refused.code == 5 and "another generator" in refused.stderr
    shutil.copy(tmp_path / "kept.npz", generator)
    max(practice_large.rglob("*.png")).unlink()
    refused = cli("train-srgan", "--resume", run)
    assert refused.code == 4


@pytest.fixture
def practice_large(cli, tmp_path):
    folder = tmp_path / "practice"
    assert cli("sample-data", folder, "--count", 40, "--size", 128).code == 0
    return folder


def test_without_vgg16_there_is_no_critic(cli, drawn, monkeypatch):
    def fail(**_):
        raise Exception("URL fetch failure")

    monkeypatch.delenv("ANIME_PIPELINE_ASSETS", raising=False)
    monkeypatch.setattr(keras.applications, "VGG16", fail)
    refused = cli("train-srgan", "--data", drawn, "--faces", drawn, "--steps", 2)
    assert refused.code == 5 and "critic needs VGG16" in refused.stderr
    assert "--perceptual-weight" not in refused.stderr


def test_contradicting_options_are_refused_in_words(cli, tmp_path):
    both = cli("train-srgan", "--data", tmp_path, "--faces", tmp_path, "--adversarial-share", 0.5)
    assert both.code == 2 and "a run of its own" in both.stderr
    alone = cli("train-srgan", "--data", tmp_path, "--generator", "dcgan")
    assert alone.code == 2 and "Give --faces" in alone.stderr
    with pytest.raises(UsageError, match="a run of its own"):
        replace(SMALL, fidelity_steps=1)


def test_shares_move_weights_from_one_towards_others():
    shipped = {name: load_weights(find_weights(name, SRGAN_KIND), SRGAN_KIND)
               for name in ("fidelity", "perceptual", "denoise")}  # fmt: skip
    base, look, clean = shipped.values()
    mixed = mix(base, [(look, 0.25), (clean, 0.5)])
    name = "trunk/kernel"
    expected = base.arrays[name] + 0.25 * (look.arrays[name] - base.arrays[name])
    expected = expected + 0.5 * (clean.arrays[name] - base.arrays[name])
    np.testing.assert_allclose(mixed.arrays[name], expected, atol=1e-6)
    assert mix(base, [(look, 0.0)]) is base and mix(base, [(look, 1.0)]) is look
    hashes = {mix(base, [(look, share)]).sha256 for share in (0.0, 0.25, 0.5, 1.0)}
    assert len({*hashes, mixed.sha256}) == 5
    small = replace(look, arrays={name: look.arrays[name][:1]})
    with pytest.raises(CheckpointError, match="different networks"):
        mix(base, [(small, 0.5)])


def test_drawn_faces_and_pictures_go_to_different_looks():
    drawn, picture = find_upscaler(None, 1.0), find_upscaler(None, 1.0, drawn=False)
    assert [path.stem for path, _ in (*drawn.added, *picture.added)] == ["faces", "perceptual"]
    assert find_upscaler(None, None, drawn=False).added == ()
    assert find_upscaler("faces", 0.5, drawn=False).added[0][0].stem == "faces"
    named = find_upscaler("perceptual", None, drawn=False, denoise=0.5)
    assert [(path.stem, share) for path, share in named.added] == [
        ("perceptual", 1.0), ("denoise", 0.5)
    ]  # fmt: skip
    cleaned = find_upscaler(None, None, drawn=False, denoise=0.5)
    assert [(path.stem, share) for path, share in cleaned.added] == [("denoise", 0.5)]
    with pytest.raises(UsageError, match="belongs to the shipped upscalers"):
        find_upscaler("checkpoints/srgan/1-cpu", None, drawn=False, denoise=0.5)
    with pytest.raises(UsageError, match="Invalid denoise"):
        find_upscaler(None, None, denoise=1.5)
