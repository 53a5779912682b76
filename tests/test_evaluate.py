"""What `evaluate` measures and writes."""

import json
from html.parser import HTMLParser
from unittest.mock import Mock

import numpy as np
import pytest
from PIL import Image

from anime_pipeline.cli.evaluate import NETWORKS, remarks
from anime_pipeline.core.config import DcganConfig, SrganConfig
from anime_pipeline.core.errors import UsageError
from anime_pipeline.images.codec import write_png
from anime_pipeline.images.colour import rgb_to_lab
from anime_pipeline.metrics import attributes
from anime_pipeline.metrics.features import TITLES
from anime_pipeline.models.assets import VGG_FILE
from anime_pipeline.reports.evaluate import Evaluation, Figure, figure, likeness
from anime_pipeline.reports.evaluation_page import as_html, cells
from anime_pipeline.reports.page import refuse_other_report
from anime_pipeline.reports.real_faces import real_at
from anime_pipeline.sample.drawing import draw_face

LAB = rgb_to_lab(np.random.default_rng(0).integers(0, 256, (60, 3)))


def test_agreement_lies_between_ceiling_and_floor():
    near = LAB + np.random.default_rng(1).standard_normal(LAB.shape).astype(np.float32)
    value, ceiling, floor = attributes.agreement(near, LAB, LAB, LAB)
    assert ceiling == 0 < value < 3 < floor
    value, ceiling, _ = attributes.agreement(LAB, LAB, near, LAB)
    assert value == 0 < ceiling


def test_leakage_is_the_mean_over_pairs_of_variants():
    still = np.repeat(LAB[:, None], 4, axis=1)
    assert attributes.leakage(still) == 0
    moved = still.copy()
    moved[:, 0] = LAB[::-1]
    assert attributes.leakage(moved) > 5


def test_noise_compares_only_faces_whose_tables_agree():
    table = np.repeat(LAB[:30], 2, axis=0)
    shown = table.copy()
    assert attributes.measuring_noise(shown, table) == pytest.approx(0, abs=1e-4)
    shown[::2, 0] += 5
    assert 1 < attributes.measuring_noise(shown, table) < 10
    far = np.array([[10.0, 0, 0], [50, 0, 0], [90, 0, 0]], np.float32)
    assert np.isnan(attributes.measuring_noise(far, far))


def test_faces_of_one_condition_are_compared_with_all_real_ones():
    images = np.random.default_rng(0).integers(0, 256, (40, 32, 32, 3), dtype=np.uint8)
    assert attributes.diversity_within([images, images], images) == pytest.approx(1)
    assert attributes.diversity_within([images[:1].repeat(5, 0)], images) == 0


def test_colours_of_drawn_faces_are_measured():
    faces = [draw_face(seed, 64) for seed in range(30)]
    shown = attributes.measure(np.stack([face.image for face in faces]), "hair")
    asked = rgb_to_lab(np.array([face.hair_rgb for face in faces]))
    value, _, floor = attributes.agreement(shown, asked, shown, asked)
    assert value < floor / 2


def test_figures_are_text_with_what_they_lie_between():
    row = cells(figure("hair", 6.7543, 1000, error=0.01, best=6.2, worst=33.21, protocol="how"))
    assert row["value"] == "6.754 ± 0.0100" and row["best"] == "6.200" and row["worst"] == "33.2"
    assert cells(figure("hair", 1.0, 2, best=float("nan")))["best"] == "–"
    assert cells(Figure("Attributes", "of another version", 1.0, 2))["value"] == "1"


class Checker(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.links = [], []

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "img", "link", "br"):
            self.open.append(tag)
        self.links += [v for k, v in attrs if k in ("src", "href")]
        assert tag != "img" or dict(attrs).get("alt")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def check(html):
    checker = Checker()
    checker.feed(html)
    assert not checker.open
    assert all(link.startswith("data:") for link in checker.links)
    return checker


def test_the_page_escapes_names_and_stands_alone():
    facts = {"weights": "<b>run</b>", "generated": "8 faces", "real": "8 real"}
    result = Evaluation(facts, [figure("kid", 0.1, 8)])
    result.pictures["seeds"] = (np.zeros((4, 4, 3), np.uint8), "seeds & more")
    row = {"accuracy_real_train": 0.7, "accuracy_real_val": 0.6, "accuracy_fake": 0.65}
    html = as_html(result, row)
    check(html)
    assert "<b>run" not in html and "seeds &amp; more" in html and "70.0%" in html
    assert "Attributes" not in html


def test_an_earlier_report_of_the_same_is_replaced_and_another_is_not(tmp_path):
    facts = {"weights": "a", "real": "8 faces", "software": "0.4"}
    later = {"wishes": "not measured", "length of hair": "not measured"}  # as 0.5 called them
    path = tmp_path / "evaluation.json"
    path.write_text(json.dumps({"facts": facts | later}))
    refuse_other_report(tmp_path, "evaluation", facts | {"software": "0.6"})
    with pytest.raises(UsageError, match="real differ"):
        refuse_other_report(tmp_path, "evaluation", facts | {"real": "9 faces"})
    path.write_text("{")
    with pytest.raises(UsageError, match="--overwrite"):
        refuse_other_report(tmp_path, "evaluation", facts)


def test_a_generator_is_measured_from_end_to_end(cli, drawn, asked_weights, assets, tmp_path):
    call = ["evaluate", "--checkpoint", asked_weights, "--data", drawn, "-n", 10]
    result = cli(*call, "--json")
    assert result.code == 0, result.stderr
    document = result.json
    values = {figure["name"]: figure for figure in document["figures"]}
    few_real = "10 real" in document["facts"]["real"]
    for network in ("AlexNet", "VGG16"):
        for px in (32, 128):
            figure = values[f"KID-{network}-{px}px"]
            assert figure["value"] > 0.2 > figure["best"]  # an untrained generator
            # 10 faces against as many: all subsets are the same, and no error can be told.
            assert (figure["error"] is None) is few_real
            assert (figure["network"], figure["px"]) == (network, px)
            assert f"precision-{network}-{px}px" in values and f"recall-{network}-{px}px" in values
    assert "all of at least 128 px" in document["facts"]["real at 128 px"]
    assert document["facts"]["alexnet"] == "lpips weights" and not document["missing"]
    assert document["remarks"]["AlexNet"] == "nothing is trained on it"
    assert values["hair asked for and shown"]["best"] < values["hair asked for and shown"]["worst"]
    assert "few" in result.stderr and document["facts"]["vgg16"] == "torch weights"
    assert "FID" not in values and "it needs classify_image_graph" in document["facts"]["FID"]
    folder = tmp_path / "outputs" / "evaluation"
    assert json.loads((folder / "evaluation.json").read_text()) == document
    html, markdown = ((folder / f"evaluation.{kind}").read_text() for kind in ("html", "md"))
    check(html)
    kid = cells(Figure(**values["KID-AlexNet-128px"]))
    assert kid["value"] in html and f"| {kid['value']} (real {kid['best']}) |" in markdown
    assert markdown.count("nothing is trained on it") == 2
    for name in document["pictures"]:
        assert (folder / name).is_file()
    assert "closest.png" in document["pictures"]
    other = cli(*call, "--side", "all")
    assert other.code == 2 and "--overwrite" in other.stderr
    both = cli(*call, "--side", "all", "--out", "all", "--no-upscale", "--json").json
    assert "copies" in both["facts"] and "closest.png" not in both["pictures"]
    assert "upscaled.png" not in both["pictures"] and "none" in both["facts"]["upscaler"]
    assert {figure["px"] for figure in both["figures"]} == {32, None}
    assert cli(*call[:-1], 2).code == 2


def test_without_alexnet_the_report_says_so(
    cli, drawn, asked_weights, assets, tmp_path, monkeypatch
):
    (tmp_path / "part").mkdir()
    (tmp_path / "part" / VGG_FILE).symlink_to(assets / VGG_FILE)
    monkeypatch.setenv("ANIME_PIPELINE_ASSETS", str(tmp_path / "part"))
    call = ["evaluate", "--checkpoint", asked_weights, "--data", drawn, "-n", 8, "--no-upscale"]
    refused = cli(*call, "--network", "alexnet")
    assert refused.code == 1 and "lpips_alexnet.npz" in refused.stderr
    found = cli(*call, "--json")
    assert found.code == 0 and "not compared by AlexNet" in found.stderr
    assert "lpips_alexnet.npz" in found.json["missing"]["AlexNet"]
    assert not any("AlexNet" in figure["name"] for figure in found.json["figures"])
    folder = tmp_path / "outputs" / "evaluation"
    for kind in ("html", "md"):
        text = (folder / f"evaluation.{kind}").read_text()
        assert "AlexNet" in text and "set it to the one that holds this file" in text
    check((folder / "evaluation.html").read_text())
    # With the file there another report is due, which replaces none unasked.
    monkeypatch.setenv("ANIME_PIPELINE_ASSETS", str(assets))
    assert "alexnet differ" in cli(*call).stderr


def test_real_faces_are_enlarged_only_where_their_files_are_small(tmp_path):
    random = np.random.default_rng(0)
    sides = {"small": (96, 96), "wide": (128, 140), "large": (160, 256)}
    paths = [tmp_path / f"{name}.png" for name in sides]
    pictures = [random.integers(0, 256, (*side, 3), np.uint8) for side in sides.values()]
    for path, picture in zip(paths, pictures, strict=True):
        write_png(path, picture)
    found = real_at([paths[0], *paths[1:] * 10], 32, 128, "crop")  # one of 21 is small
    bicubic = Image.fromarray(pictures[0]).resize((128, 128), Image.Resampling.BICUBIC)
    assert np.array_equal(found.images[0], np.asarray(bicubic))
    assert np.array_equal(found.images[1], pictures[1][:, 6:134])
    assert found.images.shape == (21, 128, 128, 3)
    assert (found.enlarged, found.smallest_px) == (1, 96)
    assert "1 of 21 are smaller than 128 px (from 96 px on)" in found.in_words()
    assert found.caution == ""
    # Where many are small, all are compared at their size; where none is large, there is a caution.
    small = real_at(paths, 32, 128, "crop")
    assert small.images.shape == (3, 96, 96, 3) and small.enlarged == 0 and small.caution == ""
    assert np.array_equal(small.images[0], pictures[0])
    tiny = real_at(paths, 96, 384, "crop")
    assert tiny.images.shape[1] == 384 and "choose no generator by it" in tiny.caution


def test_a_caution_stands_beside_the_figures_it_is_about():
    rows = np.random.default_rng(0).random((2, 12, 6))
    network = Mock(network="alexnet", source="lpips", size_px=128)
    for note in ("", "soft"):
        figures = likeness(*rows, network, 128, note)
        assert all(each.protocol.endswith("; soft") is bool(note) for each in figures)


@pytest.mark.parametrize(
    ("critic", "weight", "said"),
    [
        (True, 1.0, "the critic's and the upscaler's own network"),
        (True, 0.0, "the critic's own network"),
        (False, 1.0, "the upscaler's own network"),
        (False, None, "nothing is trained on it"),
    ],
)
def test_whose_network_it_is_is_said(critic, weight, said):
    upscaler = None if weight is None else Mock(config=SrganConfig(perceptual_weight=weight))
    found = remarks(DcganConfig(feature_critic=critic), upscaler)
    assert found.pop("VGG16") == said
    assert found == dict.fromkeys(["AlexNet", "EfficientNet-Lite0"], "nothing is trained on it")


def test_every_network_can_be_asked_for():
    assert set(NETWORKS) == set(TITLES)


def test_without_vgg16_the_command_says_so(cli, drawn, asked_weights, monkeypatch):
    import keras

    def fail(**_):
        raise Exception("URL fetch failure")

    monkeypatch.delenv("ANIME_PIPELINE_ASSETS", raising=False)
    monkeypatch.setattr(keras.applications, "VGG16", fail)
    result = cli("evaluate", "--checkpoint", asked_weights, "--data", drawn)
    assert result.code == 1 and "Faces are compared by VGG16" in result.stderr
