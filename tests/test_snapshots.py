"""Which feature network chooses a run's best snapshot, and where a run says so."""

import json

import pytest
from conftest import TINY_CALL

from anime_pipeline.core.runs import METRICS_FILE, read_metrics
from anime_pipeline.models.assets import LPIPS_FILES, VGG_FILE, find_asset
from anime_pipeline.models.weights import DCGAN_KIND, load_weights
from anime_pipeline.models.zoo import find_weights

FOLDER = "checkpoints/dcgan/1-cpu"


@pytest.fixture
def call(drawn):
    return [*TINY_CALL, "--data", drawn, "--steps", 24]


def test_alexnet_chooses_where_it_is_and_a_resumed_run_asks_it_again(
    call, cli, tmp_path, monkeypatch
):
    if find_asset(LPIPS_FILES["alex"]) is None:
        pytest.skip("ANIME_PIPELINE_ASSETS is not set: no AlexNet weights")
    done = cli(*call)
    assert done.code == 0, done.stderr
    assert "best.npz will be the best snapshot by KID on AlexNet" in done.stderr
    folder = tmp_path / FOLDER
    assert json.loads((folder / "config.json").read_text())["task"] == {"snapshots": "alexnet"}
    found = {row["step"]: row["kid_val"] for row in read_metrics(folder / METRICS_FILE)}
    weights = load_weights(find_weights(str(folder), DCGAN_KIND), DCGAN_KIND)
    assert weights.path.name == "best.npz" and "AlexNet" in weights.training["chosen_by"]
    assert found[weights.training["step"]] == min(found.values())
    monkeypatch.delenv("ANIME_PIPELINE_ASSETS")
    refused = cli("train-dcgan", "--resume", "--data", call[call.index("--data") + 1])
    assert refused.code == 2 and "'snapshots': 'alexnet'" in refused.stderr


def test_vgg16_chooses_without_alexnet_where_the_critic_has_it(
    call, cli, assets, tmp_path, monkeypatch
):
    (tmp_path / VGG_FILE).symlink_to(assets / VGG_FILE)
    monkeypatch.setenv("ANIME_PIPELINE_ASSETS", str(tmp_path))
    done = cli(*call)  # without the feature critic, see conftest.py
    assert done.code == 0 and "best.npz" not in done.stderr
    assert not (tmp_path / FOLDER / "best.npz").exists()
    done = cli(*call, "--feature-critic", "--checkpoints", "with")
    assert done.code == 0 and "by KID on VGG16" in done.stderr
    folder = tmp_path / "with" / "dcgan" / "1-cpu"
    facts = json.loads((folder / "config.json").read_text())["task"]
    assert facts == {"vgg16": "torch", "snapshots": "vgg16"}
