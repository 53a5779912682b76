"""`interpolate`, `variations` and `project`, through the command line."""

import numpy as np
import pytest
from PIL import Image

from anime_pipeline.inference.pipeline import Pipeline
from anime_pipeline.sample.drawing import draw_face


def pixels(path):
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def test_interpolating_writes_every_kind_of_file(cli, asked_weights, tmp_path):
    call = ["interpolate", "--checkpoint", asked_weights, "--frames", 3, "--json"]
    made = cli(*call, "--seeds", "3,17", "--out", "a.gif").json
    assert made["frames"] == 6 and (tmp_path / "a.gif").is_file()
    assert cli(*call, "--seeds", "3,17", "--no-loop", "--out", "a.mp4").json["frames"] == 4
    hair = cli(*call, "--seeds", "7", "--hair", "pink,#0000ff,green", "--out", "a.png").json
    assert hair["frames"] == 9 and hair["hair"] == ["pink", "#0000ff", "green"]
    assert pixels(tmp_path / "a.png").ndim == 3
    refused = cli(*call, "--seeds", "3,17", "--out", "a.gif")
    assert refused.code == 2 and "--overwrite" in refused.stderr
    assert cli(*call, "--seeds", "3,17", "--out", "a.gif", "--overwrite").code == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--seeds", "3"], "at least two"),
        (["--seeds", "3,4,5", "--hair", "pink,blue"], "as many"),
        (["--seeds", "3,4", "--out", "a.webm"], ".gif"),
        (["--seeds", "x"], "x"),
        (["--seeds", "3,4", "--hair", "plaid"], "plaid"),
    ],
)
def test_journeys_that_lead_nowhere_are_refused(cli, asked_weights, arguments, words):
    result = cli("interpolate", "--checkpoint", asked_weights, *arguments)
    assert result.code == 2 and words in result.stderr


def test_variations_begin_with_the_face_itself(cli, asked_weights, tmp_path):
    call = ["variations", "--checkpoint", asked_weights, "--seed", 7, "-n", 3, "--json"]
    made = cli(*call, "--strength", 0).json
    folder = tmp_path / "outputs"
    cli("generate", "--checkpoint", asked_weights, "--seed", 7)
    face = pixels(folder / "face_000007_32.png")
    for name in made["faces"]:
        assert np.abs(pixels(folder / name).astype(int) - face).max() <= 1
    other = cli(*call, "--strength", 0.5)
    assert other.code == 2 and "--overwrite" in other.stderr
    varied = cli(*call, "--strength", 0.5, "--overwrite").json
    assert not np.array_equal(pixels(folder / varied["faces"][0]), face)
    assert cli(*call, "--strength", 0.5).code == 0  # the same request again


def test_projecting_a_picture_writes_face_comparison_and_latent(cli, asked_weights, tmp_path):
    Image.fromarray(draw_face(1, 96).image).save(tmp_path / "me.png")
    call = ["project", "me.png", "--checkpoint", asked_weights, "--steps", 3, "--json"]
    made = cli(*call, "--hair", "#112233").json
    assert len(made["latent"]) == 8 and made["hair"] == "#112233" and made["rms"] > 0
    assert pixels(tmp_path / "outputs" / "me_found.png").shape == (32, 32, 3)
    assert pixels(tmp_path / "outputs" / "me_compared.png").shape[1] > 2 * 128
    again = cli(*call)
    assert again.code == 2 and "--overwrite" in again.stderr
    assert cli("project", "none.png", "--checkpoint", asked_weights).code == 4


@pytest.mark.parametrize("command", ["project", "interpolate"])
def test_what_comes_while_it_is_computed_stays(command, cli, asked_weights, tmp_path, monkeypatch):
    Image.new("RGB", (16, 16), "red").save(tmp_path / "a.png")
    target = {"project": "out/a_found.png", "interpolate": "out.gif"}[command]
    asked = {
        "project": ("a.png", "--steps", 2, "--out", "out"),
        "interpolate": ("--seeds", "1,2", "--out", "out.gif"),
    }[command]
    draw = Pipeline.draw

    def late(self, *arguments, **options):
        (tmp_path / target).parent.mkdir(exist_ok=True)
        (tmp_path / target).write_text("mine")
        return draw(self, *arguments, **options)

    monkeypatch.setattr(Pipeline, "draw", late)
    result = cli(command, *asked, "--checkpoint", asked_weights)
    assert result.code == 2 and (tmp_path / target).read_text() == "mine"
