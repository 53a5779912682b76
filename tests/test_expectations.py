"""Sets that give little: the training commands say in plain words what to expect."""

import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import TINY_CALL
from PIL import Image

from anime_pipeline.data.opening import FEW, poor_prospects
from anime_pipeline.sample.dataset import write_sample_dataset

STEPS = ["--steps", 2, "--dry-run"]


def store(thumbnails):
    records = [SimpleNamespace(path=f"{number}.png") for number in range(len(thumbnails))]
    return SimpleNamespace(thumbnails=thumbnails, records=records)


@pytest.fixture
def noise():
    return np.random.default_rng(0).integers(0, 256, (FEW + 5, 16, 16, 3), dtype=np.uint8)


def test_nothing_is_said_of_a_usual_set(noise):
    assert poor_prospects(store(noise), np.arange(FEW + 1)) == []


@pytest.mark.parametrize("count", [1, 2, FEW])
def test_few_pictures_are_learnt_by_heart(noise, count):
    (said,) = poor_prospects(store(noise), np.arange(count))
    assert f"{count} training picture" in said and "by heart" in said and "few hundred" in said
    assert ("pictures." in said.split("Expect")[0]) == (count > 1)


def test_only_training_pictures_count(noise):
    noise[:5] = 7
    assert poor_prospects(store(noise), np.arange(5, FEW + 5))[0].startswith(f"Warning: {FEW} ")
    said = poor_prospects(store(noise), np.arange(4, FEW + 5))
    assert "1 of 21 training pictures show one flat colour (first 4.png)" in said[0]


def test_identical_pictures_give_one_picture(noise):
    noise[:-2] = noise[0]  # what is held out does not count
    (said,) = poor_prospects(store(noise), np.arange(FEW + 3))
    assert f"all {FEW + 3} training pictures are the same one" in said and "every seed" in said


@pytest.mark.parametrize("stage", ["dcgan", "srgan"])
@pytest.mark.usefixtures("untimed")
def test_both_commands_say_it(cli, tmp_path, stage):
    write_sample_dataset(tmp_path / "few", 10, seed=0, size_px=64)
    call = TINY_CALL if stage == "dcgan" else [
        "train-srgan", "--batch-size", 4, "--hr-size", 64, "--crop-size", 16, "--set", "blocks=1",
        "--set", "channels=4", "--perceptual-weight", 0,
    ]  # fmt: skip
    result = cli(*call, "--data", tmp_path / "few", *STEPS)
    assert result.code == 0, result.stderr
    assert "training pictures. Expect what is learnt by heart" in result.stderr


@pytest.mark.usefixtures("untimed")
def test_one_picture_over_and_over_and_flat_ones(cli, tmp_path):
    same = tmp_path / "same"
    same.mkdir()
    Image.effect_noise((32, 32), 90).convert("RGB").save(same / "0.png")
    for number in range(1, 30):
        shutil.copy(same / "0.png", same / f"{number}.png")
    call = [*TINY_CALL, *STEPS, "--train-count", 25, "--data"]
    result = cli(*call, same)
    assert result.code == 0 and "all 25 training pictures are the same one" in result.stderr
    flat = tmp_path / "flat"
    flat.mkdir()
    for number in range(30):
        Image.new("RGB", (32, 32), (8 * number, 0, 255 - 8 * number)).save(flat / f"{number}.png")
    result = cli(*call, flat)
    assert result.code == 0 and "25 of 25 training pictures show one flat colour" in result.stderr
