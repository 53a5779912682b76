"""On real anime faces: reading them completely, and a short run of every command."""

import json

import numpy as np
import pytest
from PIL import Image

from anime_pipeline.data.characters import read_color_csv
from anime_pipeline.data.dataset import open_dataset
from anime_pipeline.data.store import load_store


def test_the_reference_files_are_read_completely_and_truthfully(faces):
    dataset = open_dataset(faces / "moeimouto")
    store = load_store(dataset, 32, "stretch")
    files = sorted((faces / "moeimouto").rglob("*.png"))
    assert len(store.images) == len(files) == 950
    assert store.skipped == [] and dataset.skipped == []
    folders = {record.path.parent for record in dataset.records}
    assert len(folders) == 10 and len(dataset.folders_without_colors) == 9
    assert dataset.color_problems == []
    # Nothing is said that is not so: every named row is really absent, every folder really bare.
    assert all(not (faces / path).exists() for path in dataset.rows_without_image)
    for folder in dataset.folders_without_colors:
        assert not (faces / folder / "color.csv").exists()
    table = read_color_csv(faces / "moeimouto/000_hatsune_miku/color.csv")
    assert table.rows == dataset.color_rows == len(table.by_file) == 64
    square = 0
    for path in files:
        with Image.open(path) as picture:
            square += picture.width == picture.height
    assert int((store.sizes[:, 0] == store.sizes[:, 1]).sum()) == square == 19


def test_celeba_is_recognised_and_joined(faces, cli):
    facts = cli("inspect", faces / "celeba_sample", "--json").json
    assert facts["layout"] == "celeba" and facts["images"] == 32
    assert len(facts["attributes"]["names"]) == 40 and facts["attributes"]["rows"] == 2000
    assert facts["attributes"]["images_with_attributes"] == 32
    assert facts["sizes"]["width"] == [178, 178] and facts["sizes"]["height"] == [218, 218]


def test_dcgan_trains_on_celeba(faces, cli):
    result = cli(
        "train-dcgan", "--data", faces / "celeba_sample", "--steps", 20, "--batch-size", 8,
        "--width", 8, "--json",
    )  # fmt: skip
    assert result.code == 0, result.stderr
    metrics = result.json["metrics"]
    assert result.json["steps"] == 20 and np.isfinite(metrics["loss_d"])


def test_the_whole_way_on_real_faces(faces, cli, tmp_path):
    data = faces / "moeimouto"
    # The critic of features is trained in other tests; here it would take most of the time.
    plain = ("--no-feature-critic", "--json")
    first = cli("train-dcgan", "--data", data, "--steps", 12, "--batch-size", 8, *plain)
    second = cli(
        "train-srgan", "--data", data, "--steps", 12, "--batch-size", 4, "--crop-size", 32,
        "--set", "blocks=2", "--perceptual-weight", 0, "--json",
    )  # fmt: skip
    assert first.code == second.code == 0, first.stderr + second.stderr
    assert second.json["metrics"]["val_psnr_db"] > 12
    made = cli(
        "generate", "-n", 4, "--upscale", "--checkpoint", first.json["run"],
        "--upscaler", second.json["run"], "--json",
    ).json  # fmt: skip
    assert made["size"] == 128 and len(made["faces"]) == 4
    result = cli(
        "benchmark", "--data", data, "--weights", second.json["run"], "--limit", 8, "--json"
    )
    methods = {row["method"] for row in result.json["summary"]}
    assert {"nearest", "bilinear", "bicubic", "lanczos"} < methods and len(methods) == 5


def test_small_pictures_train_on_small_crops(faces, cli, tmp_path):
    folder = faces / "faces96" / "000_group"
    result = cli(
        "train-srgan", "--data", folder, "--steps", 2, "--adversarial-share", 0, "--set",
        "blocks=1", "--json",
    )  # fmt: skip
    assert result.code == 0 and "96 px crops" in result.stderr
    config = json.loads(next(tmp_path.glob("checkpoints/srgan/*/config.json")).read_text())
    assert config["config"]["hr_size"] == 96


@pytest.mark.slow
def test_all_faces_have_colours(faces):
    dataset = open_dataset(faces / "faces96")
    assert len(dataset.records) == 14_310 and dataset.color_rows == 14_310
    assert dataset.color_problems == dataset.rows_without_image == []
