"""The API: the same faces as the command line, caching, every refusal in words."""

import base64
import io
import json
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from web import decoded, picture_bytes, upload, wait_until

from anime_pipeline.images.decoding.decoder import Decoder
from anime_pipeline.images.marks import picture_text
from anime_pipeline.web.api.requests import MAX_JSON_BYTES

API = "/api/v1"
JSON = {"Accept": "application/json"}


def picture_of(face):
    return decoded(base64.b64decode(face["image"].split(",", 1)[1]))


def refused(response, status, *words):
    """Check that an answer is a problem document that says something."""
    assert response.status_code == status, response.data[:300]
    assert response.content_type == "application/problem+json"
    document = response.get_json()
    assert document["status"] == status and document["title"] and document["detail"].endswith(".")
    for word in words:
        assert word in json.dumps(document)
    return document


def test_a_face_is_the_one_that_the_command_line_draws(client, cli, tmp_path):
    cli("generate", "--seed", "5-7", "--hair", "pink", "--upscale", "--out", "faces")
    for seed in (5, 6, 7):
        answer = client.get(f"{API}/generate?seed={seed}&hair=pink")
        assert answer.status_code == 200 and answer.content_type == "image/png"
        path = next((tmp_path / "faces").glob(f"face_{seed:06d}_128*.png"))
        with Image.open(path) as picture:
            theirs = np.asarray(picture).astype(int)
        assert np.abs(decoded(answer.data) - theirs).max() <= 1
        made = tmp_path / "web.png"
        made.write_bytes(answer.data)
        assert picture_text(made) == picture_text(path), "known by the same entries"


def test_a_neighbour_is_the_one_that_the_command_line_draws(client, cli, tmp_path):
    cli("variations", "--seed", 9, "--strength", 0.4, "-n", 3, "--out", "near")
    answer = client.get(f"{API}/generate?seed=9&variation=2&strength=0.4&size=32")
    with Image.open(tmp_path / "near" / "variation_000009_002_32.png") as picture:
        assert np.abs(decoded(answer.data) - np.asarray(picture).astype(int)).max() <= 1


@pytest.mark.parametrize("size", [32, 128, 512])
def test_sizes(client, size):
    assert decoded(client.get(f"{API}/generate?size={size}").data).shape == (size, size, 3)


def test_the_same_face_whoever_else_is_in_the_batch(client):
    alone = picture_of(client.get(f"{API}/generate?seed=3", headers=JSON).get_json()["faces"][0])
    many = client.post(f"{API}/generate", json={"seeds": [11, 3, 7, 3]}).get_json()["faces"]
    assert [face["seed"] for face in many] == [11, 3, 7, 3]
    for face in (many[1], many[3]):
        assert np.abs(picture_of(face) - alone.astype(int)).max() <= 1


def test_json_says_what_is_shown_and_where_to_find_it_again(client):
    answer = client.get(f"{API}/generate?seed=7&count=2&hair=pink&truncation=0.8", headers=JSON)
    document = answer.get_json()
    assert document["size"] == 128 and len(document["weights"]) == 16
    for index, face in enumerate(document["faces"]):
        assert face["seed"] == 7 + index and face["hair"] == "#db7787"
        assert face["skin"].startswith("#")
        again = client.get(face["url"])
        assert "immutable" in again.headers["Cache-Control"]
        assert np.array_equal(decoded(again.data), picture_of(face))


def test_several_faces_as_one_picture(client):
    answer = client.get(f"{API}/generate?seed=2&count=5&size=32")
    assert decoded(answer.data).shape == (36, 5 * 34 + 2, 3)
    sheet = client.post(f"{API}/generate", json={"seeds": [4, 5]}, headers={"Accept": "image/png"})
    assert sheet.content_type == "image/png"


def test_who_has_the_picture_already_is_told_so_without_drawing(client, app, monkeypatch):
    path = f"{API}/generate?seed=21"
    first = client.get(path)
    etag = first.headers["ETag"]
    worker = app.extensions["anime_pipeline"].worker
    monkeypatch.setattr(worker, "_compute", lambda _: pytest.fail("it drew"))
    again = client.get(path, headers={"If-None-Match": etag})
    assert again.status_code == 304 and not again.data and again.headers["ETag"] == etag
    monkeypatch.undo()
    for other in ("seed=22", "seed=21&hair=pink", "seed=21&size=32", "seed=21&realism=0"):
        answer = client.get(f"{API}/generate?{other}", headers={"If-None-Match": etag})
        assert answer.status_code == 200 and answer.headers["ETag"] != etag
    as_json = client.get(path, headers=JSON | {"If-None-Match": etag})
    assert as_json.status_code == 200 and as_json.headers["ETag"] != etag


def test_a_link_made_for_other_weights_is_refused(client):
    served = client.get(f"{API}/models").get_json()["models"][0]["weights"]
    assert client.get(f"{API}/generate?weights={served[:8]}&size=32").status_code == 200
    refused(client.get(f"{API}/generate?weights=0123456789abcdef"), 409, served, "Leave weights")


@pytest.mark.parametrize(
    "query,word",
    [
        ("seed=-1", "seed"),
        ("seed=x", "seed"),
        (f"seed={2**63}", "seed"),
        ("hair=mauveish", "hair"),
        ("skin=%23gggggg", "skin"),
        ("size=64", "32, 128, 512"),
        ("truncation=nan", "truncation"),
        ("realism=1.01", "realism"),
        ("count=33", "count"),
        ("seed=1&seed=2", "given more than once"),
        ("colour=red", "colour"),
        ("weights=xyz", "weights"),
        ("strength=2", "strength"),
    ],
)
def test_wrong_parameters_are_named(client, query, word):
    document = refused(client.get(f"{API}/generate?{query}"), 422, word)
    assert document["errors"][0]["parameter"]


def test_all_wrong_parameters_are_named_at_once(client):
    found = refused(client.get(f"{API}/generate?seed=-1&realism=7&nonsense=1"), 422)["errors"]
    assert {one["parameter"] for one in found} == {"seed", "realism", "nonsense"}


def test_bodies_that_are_no_requests(client):
    def send(body, kind="application/json"):
        return client.post(f"{API}/generate", data=body, content_type=kind)

    refused(send(b"{"), 400, "not JSON")
    refused(send(b"\xff\xfe"), 400)
    refused(send(b"[" * 20_000 + b"]" * 20_000), 400)
    refused(send(b'{"truncation": NaN}'), 400, "NaN")
    refused(send(b"[]"), 422)
    refused(send(b'{"seeds": ["1"]}'), 422, "seeds.0")
    refused(send(b'{"seeds": [true]}'), 422)
    refused(send(b'{"seeds": []}'), 422)
    refused(send(b"{}", "text/plain"), 415, "application/json")
    refused(send(b"{" + b" " * MAX_JSON_BYTES + b"}"), 413)
    assert send(b'{"seeds": [7.0], "size": 32}').status_code == 200, "7.0 is whole in JSON"


def test_what_is_not_there(client):
    refused(client.get(f"{API}/nothing"), 404)
    refused(client.get(f"{API}/generate?model=../../etc/passwd"), 404, "/api/v1/models")
    refused(client.get(f"{API}/upscale/no-such-ticket"), 404, "ticket")
    gone = client.delete(f"{API}/generate")
    refused(gone, 405)
    assert "GET" in gone.headers["Allow"]
    refused(client.get(f"{API}/generate", headers={"Accept": "text/html"}), 406, "image/png")


def test_a_journey_as_gif_sheet_and_frames(client):
    query = f"{API}/interpolate?seeds=3,17&frames=4&size=32"
    gif = client.get(query)
    assert gif.content_type == "image/gif" and gif.data[:6] == b"GIF89a"
    sheet = client.get(query, headers={"Accept": "image/png"})
    assert decoded(sheet.data).shape == (36, 5 * 34 + 2, 3)
    body = {"stops": [{"seed": 3}, {"seed": 17}], "frames": 4, "size": 32}
    frames = client.post(f"{API}/interpolate", json=body).get_json()["frames"]
    assert len(frames) == 5
    for seed, frame in ((3, frames[0]), (17, frames[-1])):
        face = decoded(client.get(f"{API}/generate?seed={seed}&size=32").data)
        assert np.abs(picture_of({"image": frame}) - face.astype(int)).max() <= 1
    looped = client.post(f"{API}/interpolate", json=body | {"loop": True}).get_json()["frames"]
    assert len(looped) == 8
    refused(client.get(f"{API}/interpolate?seeds=3"), 422, "seeds")
    refused(client.post(f"{API}/interpolate", json={"stops": [{"seed": 1}] * 9}), 422)
    refused(client.post(f"{API}/interpolate", json={"stops": [{}, {"seed": 1}]}), 422, "stops.0")


def test_models_tell_what_can_be_asked_for(client):
    document = client.get(f"{API}/models").get_json()
    assert document["default"] == "dcgan" and document["upscaler"]["realism"] is True
    model = document["models"][0]
    assert model["shipped"] and model["attributes"] == ["hair", "skin", "eyes", "length"]
    assert model["error"] is None and list(document["colours"]) == ["hair", "skin", "eyes"]
    for part, colours in document["colours"].items():
        for name in colours:
            answer = client.get(f"{API}/generate?{part}={name}&size=32", headers=JSON)
            said = answer.get_json()["faces"][0][part]
            assert said == name if part == "eyes" else said.startswith("#")


def test_an_upload_is_enlarged_as_the_command_line_does(client, cli, tmp_path):
    (tmp_path / "picture.png").write_bytes(picture_bytes(40, 30))
    answer = upload(client, picture_bytes(40, 30))
    assert answer.status_code == 200 and answer.content_type == "image/png"
    assert answer.headers["Cache-Control"] == "no-store"
    cli("upscale", "picture.png", "--out", "large")
    with Image.open(next((tmp_path / "large").iterdir())) as picture:
        assert np.abs(decoded(answer.data) - np.asarray(picture).astype(int)).max() <= 1


@pytest.mark.parametrize(
    "kind,mode", [("JPEG", "RGB"), ("WEBP", "RGBA"), ("GIF", "L"), ("BMP", "RGB")]
)
def test_other_formats_and_scales(client, kind, mode):
    content = picture_bytes(10, 8, kind, mode)
    for scale in (2, 8):
        document = upload(client, content, scale=scale).data
        assert decoded(document).shape[:2] == (8 * scale, 10 * scale)


def test_progress_can_be_asked_for_under_a_name(client):
    assert upload(client, picture_bytes(), ticket="my-ticket-1").status_code == 200
    found = client.get(f"{API}/upscale/my-ticket-1").get_json()
    assert found["state"] == "done" and found["done"] == found["total"] > 0


def test_an_upload_can_be_given_up(client, app):
    answers = []
    content = picture_bytes(700, 700)
    sender = app.test_client()
    thread = threading.Thread(
        target=lambda: answers.append(upload(sender, content, ticket="give-it-up"))
    )
    thread.start()
    wait_until(lambda: client.get(f"{API}/upscale/give-it-up").status_code == 200)
    assert client.delete(f"{API}/upscale/give-it-up").status_code == 204
    thread.join(30)
    refused(answers[0], 409, "Cancelled")
    assert client.get(f"{API}/upscale/give-it-up").get_json()["state"] == "done"
    refused(client.delete(f"{API}/upscale/no-such-ticket"), 404)


def test_hostile_uploads_are_refused_before_anything_is_decoded(client, monkeypatch):
    monkeypatch.setattr(Decoder, "still", lambda *_: pytest.fail("it was decoded"))
    refused(upload(client, b"just words"), 415, "Send one of these")
    refused(upload(client, b""), 415, "empty (0 bytes)")
    words = {"data": {"image": "old.png"}, "content_type": "multipart/form-data"}
    refused(client.post(f"{API}/upscale", **words), 422, "-F image=@FILE")
    refused(upload(client, b"\x89PNG\r\n\x1a\n" + bytes(50)), 422, "damaged")
    refused(upload(client, b"<svg xmlns='http://www.w3.org/2000/svg'/>"), 415)
    refused(upload(client, picture_bytes(2001, 2000, "PNG", "L")), 422, "4,000,000")
    refused(upload(client, bytes(8_000_001)), 413)
    refused(upload(client, bytes(9_000_000)), 413)


def test_damaged_uploads_and_wrong_fields(client):
    whole = picture_bytes(64, 64)
    refused(upload(client, whole[: len(whole) // 2]), 422, "damaged")
    refused(upload(client, whole, scale=3.5), 422, "scale")
    refused(upload(client, whole, realism=2), 422, "realism")
    refused(upload(client, whole, ticket="../../x"), 422, "ticket")
    refused(upload(client, whole, other=1), 422, "other")
    refused(upload(client, whole, **{f"n{i}": i for i in range(20)}), 422, "too many fields")
    refused(client.post(f"{API}/upscale", data=whole, content_type="image/png"), 415)
    no_file = {"data": {"scale": "4"}, "content_type": "multipart/form-data"}
    refused(client.post(f"{API}/upscale", **no_file), 422)
    two = {"image": [(io.BytesIO(whole), "a.png"), (io.BytesIO(whole), "b.png")]}
    refused(client.post(f"{API}/upscale", data=two), 422, "image")


BEGINNINGS = [
    b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"RIFF\x10\0\0\0WEBP", b"BM",
]  # fmt: skip


@settings(deadline=None, max_examples=60)
@given(content=st.binary(max_size=300), start=st.sampled_from(BEGINNINGS))
def test_whatever_is_sent_is_an_answer_in_words(app, content, start):
    answer = upload(app.test_client(), start + content)
    assert answer.status_code in (200, 415, 422)
