"""Models that can be asked for: broken and strange ones, and which weights an ETag stands for."""

import json
import logging
import re
import shutil

import numpy as np
import pytest
from test_web_api import API, JSON, refused

from anime_pipeline.models.weights import DESCRIPTION
from anime_pipeline.models.zoo import find_weights
from anime_pipeline.web.app import create_app
from anime_pipeline.web.models.catalogue import FaceGenerator
from anime_pipeline.web.models.jobs import Job
from anime_pipeline.web.services import EXTENSION
from anime_pipeline.web.serving.settings import Settings

SHIPPED = find_weights("dcgan", "dcgan-generator")


@pytest.fixture
def served(tmp_path):
    """Make apps that serve the runs of a folder, and stop them in the end."""
    apps = []

    def serve(**settings):
        apps.append(create_app(Settings(checkpoints=tmp_path / "checkpoints", **settings)))
        return apps[-1].test_client()

    yield serve
    for one in apps:
        assert one.extensions[EXTENSION].worker.stop(20)


@pytest.fixture
def run(tmp_path):
    """A run folder with the shipped generator."""
    folder = tmp_path / "checkpoints" / "dcgan" / "1-cpu"
    folder.mkdir(parents=True)
    shutil.copy(SHIPPED, folder / "generator.npz")
    (folder / "config.json").write_text(json.dumps({"config": {"steps": 1}, "preset": "cpu"}))
    return folder


def rewrite(path, change):
    """Change the arrays of a weights file, or its description under the name of that."""
    with np.load(SHIPPED) as file:
        arrays = dict(file)
    description = json.loads(arrays.pop(DESCRIPTION).tobytes())
    change(arrays, description)
    arrays[DESCRIPTION] = np.frombuffer(json.dumps(description).encode(), np.uint8)
    np.savez(path, **arrays)


STRANGE = {
    "nonsense": None,
    "an array less": lambda arrays, _: arrays.pop("style/kernel"),
    "another shape": lambda arrays, _: arrays.update({"style/bias": np.zeros(3, np.float16)}),
    "another kind": lambda _, description: description.update(kind="srgan-generator"),
    "a later format": lambda _, description: description.update(format=99),
    "a strange size": lambda _, description: description["config"].update(image_size="large"),
    "no settings": lambda _, description: description.update(config=[1, 2]),
    "strange wishes": lambda _, description: description["config"].update(condition="wings"),
    "a table less": lambda arrays, _: arrays.pop("condition/table"),
}


@pytest.mark.parametrize("name", STRANGE)
def test_a_model_that_cannot_be_used_is_marked_and_refused(served, run, tmp_path, name, caplog):
    if STRANGE[name] is None:
        (run / "generator.npz").write_bytes(b"nonsense")
    else:
        rewrite(run / "generator.npz", STRANGE[name])
    client = served()
    for _ in range(2):
        answer = client.get(f"{API}/generate?model=dcgan/1-cpu&size=32")
        document = refused(answer, 409, "dcgan/1-cpu", "Choose another")
        assert "Retry-After" not in answer.headers, "to wait does not help"
        assert str(tmp_path) not in document["detail"] and "checkpoints" not in document["detail"]
        listed = client.get(f"{API}/models")
        [_, model] = listed.get_json()["models"]
        assert model["name"] == "dcgan/1-cpu" and model["error"] and not model["weights"]
        assert str(tmp_path) not in listed.text
    assert sum(record.levelno >= logging.WARNING for record in caplog.records) == 1
    assert client.get(f"{API}/generate?size=32").status_code == 200
    page = client.get("/studio?model=dcgan/1-cpu")
    assert page.status_code == 409 and str(tmp_path) not in page.text
    # It is looked at again once it is another file.
    shutil.copy(SHIPPED, run / "generator.npz")
    assert client.get(f"{API}/generate?model=dcgan/1-cpu&size=32").status_code == 200
    assert client.get(f"{API}/models").get_json()["models"][1]["error"] is None


def test_a_model_that_only_fails_when_it_is_loaded_is_marked_from_then_on(
    served, run, monkeypatch, tmp_path
):
    client = served()
    assert client.get(f"{API}/models").get_json()["models"][1]["error"] is None
    loads = []

    def load(path):
        loads.append(path)
        raise KeyError(str(path))

    monkeypatch.setattr(FaceGenerator, "load", load)
    for _ in range(3):
        answer = client.get(f"{API}/generate?model=dcgan/1-cpu")
        refused(answer, 409, "not what they say")
        assert str(tmp_path) not in answer.text
    assert len(loads) == 1, "it is not loaded again and again"
    assert client.get(f"{API}/models").get_json()["models"][1]["error"]


def test_a_model_whose_file_went_away_is_told_without_its_path(served, run, tmp_path, monkeypatch):
    client = served()
    catalogue = client.application.extensions[EXTENSION].catalogue
    listed = catalogue._runs()
    monkeypatch.setattr(catalogue, "_runs", lambda: listed)  # it goes just after it was listed
    (run / "generator.npz").unlink()
    answer = client.get(f"{API}/generate?model=dcgan/1-cpu")
    refused(answer, 409, "are gone")
    models = client.get(f"{API}/models")
    assert "are gone" in models.get_json()["models"][1]["error"]
    assert str(tmp_path) not in answer.text + models.text


def test_an_etag_stands_for_all_weights_that_draw(served, run):
    def etag(client, query):
        return client.get(f"{API}/generate?seed=3&{query}").headers["ETag"]

    client, own = served(), "model=dcgan/1-cpu"
    assert etag(client, "size=128") == etag(client, "size=128"), "nothing else decides"
    assert etag(client, "realism=0.5") != etag(client, "realism=0.55")
    before = etag(client, own)
    rewrite(run / "generator.npz", lambda arrays, _: arrays.update(
        {"style/bias": arrays["style/bias"] * np.float16(0.5)}
    ))  # fmt: skip
    assert etag(client, own) != before, "the run has exported another one"


def test_an_etag_changes_with_the_upscaler(served, tmp_path):
    path = tmp_path / "mine.npz"
    shutil.copy(find_weights("fidelity", "srgan-generator"), path)
    tags = [
        client.get(f"{API}/generate?seed=3&realism=0").headers["ETag"]
        for client in (served(), served(upscaler=str(path)))
    ]
    assert tags[0] != tags[1]


@pytest.mark.parametrize("written", ["Pink", "PINK", "pInK"])
def test_colours_can_be_written_in_any_case(client, written):
    plain = client.get(f"{API}/generate?hair=pink&size=32", headers=JSON)
    found = client.get(f"{API}/generate?hair={written}&size=32", headers=JSON)
    assert found.status_code == 200 and found.data == plain.data
    assert found.headers["ETag"] == plain.headers["ETag"]
    assert client.get(f"/?start=1&hair={written}").text == client.get("/?start=1&hair=pink").text
    as_body = client.post(f"{API}/generate", json={"seeds": [1], "skin": "Random", "size": 32})
    assert as_body.status_code == 200


@pytest.mark.parametrize("written", ["pinkk", "pink ", "ｐink", "#12345", "#ABCG", "ran dom", ""])
def test_what_is_no_colour_is_told_which_there_are(client, written):
    answer = client.get(f"{API}/generate", query_string={"hair": written})
    document = refused(answer, 422, "hair", "#rrggbb", "blonde")
    assert "[" not in document["detail"], "people read no patterns"
    described = client.get(f"{API}/openapi.json").get_json()
    [pattern] = [
        one["schema"]["pattern"]
        for one in described["paths"][f"{API}/generate"]["get"]["parameters"]
        if one["name"] == "hair"
    ]
    assert not re.search(pattern, written) and re.search(pattern, "BLONDE")


def test_the_longest_journey_is_as_long_as_the_document_says(app, client, monkeypatch):
    from anime_pipeline import FaceSpec
    from anime_pipeline.web.api.faces import models_for
    from anime_pipeline.web.api.requests import (
        MOST_FRAMES,
        MOST_PICTURES,
        MOST_STOPS,
        InterpolateBody,
    )

    stops = [{"seed": seed} for seed in range(MOST_STOPS)]
    asked = InterpolateBody(stops=stops, frames=MOST_FRAMES, loop=True)
    pipeline, size, _ = models_for(app.extensions[EXTENSION].catalogue, asked, asked.size)
    faces = [FaceSpec(stop.seed) for stop in asked.stops]
    pairs = zip(*pipeline.interpolate(faces, asked.frames, asked.loop), strict=True)
    jobs = [Job(pipeline, *pair, size) for pair in pairs]
    assert len(jobs) == sum(job.cost for job in jobs) == MOST_PICTURES
    described = client.get(f"{API}/openapi.json").get_json()
    frames = described["components"]["schemas"]["InterpolateBody"]["properties"]["frames"]
    assert frames["maximum"] == MOST_FRAMES and f"{MOST_PICTURES} in all" in frames["description"]
    limits = client.get(f"{API}/models").get_json()["limits"]
    assert limits["stops"] * limits["frames"] == MOST_PICTURES
