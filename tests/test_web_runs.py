"""Training runs over HTTP: listed, shown, refreshed; damaged and hostile ones harm nothing."""

import html
import json
import re
from pathlib import Path

import jinja2
import jsonschema_rs
import numpy as np
import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from anime_pipeline.core import runs as core_runs
from anime_pipeline.core.runs import locked, read_metrics
from anime_pipeline.core.samples import list_samples
from anime_pipeline.reports.curves import thinned
from anime_pipeline.web.api.openapi import document
from anime_pipeline.web.app import API
from anime_pipeline.web.pages.runs import ENDPOINTS, FoundRun, blueprint, read_document

CONFIG = {"steps": 100, "batch_size": 8, "image_size": 32, "loss": "bce"}
WARNING = "step 40: memorising: It knows the training pictures by heart. Add pictures.\n"


def make_run(folder: Path, config=None, rows=(), epochs=(), warnings="") -> Path:
    (folder / "samples").mkdir(parents=True)
    facts = {"config": config or CONFIG, "preset": "cpu", "data": ["/home/somebody/faces"]}
    (folder / "config.json").write_text(json.dumps(facts))
    with (folder / "metrics.jsonl").open("w") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    for epoch in epochs:
        Image.new("RGB", (16, 16), (epoch % 256, 0, 0)).save(
            folder / "samples" / f"epoch_{epoch:04d}.png"
        )
    if warnings:
        (folder / "warnings.log").write_text(warnings)
    return folder


def make_app(checkpoints: Path) -> Flask:
    app = Flask("anime_pipeline.web")
    app.config.update(CHECKPOINTS=checkpoints, TESTING=True)
    app.jinja_env.undefined = jinja2.StrictUndefined
    app.add_template_global(lambda name: f"/static/{name}", "asset")
    # The frame that all pages share links pages of other blueprints.
    app.jinja_env.globals |= {
        "version": "0",
        "site": None,
        "address": "/{}".format,
        "url_for": lambda endpoint, **_: f"/{endpoint}",
    }
    app.register_blueprint(blueprint)
    app.register_blueprint(ENDPOINTS.blueprint())
    return app


def described(name: str, answer: object) -> None:
    """Check an answer against what the OpenAPI document says of it."""
    schema = {"$ref": f"#/components/schemas/{name}", "components": document(API)["components"]}
    jsonschema_rs.validator_for(schema).validate(answer)


@pytest.fixture
def checkpoints(tmp_path) -> Path:
    rows = [
        {"step": step, "epoch": step // 10 + 1, "loss_d": 1 / step, "images_per_second": 40.0}
        for step in range(10, 60, 10)
    ]
    rows[-1] |= {"accuracy_real_train": 0.7, "accuracy_fake": 0.8, "kid_val": 0.4}
    make_run(tmp_path / "dcgan/1-cpu", rows=rows, epochs=(0, 3, 12), warnings=WARNING)
    make_run(tmp_path / "dcgan/2-cpu")
    config = {"fidelity_steps": 30, "adversarial_steps": 20, "batch_size": 4, "scale": 4}
    make_run(tmp_path / "srgan/10-cpu", config, [{"step": 50, "val_psnr_db": 25.0}])
    return tmp_path


@pytest.fixture
def client(checkpoints):
    return make_app(checkpoints).test_client()


def test_runs_are_listed_with_what_they_are_and_measured(client, checkpoints):
    with locked(checkpoints / "dcgan/1-cpu"):
        found = client.get("/api/v1/runs").json["runs"]
        assert 'data-live="5"' in client.get("/training").text
    assert [run["name"] for run in found] == ["dcgan/2-cpu", "dcgan/1-cpu", "srgan/10-cpu"]
    assert [run["state"] for run in found] == ["new", "training", "complete"]
    run = found[1]
    assert (run["step"], run["total_steps"], run["epoch"]) == (50, 100, 6)
    assert run["metrics"]["kid_val"] == 0.4 and run["seconds_left"] == 50 * 8 / 40
    assert run["latest_sample"] == "/runs/dcgan/1-cpu/samples/epoch_0012.png"
    assert run["warnings"] == [WARNING.strip()] and found[0]["latest_sample"] is None
    assert "data-live=" not in client.get("/training").text


def test_a_run_is_told_with_samples_curves_and_settings(client):
    run = client.get("/api/v1/runs/dcgan/1-cpu").json
    described("RunDetails", run)
    assert [sample["epoch"] for sample in run["samples"]] == [0, 3, 12]
    assert run["curves"]["loss_d"][0] == [10, 0.1] and len(run["curves"]["kid_val"]) == 1
    assert run["config"] == CONFIG and "/home/somebody" not in json.dumps(run)
    assert "commands" not in run, "which name folders of the server"
    assert {row["name"]: row["value"] for row in run["measured"]}["kid_val"] == "0.4"
    page = client.get("/training/dcgan/1-cpu").text
    for text in (
        "Discriminator accuracy",
        "memorising</code>",
        "Level",
        "--resume",
        "KID, to compare runs",
    ):
        assert text in page
    assert '<th scope="row">KID, to compare runs' in page
    assert '<th scope="row">PSNR' not in page and len(re.findall(r"data-chart [^>]* hidden>", page))


def test_the_pages_answer_without_runs(tmp_path):
    client = make_app(tmp_path / "nowhere").test_client()
    assert client.get("/api/v1/runs").json == {"runs": []}
    assert "anime-pipeline train-dcgan --data my-faces" in client.get("/training").text
    (tmp_path / "dcgan").write_text("a file")
    assert make_app(tmp_path).test_client().get("/training").status_code == 200


def test_what_did_not_change_is_not_sent_again(client, checkpoints):
    for url in ("/training", "/api/v1/runs", "/api/v1/runs/dcgan/1-cpu", "/training/dcgan/1-cpu",
                "/runs/dcgan/1-cpu/samples/epoch_0012.png"):  # fmt: skip
        first = client.get(url)
        assert first.status_code == 200 and first.headers["Cache-Control"] == "no-cache"
        again = client.get(url, headers={"If-None-Match": first.headers["ETag"]})
        assert again.status_code == 304 and not again.data
        first.close()
    with (checkpoints / "dcgan/1-cpu/metrics.jsonl").open("a") as file:
        file.write('{"step": 60, "loss_d": 0.5}\n')
    etag = {"If-None-Match": client.get("/api/v1/runs").headers["ETag"]}
    assert client.get("/api/v1/runs", headers=etag).status_code == 304


def test_a_log_that_did_not_change_is_not_read_again(client, checkpoints, monkeypatch):
    read = []

    def counted(path):
        read.append(path)
        return read_metrics(path)

    monkeypatch.setattr(core_runs, "read_metrics", counted)
    urls = ("/training", "/api/v1/runs", "/api/v1/runs/dcgan/1-cpu", "/training/dcgan/1-cpu")
    for _ in range(3):
        for url in urls:
            client.get(url)
    log = checkpoints / "dcgan/1-cpu/metrics.jsonl"
    assert read.count(log) == 2, "once for the last values, once for the curves"
    with log.open("a") as file:
        file.write('{"step": 60, "loss_d": 0.5}\n')
    found = client.get("/api/v1/runs/dcgan/1-cpu").json
    assert found["metrics"]["loss_d"] == 0.5 and found["curves"]["loss_d"][-1] == [60, 0.5]
    assert read.count(log) == 4
    with locked(checkpoints / "dcgan/1-cpu"):  # which changes nothing of the log
        assert client.get("/api/v1/runs/dcgan/1-cpu").json["state"] == "training"
    log.unlink()
    assert client.get("/api/v1/runs/dcgan/1-cpu").json["curves"] == {}


def test_samples_are_only_what_the_run_drew(client, checkpoints):
    folder = checkpoints / "dcgan/1-cpu/samples"
    (folder / "notes.png").write_bytes(b"mine")
    (folder / "epoch_0007.png").symlink_to(checkpoints / "dcgan/1-cpu/config.json")
    (folder / "epoch_0008.png").mkdir()
    (folder / "epoch_\u0663\u0663\u0663\u0663.png").write_bytes(b"digits of another script")
    assert list_samples(folder.parent) == [0, 3, 12]
    url = "/runs/dcgan/1-cpu/samples/"
    with client.get(url + "epoch_0003.png") as response:
        assert response.mimetype == "image/png"
        assert response.data == (folder / "epoch_0003.png").read_bytes()
    for name in ("notes.png", "epoch_0007.png", "epoch_0008.png", "epoch_3.png", "epoch_0004.png",
                 "..%2f..%2fconfig.json", "epoch_\u0663\u0663\u0663\u0663.png"):  # fmt: skip
        assert client.get(url + name).status_code == 404, name


HOSTILE = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        [
            "..",
            ".",
            "../..",
            "..%2f..",
            "%00",
            "1-cpu\x00",
            "1-cpu/",
            "/etc/passwd",
            "1-CPU",
            "*",
            "~",
            "\\..\\",
            "1-cpu%0d%0a",
            "%ff",
            "epoch_0003.png/..",
            "CON",
            "1-cpu ",
            "A" * 3000,
        ]
    ),  # fmt: skip
)


@settings(
    max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(stage=HOSTILE | st.just("dcgan"), name=HOSTILE | st.just("1-cpu"), file=HOSTILE)
def test_hostile_names_find_nothing(client, checkpoints, stage, name, file):
    for url in (
        f"/training/{stage}/{name}", f"/api/v1/runs/{stage}/{name}",
        f"/runs/{stage}/{name}/samples/{file}",
    ):  # fmt: skip
        try:
            response = client.get(url)
        except (UnicodeError, ValueError):
            continue  # no client can even ask for it
        assert response.status_code in (200, 308, 400, 404, 405)
        if response.status_code == 200:
            assert (stage, name) == ("dcgan", "1-cpu") or response.request.path in (
                "/training", "/api/v1/runs", "/training/dcgan/1-cpu", "/api/v1/runs/dcgan/1-cpu"
            )  # fmt: skip


def damage_nan(folder):
    (folder / "config.json").write_text('{"config": {"steps": 9, "x": NaN}, "preset": "cpu"}')


def damage_half(folder):
    (folder / "config.json").write_text('{"config": {"ste')


def damage_deep(folder):
    deep = "[" * 900 + "]" * 900
    (folder / "config.json").write_text(f'{{"config": {{"steps": 9, "x": {deep}}}, "preset": 1}}')


def damage_types(folder):
    (folder / "config.json").write_text(
        '{"config": {"steps": 1e300, "batch_size": {}, "image_size": [{}]}, "preset": [null]}'
    )
    (folder / "metrics.jsonl").write_text('{"step": 3, "images_per_second": 1e-320}\n')


def damage_text(folder):
    (folder / "config.json").write_text(
        '{"config": {"steps": 9, "\\ud800": "\\udfff", "<script>": "<b>"}, "preset": "\\ud801"}'
    )
    (folder / "warnings.log").write_bytes(b"\xff\xfe<script>alert(1)</script>\n")


def damage_numbers(folder):
    row = {"step": -5, "loss_d": 10**308, "accuracy_fake": -3, "accuracy_real_train": 7,
           "val_images": 10**300, "kid_val": True, "epoch": 1.5}  # fmt: skip
    (folder / "metrics.jsonl").write_text(json.dumps(row) + "\n[1]\n\xff")


@pytest.mark.parametrize(
    "damage",
    [damage_nan, damage_half, damage_deep, damage_types, damage_text, damage_numbers],
)
def test_a_damaged_run_is_listed_and_breaks_nothing(client, checkpoints, damage):
    damage(checkpoints / "dcgan/2-cpu")
    with locked(checkpoints / "dcgan/2-cpu"):
        text = client.get("/api/v1/runs").text
        assert "NaN" not in text and str(checkpoints) not in text
        listed = {run["name"]: run for run in json.loads(text)["runs"]}
        assert len(listed) == 3 and listed["dcgan/1-cpu"]["state"] == "stopped"
        described("Runs", json.loads(text))
        page = client.get("/training")
        assert page.status_code == 200 and "dcgan/2-cpu" in page.text
        one = client.get("/api/v1/runs/dcgan/2-cpu")
        assert one.status_code == 200
        described("RunDetails", one.json)
        shown = client.get("/training/dcgan/2-cpu")
        assert shown.status_code == 200 and "<script>" not in shown.text
    if listed["dcgan/2-cpu"]["state"] == "damaged":
        assert one.json["samples"] == [] and one.json["error"] in html.unescape(shown.text)


def test_a_folder_of_an_odd_name_is_shown(client, checkpoints):
    odd = checkpoints / "dcgan" / "3-\udcff<b>"
    make_run(odd, epochs=(1,))
    listed = client.get("/api/v1/runs").json["runs"][0]
    assert listed["name"] == "dcgan/3-?<b>"
    assert "3-?&lt;b&gt;" in client.get("/training").text
    assert client.get("/training/dcgan/3-%3F%3Cb%3E").status_code == 200
    with client.get(listed["latest_sample"]) as response:
        assert response.status_code == 200


def test_curves_are_thinned_without_losing_their_peaks():
    values = np.random.default_rng(0).normal(size=5000).tolist()
    values[1234], values[4321] = 99.0, -99.0
    points = [[step, value] for step, value in enumerate(values)]
    kept = thinned(points)
    assert 400 < len(kept) <= 500 and kept == sorted(kept)
    assert kept[0] == points[0] and kept[-1] == points[-1]
    assert [1234, 99.0] in kept and [4321, -99.0] in kept
    assert thinned(points[:500]) == points[:500]


def test_the_document_of_a_folder_that_vanished_says_so(tmp_path):
    found = read_document(FoundRun("dcgan", "9-cpu", tmp_path / "9-cpu"), full=True)
    assert found["state"] == "damaged" and str(tmp_path) not in found["error"]
