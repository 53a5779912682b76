"""Exported networks, run by the runtimes they are for and compared with what this program makes."""

import dataclasses
import json
import re
import subprocess
import sys

import numpy as np
import onnxruntime
import pytest
from conftest import TINY_DCGAN, TINY_SRGAN
from PIL import Image

from anime_pipeline.core.config import to_dict
from anime_pipeline.core.errors import PipelineError
from anime_pipeline.core.storage import folder_locked
from anime_pipeline.inference import export as exporting
from anime_pipeline.inference.export import example_inputs, export
from anime_pipeline.inference.generator import FaceGenerator
from anime_pipeline.inference.upscaler import Upscaler
from anime_pipeline.models import dcgan, srgan
from anime_pipeline.models.weights import DCGAN_KIND, SRGAN_KIND, load_weights, save_weights


def stored(builder, config, kind, path):
    """Save an untrained network, with noise where a start is all zeros, and load it again."""
    random = np.random.default_rng(3)
    arrays = {}
    for variable in builder.build_generator(config).variables:
        start = np.asarray(variable)
        noise = random.standard_normal(start.shape).astype(np.float32)
        arrays[variable.path] = start + 0.05 * noise * (not variable.path.endswith("variance"))
    save_weights(path, arrays, kind, to_dict(config), {"step": 0})
    return load_weights(path, kind)


@pytest.fixture(scope="module")
def upscaler_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("upscaler") / "tiny.npz"
    stored(srgan, TINY_SRGAN, SRGAN_KIND, path)
    return path


def made_here(part, generator, upscaler, inputs):
    """What `generate` and `upscale` would make of the same inputs."""
    pictures = inputs.get("lr_image")
    if part != "upscaler":
        condition = inputs.get("condition", np.zeros((len(inputs["latent"]), 0), np.float32))
        pictures = FaceGenerator(generator).draw(inputs["latent"], condition)
    return pictures if part == "generator" else Upscaler(upscaler).upscale_batch(pictures)


@pytest.mark.parametrize("part", ["pipeline", "generator", "upscaler"])
def test_onnx_files_make_this_programs_pictures(cli, asked_weights, upscaler_file, part, tmp_path):
    done = cli(
        "export", "--part", part, "--checkpoint", asked_weights, "--upscaler", upscaler_file,
        "--out", "out", "--json",
    )  # fmt: skip
    assert done.code == 0, done.stderr
    (document,) = done.json["exported"]
    assert document["within_one_level"] >= 0.999
    generator = None if part == "upscaler" else load_weights(asked_weights, DCGAN_KIND)
    upscaler = None if part == "generator" else load_weights(upscaler_file, SRGAN_KIND)
    inputs = example_inputs(generator, upscaler)
    session = onnxruntime.InferenceSession(f"out/{part}.onnx", providers=["CPUExecutionProvider"])
    assert {value.name for value in session.get_inputs()} == set(document["inputs"])
    (found,) = session.run(["image"], inputs)
    expected = made_here(part, generator, upscaler, inputs)
    assert found.dtype == np.uint8 and found.shape == expected.shape
    assert np.mean(np.abs(found.astype(int) - expected) <= 1) >= 0.999
    hashes = {w["sha256"] for w in document["weights"].values()}
    assert set(session.get_modelmeta().custom_metadata_map.values()) == hashes
    assert json.loads((tmp_path / f"out/{part}_onnx.json").read_text()) == document


@pytest.mark.parametrize("form", ["litert", "savedmodel", "onnx"])
def test_the_code_beside_an_export_runs(cli, asked_weights, upscaler_file, form, tmp_path):
    done = cli(
        "export", "--to", form, "--checkpoint", asked_weights, "--upscaler", upscaler_file,
        "--out", "out",
    )  # fmt: skip
    assert done.code == 0 and "of Keras's" in done.stderr, done.stderr
    page = (tmp_path / f"out/pipeline_{form}.md").read_text()
    assert ("```javascript" in page) == (form == "onnx")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path / "out", capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    with Image.open(tmp_path / "out/result.png") as picture:
        assert picture.size == (128, 128)
    assert not list((tmp_path / "out").glob(".anime-pipeline-*"))


@pytest.mark.parametrize("form", ["onnx", "savedmodel"])
def test_reference_networks_can_be_exported(form, tmp_path):
    config = dataclasses.replace(TINY_DCGAN, architecture="reference", condition="")
    generator = stored(dcgan, config, DCGAN_KIND, tmp_path / "draw.npz")
    config = dataclasses.replace(TINY_SRGAN, architecture="reference", channels=64)
    upscaler = stored(srgan, config, SRGAN_KIND, tmp_path / "enlarge.npz")
    exported = export(generator, upscaler, form, tmp_path / "network")
    assert exported.within_one >= 0.999 and exported.output == "uint8 [N, 64, 64, 3]"
    assert list(exported.inputs) == ["latent"]


def test_the_graph_keeps_to_the_limit_of_flat_areas(upscaler_file, tmp_path):
    """`clamp` is part of the file: without it these untrained weights paint into the empty."""
    upscaler = load_weights(upscaler_file, SRGAN_KIND)
    path = tmp_path / "up.onnx"
    export(None, upscaler, "onnx", path)
    flat = np.full((1, 12, 12, 3), 200, np.uint8)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"lr_image": flat})
    assert np.abs(found.astype(int) - 200).max() <= 3


def test_existing_files_are_kept(cli, asked_weights, tmp_path):
    call = ["export", "--part", "generator", "--checkpoint", asked_weights, "--out", "out"]
    assert cli(*call).code == 0
    before = (tmp_path / "out/generator.onnx").read_bytes()
    assert cli(*call).code == 0, "the same request"
    other = ["export", "--part", "generator", "--out", "out"]  # the shipped generator
    refused = cli(*other)
    assert refused.code == 2 and "--overwrite" in refused.stderr
    assert (tmp_path / "out/generator.onnx").read_bytes() == before
    assert cli(*other, "--overwrite").code == 0
    assert (tmp_path / "out/generator.onnx").read_bytes() != before
    (tmp_path / "out/upscaler_onnx.json").mkdir()
    blocked = cli("export", "--part", "upscaler", "--out", "out", "--overwrite")
    assert blocked.code == 2 and not (tmp_path / "out/upscaler.onnx").exists()


def test_a_savedmodel_is_replaced_as_a_whole(cli, asked_weights, tmp_path):
    call = ["export", "--part", "generator", "--to", "savedmodel", "--checkpoint", asked_weights]
    assert cli(*call, "--out", "out").code == 0
    (tmp_path / "out/generator_savedmodel/old").write_text("of an earlier call")
    assert cli(*call, "--out", "out", "--overwrite").code == 0
    assert not (tmp_path / "out/generator_savedmodel/old").exists()
    assert (tmp_path / "out/generator_savedmodel/saved_model.pb").is_file()


def test_a_file_that_makes_other_pictures_is_not_kept(asked_weights, tmp_path, monkeypatch):
    generator = load_weights(asked_weights, DCGAN_KIND)
    arrays = dict(generator.arrays)
    arrays["to_rgb/bias"] = arrays["to_rgb/bias"] + 0.1
    spoiled = dataclasses.replace(generator, arrays=arrays)
    honest = exporting.pictures_graph
    monkeypatch.setattr(exporting, "pictures_graph", lambda _, upscaler: honest(spoiled, upscaler))
    with pytest.raises(PipelineError, match="differs from Keras by up to"):
        export(generator, None, "onnx", tmp_path / "network.onnx")
    assert list(tmp_path.iterdir()) == []


def test_without_keras_onnx_is_written_and_the_rest_refused(asked_weights, tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "has_keras", lambda: False)
    generator = load_weights(asked_weights, DCGAN_KIND)
    assert export(generator, None, "onnx", tmp_path / "a.onnx").difference is None
    with pytest.raises(PipelineError, match="choose --to onnx"):
        export(generator, None, "litert", tmp_path / "a.tflite")


def test_what_a_killed_export_left_goes_and_the_old_result_returns(tmp_path):
    left = tmp_path / f"{exporting.TEMPORARY}abcd1234"
    (left / exporting.BEFORE).mkdir(parents=True)
    (left / exporting.BEFORE / "saved_model.pb").write_text("old")
    (left / "model").mkdir()
    held = tmp_path / f"{exporting.TEMPORARY}wxyz5678"
    held.mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / f"{exporting.TEMPORARY}link0000").symlink_to(tmp_path / "elsewhere")
    with folder_locked(held):
        exporting._sweep(tmp_path)
    assert (tmp_path / "model/saved_model.pb").read_text() == "old" and not left.exists()
    assert held.is_dir() and (tmp_path / "elsewhere").is_dir()
