"""The benchmark's rows and pairs, other programs' results, and its page."""

import json
import re

import cv2
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import stats

from anime_pipeline.core.errors import DataError, UsageError
from anime_pipeline.core.measurements import measurement
from anime_pipeline.data.degrade import DEGRADATIONS
from anime_pipeline.reports import benchmark_folders, benchmark_page
from anime_pipeline.reports.benchmark import BASELINES, baseline, reduce_all, run_benchmark
from anime_pipeline.reports.benchmark_metrics import PSNR_RGB, compare_pairs, pixel_metrics
from anime_pipeline.reports.benchmark_page import as_document, as_html, as_markdown
from anime_pipeline.sample.drawing import draw_face


def faces(count, size=64):
    return np.stack([draw_face(seed, size).image for seed in range(count)])


# The report


def test_every_degradation_is_a_row_and_the_best_are_marked_by_direction():
    images, seen = faces(3), []
    result = run_benchmark(
        images, ["a", "b", "c"], list(DEGRADATIONS), {"same": lambda _: images},
        progress=lambda done, total: seen.append((done, total)),
    )  # fmt: skip
    assert list(dict.fromkeys(result.summary["degradation"])) == list(DEGRADATIONS)
    assert seen[-1][0] == seen[-1][1] and [d for d, _ in seen] == sorted(d for d, _ in seen)
    summary = result.summary.set_index(["degradation", "method"])
    assert summary.loc[("area", "same"), "gmsd"] == 0 and (summary["ms_per_image"] > 0).all()
    markdown = as_markdown(result)
    row = next(line for line in markdown.splitlines() if line.startswith("| noise | same | 3 |"))
    assert row.count("**") == 2 * len(pixel_metrics())
    blurry = next(line for line in markdown.splitlines() if line.startswith("| noise | bilinear |"))
    assert "**" not in blurry
    assert "ms_per_image" not in result.per_image and "times" not in str(result.facts)
    json.dumps(as_document(result), allow_nan=False)


def test_pairs_equal_the_paired_t_test():
    random = np.random.default_rng(0)
    psnr = measurement(PSNR_RGB)
    scores = {name: random.normal(24, 3, 30) for name in ("bicubic", "a", "b", "else")}
    table = pd.concat(
        pd.DataFrame({"degradation": "area", "method": name, psnr.key: values})
        for name, values in scores.items()
    )
    found = compare_pairs(table, [psnr], ["a", "b"], ["else"]).set_index(["method", "reference"])
    assert list(found.index) == [
        ("a", "bicubic"), ("b", "bicubic"), ("else", "bicubic"), ("b", "a"), ("else", "a"),
    ]  # fmt: skip
    for (method, reference), row in found.iterrows():
        test = stats.ttest_rel(scores[method], scores[reference]).confidence_interval()
        assert row["difference"] - row["difference_ci95"] == pytest.approx(test.low)
        assert row["difference"] + row["difference_ci95"] == pytest.approx(test.high)
        assert row["better_share"] == (scores[method] > scores[reference]).mean()


def test_the_page_shows_window_and_error_of_every_method_of_ours_and_others():
    images = faces(4)
    ours = {"one": baseline("lanczos"), "two": baseline("bilinear")}
    result = run_benchmark(
        images, list("abcd"), ["area"], ours, examples=1, others={"<them>": images}
    )
    page = as_html(result)
    # A histogram and a scale; per example six columns of two, and four errors.
    assert page.count("<img") == 2 + 2 * (6 * 2 + 4)
    assert "&lt;them&gt;" in page and "<them>" not in page
    assert "| area | <them> | bicubic | 4 | **+" in as_markdown(result)
    document = as_document(result)
    speeds = {row["method"]: row["ms_per_image"] for row in document["summary"]}
    assert speeds["<them>"] is None and speeds["one"] > 0
    with pytest.raises(ValueError, match="Expected one where"):
        run_benchmark(images, list("abcd"), ["area", "jpeg"], ours, others={"x": images})


def test_a_single_picture_has_no_interval():
    result = run_benchmark(faces(1), ["a"], ["area"], {"same": lambda _: faces(1)})
    assert "±" not in as_markdown(result).replace(" ± half", "")
    assert as_html(result) and as_document(result)["paired"][0]["difference_ci95"] is None


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([32, 64, 128]))
def test_the_window_is_where_the_error_is_largest(seed, size):
    random = np.random.default_rng(seed)
    first, second = random.integers(0, 256, (2, size, size, 3), np.uint8)
    window = benchmark_page.hardest_window(first, second)
    assert window.side == min(48, size // 2)
    error = benchmark_page.error_levels(first, second)
    places = range(0, size - window.side + 1, 4)
    most = max(
        error[y : y + window.side, x : x + window.side].mean() for y in places for x in places
    )
    assert window.cut(error).mean() == pytest.approx(most, rel=1e-5)


def test_error_colours_follow_the_scale():
    original = np.full((8, 8, 3), 100, np.uint8)
    scale = benchmark_page.error_scale()
    for levels, at in [(0, 0), (32, 128), (64, 255), (120, 255)]:
        shown = benchmark_page.error_map(original, original + np.uint8(levels))
        assert (shown == scale[0, at]).all()
    assert scale[0, 0].max() < 10 and scale[0, 255].min() > 100


# Other programs' results


def test_names_of_files_keep_folders_and_never_leave_the_folder():
    names = benchmark_folders.file_names(
        ["a/x.jpg", "a/y.jpg", "a/y.png", "/abs/z.webp", "../up.v2.png"]
    )
    assert [str(name) for name in names] == [
        "a/x.png", "a/y.jpg.png", "a/y.png.png", "abs/z.png", "up.v2.png",
    ]  # fmt: skip
    with pytest.raises(UsageError, match="Rename"):
        benchmark_folders.file_names(["../a.png", "a.png"])


def test_inputs_and_results_on_disk(tmp_path):
    names = [f"{n}.jpg" for n in range(8)]
    lr_images = reduce_all(faces(8), "area")
    benchmark_folders.write_inputs(tmp_path, names, lr_images)
    assert np.array_equal(benchmark_folders.read_results(tmp_path, names, 16), lr_images)
    benchmark_folders.write_inputs(tmp_path, names, lr_images)  # the same again is no harm
    with pytest.raises(UsageError, match="--overwrite"):
        benchmark_folders.write_inputs(tmp_path, names, lr_images[::-1])
    (tmp_path / "0.png").unlink()
    (tmp_path / "1.png").write_bytes(b"")
    Image.new("RGB", (20, 16)).save(tmp_path / "2.png")
    with pytest.raises(DataError) as error:
        benchmark_folders.read_results(tmp_path, names, 16)
    assert "3 of 8 results" in str(error.value) and "2.png (20x16 px)" in str(error.value)
    assert "0.png (missing)" in str(error.value) and "1.png (the file is empty" in str(error.value)
    with pytest.raises(DataError, match="8 of 8.*and 3 more"):
        benchmark_folders.read_results(tmp_path, names, 64)
    with pytest.raises(DataError, match="no folder"):
        benchmark_folders.read_results(tmp_path / "none", names, 64)


@pytest.fixture
def call(cli, drawn, monkeypatch):
    monkeypatch.delenv("ANIME_PIPELINE_ASSETS", raising=False)
    return lambda *more: cli(
        "benchmark", "--data", drawn, "--weights", "fidelity", "--limit", 5, *more
    )


def test_another_program_is_measured_by_its_files(call, tmp_path):
    written = call("--write-lr", "lr", "--degradation", "noise", "--json")
    assert written.code == 0 and "--against" in written.stderr
    assert len(written.json["files"]) == 5 and not (tmp_path / "outputs").exists()
    for name in written.json["files"]:
        lr = cv2.imread(str(tmp_path / "lr" / name))
        assert lr.shape == (32, 32, 3)
        (tmp_path / "theirs" / name).parent.mkdir(parents=True, exist_ok=True)
        large = cv2.resize(lr, (128, 128), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(tmp_path / "theirs" / name), large)
    measured = call("--degradation", "noise", "--against", "theirs", "--json")
    assert measured.code == 0, measured.stderr
    rows = {row["method"]: row for row in measured.json["summary"]}
    for key in pixel_metrics():
        assert rows["theirs"][key] == rows["bicubic"][key]
    pairs = {(r["method"], r["reference"]) for r in measured.json["paired"]}
    assert ("theirs", "fidelity") in pairs and ("theirs", "bicubic") in pairs
    assert "left out" in measured.json["facts"]["LPIPS alex"]
    again = call("--degradation", "noise", "--against", "theirs", "--json")
    assert again.code == 0  # times differ, which makes it no other report
    renamed = call("--degradation", "noise", "--against", "other=theirs")
    assert renamed.code == 2 and "against other" in renamed.stderr


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        (["--against", "nowhere"], 4, "nowhere is no folder"),
        (["--against", "."], 4, "5 of 5 results cannot be used"),
        (["--against", "bicubic=."], 2, "no other method has"),
        (["--against", "="], 2, "Expected NAME=FOLDER"),
        (["--against", ".", "--write-lr", "lr"], 2, "Leave one out"),
        (["--write-lr", "lr", "--degradation", "area", "--degradation", "jpeg"], 2, "area, jpeg"),
        (["--degradation", "magic"], 2, "Unknown degradation"),
    ],
)
def test_what_cannot_be_measured_is_refused(call, more, code, message):
    result = call(*more)
    assert result.code == code and message in result.stderr, result.stderr
    assert result.stdout == "" and "Traceback" not in result.stderr


def test_the_page_asks_for_nothing_from_elsewhere():
    page = as_html(run_benchmark(faces(2), ["a", "b"], ["area"], {}))
    assert not re.search(r"https?:|<script|<link", page)
    assert len(BASELINES) * 2 < page.count("<td")
