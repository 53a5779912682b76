"""The command line as a user meets it: help, exit codes, JSON, and every command end to end."""

import csv
import json
import re

import numpy as np
import pytest
from conftest import spawn
from PIL import Image

from anime_pipeline.cli import common
from anime_pipeline.cli.common import parse_seeds
from anime_pipeline.cli.main import COMMANDS
from anime_pipeline.core.errors import UsageError
from anime_pipeline.models.weights import SRGAN_KIND
from anime_pipeline.models.zoo import shipped

HELP = """
import sys
from anime_pipeline.cli.main import run
sys.argv = ["anime-pipeline", *sys.argv[1:]]
try:
    run()
finally:
    heavy = "tensorflow keras jax numpy scipy pandas cv2 PIL skimage matplotlib rich".split()
    print(sorted(set(heavy) & set(sys.modules)), file=sys.stderr)
"""


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_loads_no_heavy_library(command):
    process = spawn("-c", HELP, *command.split(), "--help")
    assert process.returncode == 0 and "Usage:" in process.stdout
    assert process.stderr.splitlines()[-1] == "[]"


def test_no_end_is_foretold_before_anything_is_done(capsys, monkeypatch):
    clock = iter([0.0, 20.0, 40.0])
    monkeypatch.setattr(common.time, "monotonic", lambda: next(clock))
    with common.progress_bar("Comparing") as update:
        update(0, 8)
        update(4, 8)
    assert capsys.readouterr().err.splitlines() == ["Comparing: 0/8", "Comparing: 4/8, ETA 40 s"]


def test_python_dash_m_and_version():
    process = spawn("-m", "anime_pipeline", "--version")
    assert re.fullmatch(r"anime-pipeline, version \d+\.\d+\.\d+\n", process.stdout)


@pytest.mark.parametrize(
    "text,count,expected",
    [("7", None, [7]), ("7", 3, [7, 8, 9]), ("0,5-7", None, [0, 5, 6, 7]), ("5-6", 2, [5, 6])],
)
def test_seed_lists(text, count, expected):
    assert parse_seeds(text, count) == expected


@pytest.mark.parametrize("text,count", [("a", None), ("3-1", None), ("1,2", 3), ("", None)])
def test_bad_seed_lists(text, count):
    with pytest.raises(UsageError, match="--seed"):
        parse_seeds(text, count)


@pytest.mark.parametrize(
    "arguments,code,message",
    [
        (["nonsense"], 2, "No such command"),
        (["generate", "-n", "0"], 2, "Invalid value"),
        (["generate", "--seed", "x"], 2, "--seed"),
        (["generate", "--checkpoint", "missing.npz"], 5, "No weights called"),
        (["train-dcgan"], 4, "sample-data"),
        (["train-srgan"], 4, "sample-data"),
        (["inspect"], 4, "No folder"),
        (["benchmark"], 4, "No folder"),
        (["train-dcgan", "--resume"], 5, "No run to resume"),
        (["train-dcgan", "--steps", "3", "--minutes", "1"], 2, "only one"),
        (["train-dcgan", "--minutes", "nan"], 2, "not a finite number"),
        (["train-srgan", "--adversarial-share", "nan"], 2, "not a finite number"),
        (["train-dcgan", "--set", "learning_rate_d=-1"], 2, "more than 0"),
        (["train-dcgan", "--set", "r1_gamma=-1"], 2, "0 or more"),
        (["train-dcgan", "--set", "colour=red"], 2, "Unknown DcganConfig field"),
        (["train-dcgan", "--set", "loss=bce", "--loss", "bce"], 2, "option of its own"),
        (["train-dcgan", "--batch-size", "6"], 2, "multiple of 4"),
        (["generate", "--seed", "1²"], 2, "--seed"),
        (["generate", "--seed", "9" * 5000], 2, "--seed"),
        (["generate", "--seed", str(2**63 - 1), "-n", "2"], 2, "--seed"),
        (["inspect", "~nosuch/x"], 2, "no such user"),
        (["train-dcgan", "--set", "r1_gamma=NaN"], 2, "finite"),
        (["upscale", "missing.png"], 4, "no such file"),
        (["upscale", "a.png", "--weights", "magic"], 5, "magic"),
    ],
)
def test_failures_say_what_and_exit_as_documented(cli, tmp_path, arguments, code, message):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    result = cli(*arguments)
    assert result.code == code, result.stderr
    assert message in result.stderr and result.stdout == ""
    assert "Traceback" not in result.stderr


def test_sample_data_and_inspect(cli, tmp_path):
    assert cli("sample-data", "--count", 60, "--size", 48).code == 0
    result = cli("inspect", "--json")
    facts = result.json
    assert facts["images"] == 60 and facts["folders"] == 2 and facts["color_rows"] == 60
    assert facts["images_with_colors"] == 60 and facts["skipped"] == []
    assert sum(facts["split"].values()) == 60
    with Image.open(tmp_path / facts["contact_sheet"]) as sheet:
        assert sheet.size[0] > 900
    plain = cli("inspect")
    assert "60 in 2 folder(s)" in plain.stdout
    assert cli("sample-data").code == 2


def test_generate_writes_named_faces_a_grid_and_a_manifest(cli, tmp_path):
    result = cli("generate", "-n", 4, "--seed", 3, "--upscale", "--grid", "--json")
    manifest = result.json
    listed = json.loads((tmp_path / "outputs/manifest.json").read_text())["faces"]
    assert [face["file"] for face in listed] == [face["file"] for face in manifest["faces"]]
    assert all(face["weights"] == manifest["weights"] and face["size"] == 128 for face in listed)
    assert [face["seed"] for face in manifest["faces"]] == [3, 4, 5, 6]
    for face in manifest["faces"]:
        with Image.open(tmp_path / "outputs" / face["file"]) as picture:
            assert picture.size == (128, 128) and picture.mode == "RGB"
            assert picture.text["seed"] == str(face["seed"])
            assert picture.text["weights-dcgan"] == manifest["weights"]["dcgan"]["sha256"]
    assert (tmp_path / "outputs" / manifest["grid"]).is_file()


def test_a_seed_is_the_same_face_in_any_batch_and_order(cli, tmp_path):
    cli("generate", "--seed", "0-8", "--out", "a")
    cli("generate", "--seed", "8,2,5", "--out", "b", "--batch-size", 1)
    for seed in (2, 5, 8):
        name = f"face_{seed:06d}_32.png"
        pair = [np.asarray(Image.open(tmp_path / d / name)).astype(int) for d in "ab"]
        assert np.abs(pair[0] - pair[1]).max() <= 1


def test_the_shipped_faces_are_what_they_were(cli, tmp_path):
    """Golden slice of the shipped generator: seed 0, a few pixels."""
    cli("generate", "-n", 1, "--seed", 0)
    pixels = np.asarray(Image.open(tmp_path / "outputs/face_000000_32.png")).astype(int)
    assert np.abs(pixels[8:24:8, 8:24:8].ravel() - GOLDEN).max() <= 1


GOLDEN = np.array([227, 209, 220, 213, 159, 183, 129, 108, 112, 250, 250, 218])


def test_upscale_keeps_stems_folders_alpha_and_survives_bad_files(cli, tmp_path):
    source = tmp_path / "in" / "deep"
    source.mkdir(parents=True)
    picture = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    Image.fromarray(picture).save(source / "größe 1.jpg")
    clear = Image.fromarray(picture).convert("RGBA")
    clear.putalpha(Image.fromarray(picture[..., 0]))
    clear.save(source / "clear.png")
    (source / "bad.png").write_text("no picture")
    result = cli("upscale", "in", "--out", "out", "--json")
    assert result.code == 3
    assert [item["reason"] for item in result.json["skipped"]] == [
        "not a picture in a known format"
    ]
    with Image.open(tmp_path / "out/deep/größe 1.png") as large:
        assert large.size == (120, 80) and large.mode == "RGB"
    with Image.open(tmp_path / "out/deep/clear.png") as large:
        assert large.size == (120, 80) and large.mode == "RGBA"
        assert np.asarray(large)[..., 3].std() > 20
    assert cli("upscale", source / "clear.png", "--scale", 2, "--out", "two").code == 0
    with Image.open(tmp_path / "two/clear.png") as large:
        assert large.size == (60, 40)


def test_upscale_keeps_two_pictures_with_one_stem_apart(cli, tmp_path):
    for name, colour in (("a.png", "red"), ("a.jpg", "lime"), ("deep/a.png", "blue")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (8, 8), colour).save(tmp_path / name)
    assert cli("upscale", "a.png", "a.jpg", "--out", "out").code == 0
    for name, channel in (("a.png", 0), ("a.jpg.png", 1)):
        with Image.open(tmp_path / "out" / name) as large:
            assert np.asarray(large).mean(axis=(0, 1)).argmax() == channel
    result = cli("upscale", "a.png", "deep/a.png", "--out", "out2")
    assert result.code == 2 and "both be written" in result.stderr
    assert cli("upscale", "a.png", "--out", ".").code == 2


def test_upscale_overwrites_its_own_results_only(cli, tmp_path):
    for name in ("a.jpg", "out/a.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (8, 8), "red").save(tmp_path / name)
    result = cli("upscale", "a.jpg", "--out", "out")
    assert result.code == 3 and "--overwrite" in result.stderr
    with Image.open(tmp_path / "out/a.png") as kept:
        assert kept.size == (8, 8)
    assert cli("upscale", "a.jpg", "--out", "out", "--overwrite").code == 0
    assert cli("upscale", "a.jpg", "--out", "out").code == 0


def test_benchmark_reports_agree_with_each_other(cli, drawn, tmp_path):
    result = cli("benchmark", "--data", drawn, "--limit", 6, "--degradation", "area", "--json")
    assert result.code == 0, result.stderr
    out = tmp_path / "outputs/benchmark"
    document = json.loads((out / "benchmark.json").read_text())
    assert document == result.json
    with (out / "benchmark.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6 * (4 + len(shipped(SRGAN_KIND)))
    for row in document["summary"]:
        own = [float(r["psnr_rgb_db"]) for r in rows if r["method"] == row["method"]]
        assert np.mean(own) == pytest.approx(row["psnr_rgb_db"], abs=1e-6)
        assert f"{row['psnr_rgb_db']:.2f}" in (out / "benchmark.md").read_text()
    page = (out / "benchmark.html").read_text()
    assert page.count("data:image/png;base64,") > 10
    assert not re.search("https?:", re.sub(r"data:image/png;base64,[^\"]+", "", page))


def test_a_folder_of_many_sizes(cli, tmp_path):
    """Folders may hold any mixture, and files that are no pictures."""
    for side in range(8, 22):
        Image.new("RGB", (side, side + 3)).save(tmp_path / f"{side}.png")
    (tmp_path / "notes.doc").write_text("passed over without a word")
    result = cli("upscale", ".", "--out", "out")
    assert result.code == 0 and "14 of 14" in result.stderr


def test_an_unwritable_folder_is_no_fault_of_the_pictures(cli, tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    (tmp_path / "out").write_text("a file, not a folder")
    result = cli("upscale", "a.png", "--out", "out/deep")
    assert result.code == 1 and "out" in result.stderr and "Traceback" not in result.stderr


def test_the_generator_of_the_wrong_stage_is_exit_5(cli):
    from anime_pipeline.models.zoo import pretrained_folder

    result = cli("generate", "--checkpoint", pretrained_folder() / "fidelity.npz")
    assert result.code == 5 and "Expected a dcgan-generator" in result.stderr


def test_training_starts_from_weights_on_demand(cli, drawn):
    """An upscaler that starts from `fidelity` is good at once."""
    result = cli(
        "train-srgan", "--data", drawn, "--init", "fidelity", "--steps", 2, "--batch-size", 4,
        "--crop-size", 32, "--adversarial-share", 0, "--json",
    )  # fmt: skip
    metrics = result.json["metrics"]
    assert metrics["val_psnr_db"] > metrics["val_psnr_bicubic_db"]
