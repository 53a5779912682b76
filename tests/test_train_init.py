"""train-dcgan --init: a run starts from weights, and their architecture is the default."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import TINY_CALL, TINY_DCGAN, run_here

from anime_pipeline.core import checkpoint
from anime_pipeline.core.config import DcganConfig, from_dict, to_dict
from anime_pipeline.core.errors import UsageError
from anime_pipeline.core.presets import DCGAN_PRESETS, with_architecture
from anime_pipeline.core.progress import unseen
from anime_pipeline.core.storage import sha256_of
from anime_pipeline.models.weights import DCGAN_KIND, load_weights
from anime_pipeline.sample.dataset import write_sample_dataset
from anime_pipeline.training.dcgan.stage import DcganStage
from anime_pipeline.training.dcgan.start import InitialWeights, find_initial_weights
from anime_pipeline.training.dcgan.task import DcganTask
from anime_pipeline.training.request import Request

SHORT = ["--steps", 4, "--batch-size", 8, "--precision", "float32"]


@pytest.fixture(scope="module")
def earlier(tmp_path_factory):
    """A finished run on 24 drawn faces: hair and skin, 16 px, odd widths."""
    folder = tmp_path_factory.mktemp("earlier")
    write_sample_dataset(folder / "faces", 24, seed=3, size_px=32)
    run_here(*TINY_CALL, "--data", folder / "faces", "--steps", 8, "--checkpoints", folder / "runs")
    return folder / "runs" / "dcgan" / "1-cpu"


@pytest.fixture
def faces(earlier):
    return earlier.parents[2] / "faces"


def generator_of(folder):
    return load_weights(folder / "generator.npz", DCGAN_KIND)


def state_after(folder, step):
    with np.load(folder / "state" / f"state-{step:08d}.npz") as arrays:
        return dict(arrays)


def test_a_run_goes_on_from_anothers_networks(cli, earlier, faces):
    call = ["train-dcgan", "--data", faces, *SHORT, "--set", "learning_rate_g=1e-30"]
    slow = [*call, "--set", "learning_rate_d=1e-30", "--set", "save_every=4"]
    result = cli(*slow, "--init", earlier)
    assert result.code == 0, result.stderr
    assert (
        f"Starting from {earlier / 'generator.npz'}, and the run's discriminator" in result.stderr
    )
    folder = Path("checkpoints/dcgan/1-cpu")
    config = json.loads((folder / "config.json").read_text())["config"]
    theirs = json.loads((earlier / "config.json").read_text())["config"]
    assert config["init_sha256"] == sha256_of(earlier / "generator.npz")
    for name in ("image_size", "latent_dim", "width", "width_d", "condition"):
        assert config[name] == theirs[name], name
    again = cli("train-dcgan", "--config", folder, "--dry-run", "--json")
    assert again.code == 0, again.stderr
    assert again.json["config"] == config
    # With next to no learning the networks stay what they began as.
    begun, ended = state_after(folder, 4), state_after(earlier, 8)
    weights = generator_of(earlier).arrays
    for name in begun:
        part, kind, *path = name.split(checkpoint.SEPARATOR)
        if kind == "params" and part == "discriminator":
            np.testing.assert_allclose(begun[name], ended[name], atol=1e-6, err_msg=name)
        if kind == "params" and part in ("generator", "ema"):
            np.testing.assert_allclose(begun[name], weights[path[0]], atol=1e-6, err_msg=name)


def test_weights_by_path_have_no_discriminator(cli, earlier, faces):
    path = shutil.copy(earlier / "generator.npz", "mine.npz")
    result = cli("train-dcgan", "--data", faces, *SHORT, "--init", path)
    assert result.code == 0, result.stderr
    assert "Starting from mine.npz, from noise the discriminator" in result.stderr
    assert find_initial_weights(str(path)).discriminator == {}
    assert find_initial_weights(str(earlier)).discriminator


@pytest.mark.parametrize("damage", ["cut", "another's"])
def test_a_damaged_state_is_passed_over_and_left_as_it_is(earlier, tmp_path, damage):
    folder = shutil.copytree(earlier, tmp_path / "run")
    for path in (folder / "state").glob("*.npz"):
        if damage == "cut":
            path.write_bytes(path.read_bytes()[:-100])
        else:  # whole by itself, but not what was saved at that step
            path.with_suffix(".json").write_text(json.dumps({"step": 8, "sha256": "0" * 64}))
    before = sorted(folder.rglob("*"))
    assert find_initial_weights(str(folder)).discriminator == {}
    assert sorted(folder.rglob("*")) == before


def test_a_discriminator_of_another_shape_starts_from_noise(earlier, tiny_images):
    beginning = find_initial_weights(str(earlier))
    theirs = beginning.weights.read_config(DcganConfig)
    plain = np.ones((24, 8), np.float32)
    fitting = from_dict(DcganConfig, {**to_dict(theirs), "steps": 4})
    assert DcganTask(fitting, tiny_images, plain, beginning).discriminator_is_trained
    wider = from_dict(DcganConfig, {**to_dict(fitting), "width_d": 8})
    assert not DcganTask(wider, tiny_images, plain, beginning).discriminator_is_trained
    assert not DcganTask(fitting, tiny_images, plain).discriminator_is_trained


def test_another_architecture_than_the_weights_is_a_usage_error_in_words(cli, earlier, faces):
    wrong = ["--width", 8, "--set", "latent_dim=9", "--condition", "hair"]
    result = cli("train-dcgan", "--data", faces, *SHORT, "--init", earlier, *wrong)
    assert result.code == 2
    for text in (
        "width: the weights have 4, you asked for 8",
        "latent_dim: the weights have 8, you asked for 9",
        "condition: the weights have 'hair,skin', you asked for 'hair'",
        "Leave these options out, or start without --init",
    ):
        assert text in result.stderr
    assert not Path("checkpoints").exists()


def test_the_weights_architecture_replaces_that_of_any_preset(earlier):
    beginning = find_initial_weights(str(earlier))
    other = replace(DCGAN_PRESETS["gpu"], architecture="modulated")
    config = beginning.fit_config(other, {"loss": "hinge", "condition": "skin,hair"})
    assert (config.architecture, config.width, config.width_d) == ("residual", 4, 4)
    assert config.batch_size == 256 and config.loss == "hinge" and config.condition == "hair,skin"
    assert beginning.fit_config(DCGAN_PRESETS["cpu"], {"width_d": 16}).width_d == 16
    with pytest.raises(UsageError, match="image_size: the weights have 16, you asked for 32"):
        beginning.fit_config(DCGAN_PRESETS["reference"], {"image_size": 32})


def test_other_networks_than_the_presets_are_trained_in_their_own_way(earlier):
    preset, plain = DCGAN_PRESETS["cpu"], DcganConfig()
    beginning = find_initial_weights(str(earlier))
    theirs = {**beginning.weights.config, "architecture": "modulated", "condition": "hair,skin"}
    theirs["pixel_votes"] = 1
    former = replace(beginning, weights=replace(beginning.weights, config=theirs))
    chosen = with_architecture(preset, "modulated")
    request = Request([earlier], preset="cpu", overrides={"architecture": "modulated"})
    for config in (
        chosen, DcganStage(request, print, unseen).new_config()[1], former.fit_config(preset, {})
    ):  # fmt: skip
        assert config.architecture == "modulated"
        for name in ("learning_rate_g", "beta_1", "beta_2_start", "gamma_fall", "r1_interval"):
            assert getattr(config, name) == getattr(plain, name) != getattr(preset, name)
    assert chosen.feature_critic and with_architecture(chosen, "residual") == preset
    assert with_architecture(DCGAN_PRESETS["gpu"], "modulated").batch_size == 256
    with pytest.raises(UsageError, match=r"architecture.*modulated, residual"):
        with_architecture(preset, "unknown")


@pytest.mark.usefixtures("untimed")
def test_init_needs_labels_for_its_condition_and_says_how_to_get_them(cli, earlier, faces):
    bare = shutil.copytree(faces, "bare")
    for table in Path(bare).rglob("color.csv"):
        table.unlink()
    call = ["train-dcgan", "--data", bare, *SHORT, "--init", earlier]
    result = cli(*call)
    assert result.code == 4 and "says anything about hair,skin" in result.stderr
    assert "--annotate" in result.stderr and not Path("checkpoints").exists()
    result = cli(*call, "--annotate", "--dry-run")
    assert result.code == 0, result.stderr


@pytest.mark.usefixtures("untimed")
def test_a_shipped_name_is_known_and_what_pictures_are_silent_about_is_said(cli, faces):
    result = cli("train-dcgan", "--data", faces, *SHORT, "--init", "dcgan", "--dry-run", "--json")
    assert result.code == 0, result.stderr
    shipped = find_initial_weights("dcgan").weights
    config = from_dict(DcganConfig, result.json["config"])
    assert config.init_sha256 == shipped.sha256
    assert config.width == shipped.config["width"]
    assert "No picture says anything about eyes" in result.stderr


def test_what_init_refuses(cli, earlier, faces):
    result = cli("train-dcgan", "--init", "nothing", "--data", faces)
    assert result.code == 5 and "No weights called 'nothing'" in result.stderr
    result = cli("train-dcgan", "--init", "fidelity", "--data", faces)
    assert result.code == 5
    result = cli("train-dcgan", "--resume", earlier, "--init", earlier)
    assert result.code == 2 and f"Leave --init {earlier} out" in result.stderr
    result = cli("train-dcgan", "--data", faces, "--set", "init_sha256=abc")
    assert result.code == 2 and "--init" in result.stderr


def test_configurations_from_before_there_was_init_are_read():
    values = to_dict(TINY_DCGAN)
    del values["init_sha256"]
    assert from_dict(DcganConfig, values) == TINY_DCGAN


def test_a_beginning_fills_nothing_of_nothing(earlier, tiny_images):
    weights = generator_of(earlier)
    network = DcganTask(TINY_DCGAN, tiny_images).discriminator
    assert not InitialWeights(weights, {}).fill_discriminator(network)
