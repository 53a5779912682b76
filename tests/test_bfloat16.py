"""bfloat16 may cost next to nothing in quality, or be refused where a machine has none."""

import numpy as np
import pytest

from anime_pipeline.core.machine import cpu_has_bfloat16
from anime_pipeline.data.degrade import degrade
from anime_pipeline.data.drawing import draw_face
from anime_pipeline.inference import bfloat16
from anime_pipeline.inference.generator import FaceGenerator
from anime_pipeline.inference.upscaler import Upscaler
from anime_pipeline.metrics.psnr import psnr_rgb
from anime_pipeline.models.weights import DCGAN_KIND, SRGAN_KIND, load_weights
from anime_pipeline.models.zoo import find_weights


@pytest.fixture
def machine():
    pytest.importorskip("openvino")
    if not cpu_has_bfloat16():
        pytest.skip("this processor has no bfloat16")


@pytest.mark.parametrize("name", ["fidelity", "perceptual"])
def test_values_stay_within_a_level_and_psnr_within_a_twentieth(name, machine):
    weights = load_weights(find_weights(name, SRGAN_KIND), SRGAN_KIND)
    hr_images = [draw_face(seed, 128).image for seed in range(8)]
    lr_images = [degrade(image, 4, "bicubic", np.random.default_rng(0)) for image in hr_images]
    drawn = FaceGenerator.load(find_weights("dcgan", DCGAN_KIND)).generate(range(8))
    pictures = np.concatenate([np.stack(lr_images), drawn])
    exact = Upscaler(weights).upscale_batch(pictures)
    coarse = Upscaler(weights, "bfloat16").upscale_batch(pictures)
    assert np.any(exact != coarse)  # or it was not bfloat16 at all
    assert np.mean(np.abs(exact.astype(int) - coarse) <= 1) >= 0.99
    losses = [
        psnr_rgb(hr, one) - psnr_rgb(hr, other)
        for hr, one, other in zip(hr_images, exact, coarse, strict=False)
    ]
    assert np.mean(losses) <= 0.05


def test_the_command_keeps_the_two_apart(cli, tmp_path, machine):
    from anime_pipeline.images.codec import write_png

    write_png(tmp_path / "a.png", draw_face(3, 32).image, {})
    assert cli("upscale", "a.png", "--out", "o", "--precision", "bfloat16").code == 0
    again = cli("upscale", "a.png", "--out", "o", "--precision", "bfloat16", "--json")
    assert again.code == 0 and len(again.json["kept"]) == 1
    other = cli("upscale", "a.png", "--out", "o")
    assert other.code == 2 and "--overwrite" in other.stderr


@pytest.mark.parametrize("lacks", ["processor", "library"])
def test_what_is_missing_is_said(cli, tmp_path, monkeypatch, lacks):
    from anime_pipeline.images.codec import write_png

    write_png(tmp_path / "a.png", draw_face(3, 32).image, {})
    monkeypatch.setattr(bfloat16, "cpu_has_bfloat16", lambda: lacks != "processor")
    monkeypatch.setattr(bfloat16, "LIBRARY", "no_such_library")
    refused = cli("upscale", "a.png", "--precision", "bfloat16")
    assert refused.code == 1
    wanted = "no instructions" if lacks == "processor" else "no_such_library"
    assert wanted in refused.stderr and "--precision" in refused.stderr
    assert not (tmp_path / "outputs").exists()
