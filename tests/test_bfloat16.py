"""bfloat16 may cost next to nothing in quality, or be refused where a machine has none."""

import json

import numpy as np
import pytest

from anime_pipeline import FaceSpec
from anime_pipeline.core import machine as core_machine
from anime_pipeline.core.machine import bfloat16_forbidden_by, cpu_has_bfloat16, cpu_name
from anime_pipeline.data.degrade import degrade
from anime_pipeline.inference import runtime
from anime_pipeline.inference.upscaler import Upscaler
from anime_pipeline.metrics.psnr import psnr_rgb
from anime_pipeline.models.weights import SRGAN_KIND, load_weights
from anime_pipeline.models.zoo import find_weights
from anime_pipeline.sample.drawing import draw_face


@pytest.fixture
def machine():
    pytest.importorskip("openvino")
    if not cpu_has_bfloat16():
        pytest.skip("this processor has no bfloat16")


@pytest.mark.parametrize("name", ["fidelity", "perceptual"])
def test_values_stay_within_a_level_and_psnr_within_a_twentieth(name, machine, pipeline):
    weights = load_weights(find_weights(name, SRGAN_KIND), SRGAN_KIND)
    hr_images = [draw_face(seed, 128).image for seed in range(8)]
    lr_images = [degrade(image, 4, "bicubic", np.random.default_rng(0)) for image in hr_images]
    drawn = pipeline([FaceSpec(seed) for seed in range(8)], 32)
    pictures = np.concatenate([np.stack(lr_images), drawn])
    exact = Upscaler(weights).upscale_batch(pictures)
    coarse = Upscaler(weights, "bfloat16").upscale_batch(pictures)
    assert np.any(exact != coarse)  # or it was not bfloat16 at all
    assert np.mean(np.abs(exact.astype(int) - coarse) <= 1) >= 0.98
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
    assert other.code == 3 and "--overwrite" in other.stderr


@pytest.mark.parametrize("lacks", ["processor", "library"])
def test_what_is_missing_is_said(cli, tmp_path, monkeypatch, lacks):
    from anime_pipeline.images.codec import write_png

    write_png(tmp_path / "a.png", draw_face(3, 32).image, {})
    monkeypatch.setattr(core_machine, "cpu_has_bfloat16", lambda: lacks != "processor")
    monkeypatch.setattr(runtime, "BFLOAT16_LIBRARY", "no_such_library")
    refused = cli("upscale", "a.png", "--precision", "bfloat16")
    assert refused.code == 1
    wanted = "no instructions" if lacks == "processor" else "no_such_library"
    assert wanted in refused.stderr and "--precision" in refused.stderr
    assert not (tmp_path / "outputs").exists()


@pytest.fixture
def modern(monkeypatch):
    """A processor with bfloat16, and no setting that forbids it."""
    for name in core_machine.ARITHMETIC_SETTINGS:
        monkeypatch.delenv(name, raising=False)
    lines = "model name\t: Some CPU\nflags\t\t: fpu avx2 avx512f avx512_bf16\n"
    monkeypatch.setattr(core_machine, "_cpuinfo", lambda: lines)


@pytest.mark.parametrize(
    "settings, forbidden_by",
    [
        ({}, ""),
        ({"ONEDNN_MAX_CPU_ISA": "AVX2"}, "ONEDNN_MAX_CPU_ISA=AVX2"),
        ({"ONEDNN_MAX_CPU_ISA": "avx512_core"}, "ONEDNN_MAX_CPU_ISA=avx512_core"),
        ({"DNNL_MAX_CPU_ISA": "AVX512_CORE_VNNI"}, "DNNL_MAX_CPU_ISA=AVX512_CORE_VNNI"),
        ({"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_BF16"}, ""),
        ({"ONEDNN_MAX_CPU_ISA": "default", "DNNL_MAX_CPU_ISA": "AVX2"}, ""),
        ({"ONEDNN_MAX_CPU_ISA": "", "DNNL_MAX_CPU_ISA": "AVX2"}, "DNNL_MAX_CPU_ISA=AVX2"),
    ],
)
def test_a_setting_takes_bfloat16_away(settings, forbidden_by, modern, monkeypatch):
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert bfloat16_forbidden_by() == forbidden_by
    assert cpu_has_bfloat16() == (not forbidden_by)
    assert cpu_name() == "Some CPU"


def test_upscaling_in_bfloat16_is_refused_where_a_setting_forbids_it(cli, tmp_path, monkeypatch):
    """OpenVINO's kernels crash the process there."""
    from anime_pipeline.images.codec import write_png

    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    write_png(tmp_path / "a.png", draw_face(3, 32).image, {})
    refused = cli("upscale", "a.png", "--precision", "bfloat16")
    assert refused.code == 1 and "--precision" in refused.stderr


def test_the_remembered_precision_is_that_of_the_same_settings(modern, tmp_path, monkeypatch):
    from anime_pipeline.models import precision

    monkeypatch.setenv("ANIME_PIPELINE_CACHE", str(tmp_path))
    monkeypatch.setattr(precision.backend, "has_gpu", lambda: False)
    seconds = {"float32": 2.0, "bfloat16": 1.0}
    asked = []
    monkeypatch.setattr(precision, "_matmul_seconds", lambda d: asked.append(d) or seconds[d])
    assert [precision.best_precision() for _ in range(2)] == ["bfloat16"] * 2
    assert len(asked) == 2  # measured once
    with monkeypatch.context() as patch:  # forbidden: neither measured nor remembered
        patch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
        assert precision.best_precision() == "float32" and len(asked) == 2
    with monkeypatch.context() as patch:  # slower, so measured again, beside the other
        patch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
        seconds["bfloat16"] = 9.0
        assert [precision.best_precision() for _ in range(2)] == ["float32"] * 2
        assert len(asked) == 4
    assert precision.best_precision() == "bfloat16" and len(asked) == 4
    remembered = json.loads((tmp_path / "precision.json").read_text(encoding="utf-8"))
    assert sorted(remembered.values()) == ["bfloat16", "float32"]


@pytest.mark.parametrize("case", ["in hardware", "emulated on this processor", "emulated, as"])
def test_doctor_says_what_bfloat16_means_here(case, cli, modern, monkeypatch):
    from anime_pipeline.cli import doctor
    from anime_pipeline.models import precision

    monkeypatch.setattr(precision.backend, "has_gpu", lambda: False)
    monkeypatch.setattr(precision, "_matmul_seconds", {"float32": 2.0, "bfloat16": 1.0}.get)
    monkeypatch.setattr(doctor, "EXAMINATIONS", {"bfloat16": doctor.EXAMINATIONS["bfloat16"]})
    if case == "emulated on this processor":
        monkeypatch.setattr(core_machine, "_cpuinfo", lambda: "flags\t\t: fpu avx2\n")
    if case == "emulated, as":
        monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    (check,) = cli("doctor", "--json").json["checks"]
    assert check["detail"].startswith(case)
    assert check["status"] == ("note" if case == "emulated, as" else "ok")
    best = "bfloat16" if case == "in hardware" else "float32"
    assert f"training uses {best} here" in check["detail"]
    assert ("refused" in check["detail"]) == (best == "float32")
    assert ("ONEDNN_MAX_CPU_ISA=AVX2" in check["detail"]) == (case == "emulated, as")


def test_training_in_bfloat16_is_refused_where_it_would_crash(drawn, cli, monkeypatch):
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    refused = cli("train-dcgan", "--data", drawn, "--precision", "bfloat16", "--steps", 1)
    assert refused.code == 2
    assert "$ONEDNN_MAX_CPU_ISA=AVX2 allows no instructions for it" in " ".join(
        refused.stderr.split()
    )
