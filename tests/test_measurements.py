"""A measurement is named once: what is shown of it anywhere comes from its entry."""

import sys
from types import ModuleType

import numpy as np
import pytest
from test_benchmark_report import faces
from test_training_report import make_run
from test_watch import FAST
from test_web_runs import make_app

from anime_pipeline.core.measurements import (
    BENCHMARK,
    HIGHER,
    LOWER,
    MEASUREMENTS,
    TRAINING,
    Measurement,
    charts,
    measurement,
)
from anime_pipeline.core.runs import METRICS_FILE, list_runs, read_metrics
from anime_pipeline.reports import curves
from anime_pipeline.reports.benchmark import run_benchmark
from anime_pipeline.reports.benchmark_page import as_document, as_html, as_markdown


@pytest.fixture
def toy(monkeypatch):
    """The two files of a new metric: its functions, and its entries."""
    module = ModuleType("anime_pipeline.metrics.toy")
    module.redness = lambda real, fake: float(fake[..., 0].mean() - real[..., 0].mean())
    module.largest = lambda hr, result: float(np.abs(hr.astype(int) - result).max())
    monkeypatch.setitem(sys.modules, module.__name__, module)
    of_training = Measurement(
        "toy_redness", "Redness of toys", "How much redder toys are.", "Toys", "{:.1f} reds",
        HIGHER, headline=True, function="toy:redness",
    )  # fmt: skip
    of_benchmark = Measurement(
        "toy_largest", "Largest toy", "the largest error", format="{:.0f}", direction=LOWER,
        headline=True, kind=BENCHMARK, function="toy:largest",
    )  # fmt: skip
    for one in (of_training, of_benchmark):
        monkeypatch.setitem(MEASUREMENTS, one.key, one)


def test_a_new_metric_of_training_is_shown_everywhere(toy, drawn, cli, tmp_path):
    for _ in range(2):
        assert cli(*FAST, "--data", drawn, "--steps", 20, "--no-feature-critic").code == 0
    checkpoints = tmp_path / "checkpoints"
    first, second = list_runs(checkpoints / "dcgan")
    rows = read_metrics(first / METRICS_FILE)
    value = [row["toy_redness"] for row in rows if "toy_redness" in row]
    names = [f"dcgan/{run.name}" for run in (first, second)]
    compared = cli("runs", "compare", *names, "--json").json["measured"]
    assert compared["toy_redness"][0] == value[-1]
    assert "toy_redness" in cli("runs", "compare", *names).stdout

    report = (first / "report.html").read_text()
    for text in ("Redness of toys", f"{value[-1]:.1f} reds", "How much redder toys are.", HIGHER):
        assert text in report
    drawn_curves = {first.name: curves.curves(rows)}
    titles = [title for title, _, _ in curves._panels(drawn_curves)]
    assert "Toys" in titles and "Losses" in titles and curves.plot_curves(drawn_curves)

    client = make_app(checkpoints).test_client()
    document = client.get(f"/api/v1/runs/dcgan/{first.name}").json
    assert (
        document["metrics"]["toy_redness"] == value[-1] == document["curves"]["toy_redness"][-1][1]
    )
    (told,) = (row for row in document["measured"] if row["name"] == "toy_redness")
    assert told["label"] == "Redness of toys" and told["value"] == f"{value[-1]:.1f} reds"
    assert "Redness of toys" in client.get(f"/training/dcgan/{first.name}").text


def test_runs_are_compared_by_what_chooses_the_shipped_snapshot(cli, tmp_path):
    names = [f"{number}-cpu" for number in (1, 2)]
    for distance, name in enumerate(names, start=1):
        make_run(tmp_path / "runs", name, rows=[{"step": 5, "kid_val": distance / 100}])
    call = ("runs", "compare", *(f"dcgan/{name}" for name in names), "--checkpoints", "runs")
    assert cli(*call, "--json").json["measured"]["kid_val"] == [0.01, 0.02]
    assert "kid_val" in cli(*call).stdout
    assert "kid_val 0.01" in cli("runs", "list", "--checkpoints", "runs").stdout


def test_a_new_metric_of_a_benchmark_is_a_column_everywhere(toy):
    images = faces(3)
    result = run_benchmark(images, list("abc"), ["area"], {"same": lambda _: images})
    summary = result.summary.set_index("method")["toy_largest"]
    assert summary["same"] == 0 < summary["bicubic"] and "toy_largest" in result.per_image
    document = as_document(result)
    assert document["metrics"]["toy_largest"]["protocol"] == "the largest error"
    assert "toy_largest" in {row["metric"] for row in document["paired"]}
    for text in (as_markdown(result), as_html(result)):
        assert "Largest toy\u00a0↓" in text and "the largest error" in text


def test_entries_agree_with_each_other():
    for key, one in MEASUREMENTS.items():
        assert key == one.key and one.label and (one.kind != TRAINING or one.meaning)
        assert not one.beside or one.beside in MEASUREMENTS
        assert not one.function or callable(one.load())
        assert one.text(0.5) and one.text(1e300) and one.text(-(10**300)) and one.text(True)
    assert sum(map(len, charts().values())) == sum(
        one.kind == TRAINING and bool(one.group) for one in MEASUREMENTS.values()
    )
    unknown = measurement("of_another_version")
    assert (unknown.label, unknown.text(1234.5)) == ("of_another_version", "1,234")


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("accuracy_fake", 0.7, "70.0%"),
        ("val_psnr_db", 25.0, "25.00 dB"),
        ("kid_val", 0.03125, "0.0312"),
        ("images_per_second", 1234.5, "1,234"),
        ("val_images", 256, "256"),
        ("loss_d", 12345.6, "12,346"),
    ],
)
def test_values_are_written_as_people_read_them(key, value, text):
    assert measurement(key).text(value) == text


def test_the_best_is_told_by_the_direction():
    values = [0.2, float("nan"), 0.1, 0.3]
    assert measurement("kid_val").best(values) == 0.1
    assert measurement("val_psnr_db").best(values) == 0.3
    assert np.isnan(measurement("kid_val").best([float("nan")]))
