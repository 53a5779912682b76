"""What `evaluate` measures and writes."""

import json
from html.parser import HTMLParser

import numpy as np
import pytest

from anime_pipeline.data.drawing import draw_face
from anime_pipeline.images.colour import rgb_to_lab
from anime_pipeline.metrics import attributes
from anime_pipeline.reports.evaluation import Evaluation, Figure
from anime_pipeline.reports.evaluation_page import as_html, cells

LAB = rgb_to_lab(np.random.default_rng(0).integers(0, 256, (60, 3)))


def test_agreement_lies_between_ceiling_and_floor():
    near = LAB + np.random.default_rng(1).standard_normal(LAB.shape).astype(np.float32)
    found = attributes.agreement(near, LAB, LAB, LAB)
    assert found.ceiling == 0 < found.asked < 3 < found.floor
    same = attributes.agreement(LAB, LAB, near, LAB)
    assert same.asked == 0 < same.ceiling


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
    found = attributes.agreement(shown, asked, shown, asked)
    assert found.asked < found.floor / 2


def test_figures_are_text_with_what_they_lie_between():
    row = cells(Figure("Wishes", "hair", 6.7543, 1000, 0.01, 6.2, 33.21, "how"))
    assert row["value"] == "6.754 ± 0.0100" and row["best"] == "6.200" and row["worst"] == "33.2"
    assert cells(Figure("Wishes", "x", 1.0, 2, best=float("nan")))["best"] == "–"


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
    result = Evaluation(facts, [Figure("Likeness", "KID", 0.1, 8)])
    result.pictures["seeds"] = (np.zeros((4, 4, 3), np.uint8), "seeds & more")
    row = {"accuracy_real_train": 0.7, "accuracy_real_val": 0.6, "accuracy_fake": 0.65}
    html = as_html(result, row)
    check(html)
    assert "<b>run" not in html and "seeds &amp; more" in html and "70%" in html
    assert "Wishes" not in html


def test_a_generator_is_measured_from_end_to_end(cli, drawn, asked_weights, assets, tmp_path):
    call = ["evaluate", "--checkpoint", asked_weights, "--data", drawn, "-n", 10]
    result = cli(*call, "--json")
    assert result.code == 0, result.stderr
    document = result.json
    values = {figure["name"]: figure for figure in document["figures"]}
    assert values["KID-VGG16"]["value"] > 0.5  # an untrained generator
    # 10 faces against as many: all subsets are the same, and no error can be told.
    few_real = "10 real" in document["facts"]["real"]
    assert (values["KID-VGG16"]["error"] is None) is few_real
    assert values["hair asked for and shown"]["best"] < values["hair asked for and shown"]["worst"]
    assert "few" in result.stderr and document["facts"]["vgg16"] == "torch weights"
    assert "FID" not in values and "it needs classify_image_graph" in document["facts"]["FID"]
    folder = tmp_path / "outputs" / "evaluation"
    assert json.loads((folder / "evaluation.json").read_text()) == document
    check((folder / "evaluation.html").read_text())
    for name in document["pictures"]:
        assert (folder / name).is_file()
    assert "closest.png" in document["pictures"]
    other = cli(*call, "--side", "all")
    assert other.code == 2 and "--overwrite" in other.stderr
    both = cli(*call, "--side", "all", "--out", "all", "--json").json
    assert "copies" in both["facts"] and "closest.png" not in both["pictures"]
    assert cli(*call[:-1], 2).code == 2


def test_without_vgg16_the_command_says_so(cli, drawn, asked_weights, monkeypatch):
    import keras

    def fail(**_):
        raise Exception("URL fetch failure")

    monkeypatch.delenv("ANIME_PIPELINE_ASSETS", raising=False)
    monkeypatch.setattr(keras.applications, "VGG16", fail)
    result = cli("evaluate", "--checkpoint", asked_weights, "--data", drawn)
    assert result.code == 1 and "Faces are compared by VGG16" in result.stderr
