"""Eyes and the length of hair over HTTP, and pages of models that know nothing of them."""

import shutil

import numpy as np
import pytest
from test_web_api import API, JSON, refused
from web import decoded

from anime_pipeline.web.api.openapi import document
from anime_pipeline.web.app import API as ENDPOINTS

WISH = "eyes=blue&length=short"


@pytest.fixture
def old(made, asked_weights, tmp_path):
    """A client of a server whose weights know of hair and skin alone."""
    path = tmp_path / "old.npz"
    shutil.copy(asked_weights, path)
    return made(checkpoint=str(path)).test_client()


def test_a_face_is_that_of_the_command_line_and_says_what_it_was_asked(client, cli, tmp_path):
    made = cli("generate", "--seed", 5, "--eyes", "blue", "--hair-length", "short", "--json").json
    answer = client.get(f"{API}/generate?seed=5&size=32&{WISH}")
    file = tmp_path / "outputs" / made["faces"][0]["file"]
    difference = np.abs(decoded(answer.data).astype(int) - decoded(file.read_bytes()))
    assert difference.max() <= 1
    said = client.get(f"{API}/generate?seed=5&size=32&{WISH}", headers=JSON).get_json()["faces"][0]
    assert (said["eyes"], said["length"]) == ("blue", "short")
    assert "eyes=blue&length=short" in said["url"]
    np.testing.assert_array_equal(decoded(client.get(said["url"]).data), decoded(answer.data))


@pytest.mark.parametrize("written", ["BLUE", "Blue"])
def test_words_in_any_case(client, written):
    faces = [
        client.get(f"{API}/generate?seed=5&size=32&eyes={word}", headers=JSON).get_json()["faces"]
        for word in ("blue", written)
    ]
    assert faces[0] == faces[1]
    plain = client.get(f"{API}/generate?seed=5&size=32&eyes=random&length=RANDOM", headers=JSON)
    assert plain.get_json()["faces"][0]["image"] != faces[0][0]["image"]


def test_what_is_no_word_is_told_which_there_are(client):
    refused(client.get(f"{API}/generate?eyes=plaid"), 422, "eyes", "aqua, black, blue", "yellow")
    refused(client.get(f"{API}/interpolate?seeds=1,2&length=medium"), 422, "random, long, short")
    body = {"stops": [{"seed": 1, "eyes": "red"}, {"seed": 2, "eyes": 3}]}
    refused(client.post(f"{API}/interpolate", json=body), 422, "stops.1.eyes")


def test_a_journey_goes_from_eyes_to_eyes(client):
    stops = [{"seed": 5, "eyes": "red"}, {"seed": 5, "eyes": "blue"}]
    body = {"stops": stops, "frames": 2, "size": 32}
    frames = client.post(f"{API}/interpolate", json=body).get_json()["frames"]
    assert len(frames) == len(set(frames)) == 3
    fixed = client.get(f"{API}/interpolate?seeds=5,5&frames=1&size=32&eyes=red", headers=JSON)
    assert set(fixed.get_json()["frames"]) == {frames[0]}


def test_the_document_names_the_words():
    parameters = document(ENDPOINTS)["paths"][f"{API}/generate"]["get"]["parameters"]
    by_name = {one["name"]: one["schema"] for one in parameters}
    assert by_name["length"]["x-forms"] == ["random", "long", "short"]
    assert len(by_name["eyes"]["x-forms"]) == 12
    assert list(by_name)[:6] == ["seed", "count", "hair", "skin", "eyes", "length"]


def test_pages_have_the_pickers_and_what_an_address_asks_for(client):
    wall = client.get(f"/?start=5&{WISH}").text
    assert wall.count(f"seed=7&amp;{WISH.replace('&', '&amp;')}") == 2  # picture and studio
    studio = client.get(f"/studio?seed=5&{WISH}").text
    for page in (wall, studio):
        assert 'value="blue" data-colour="#487ad0" checked' in page
        assert '<input type="radio" name="length" value="short" checked>' in page
    assert 'data-picker="eyes"' in studio and 'data-picker="length"' in studio
    assert "Wishes: hair, skin and eyes" in client.get("/how").text


def test_weights_that_know_nothing_of_eyes_show_no_picker(old):
    model = old.get(f"{API}/models").get_json()["models"][0]
    assert model["attributes"] == ["hair", "skin"]
    for path in (f"/?start=5&{WISH}", f"/studio?seed=5&{WISH}"):
        page = old.get(path).text
        assert 'name="hair"' in page and 'name="eyes"' not in page and 'name="length"' not in page
        assert "eyes=blue" not in page, "nor is a picture asked for that cannot be drawn"
    assert "No say over the mood" in old.get("/how").text
    refused(old.get(f"{API}/generate?eyes=blue"), 422, "eyes", "hair, skin, Hat")
