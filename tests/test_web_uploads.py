"""Uploads: what is never parsed, what is cut into too many parts, giving up, limits."""

import base64
import gc
import io
import threading
import weakref
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from children import PATIENCE_S
from hostile_pictures import chunk, many_scans, profile_flood, run_lengths, with_chunks
from PIL import Image, features
from test_web_api import API, refused
from web import picture_bytes, upload, wait_until

from anime_pipeline.images import codec, loading
from anime_pipeline.images.codec import NotAPictureError, open_header
from anime_pipeline.images.decoding.messages import Limits
from anime_pipeline.web.models import decoders as decoding
from anime_pipeline.web.models import uploads
from anime_pipeline.web.models.decoders import FORMATS
from anime_pipeline.web.models.jobs import LongJob
from anime_pipeline.web.services import EXTENSION
from anime_pipeline.web.serving.shedding import GONE

FAR = "203.0.113.9"


@contextmanager
def in_background(app, *arguments, **fields):
    """Send an upload beside the test; gives a list for its answer."""
    answers = []
    thread = threading.Thread(
        target=lambda: answers.append(upload(app.test_client(), *arguments, **fields))
    )
    thread.start()
    yield answers
    thread.join(30)


def other_formats():
    """Return files of all formats that Pillow writes and nobody may send."""
    Image.init()
    found = {}
    for kind in sorted(set(Image.SAVE) - set(FORMATS)):
        buffer = io.BytesIO()
        try:
            Image.new("RGB", (64, 64), "red").save(buffer, kind)
        except Exception:  # noqa: S112 - what it cannot write cannot be sent either
            continue
        if buffer.getvalue()[:3] != b"\xff\xd8\xff":  # MPO and others that are JPEG
            found[kind] = buffer.getvalue()
    return found


def test_no_other_parser_ever_sees_a_picture(client, monkeypatch):
    found = other_formats()
    assert {"TIFF", "ICO", "PCX", "PPM", "TGA", "PDF"} <= set(found)
    for content in found.values():
        refused(upload(client, content), 415, "Send one of these")
    for kind in found:
        if kind in Image.OPEN:
            opener = Image.OPEN[kind][1]
            monkeypatch.setitem(
                Image.OPEN, kind, (lambda *_, kind=kind: pytest.fail(f"{kind} was parsed"), opener)
            )
    for kind, content in found.items():  # what the decoder does with them
        with pytest.raises(NotAPictureError):
            pytest.fail(f"{kind}: {open_header(content, formats=FORMATS)}")


def test_this_process_parses_no_upload(client, monkeypatch):
    for module in (Image, codec, loading):
        for name in ("open", "opened", "loaded", "without_damaged_extras"):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, lambda *_, **__: pytest.fail("parsed here"))
    for content in (PNG, JPEG, GIF):
        assert upload(client, content).status_code == 200


PNG, JPEG = picture_bytes(16, 16), picture_bytes(16, 16, "JPEG")
GIF = picture_bytes(16, 16, "GIF", "L")
GIF_HEAD = GIF.index(b",")  # where the first picture begins
HOSTILE = {
    "many profiles": profile_flood(2000),
    "chunks before the pixels": with_chunks(PNG, chunk(b"prVt") * 600_000),
    "JPEG comments": JPEG[:2] + b"\xff\xfe\x00\x02" * 1_900_000 + JPEG[2:],
    "GIF comments": GIF[:GIF_HEAD] + b"\x21\xfe\x01x\x00" * 1_500_000 + GIF[GIF_HEAD:],
    "many scans": many_scans(2000, 5000),
    "run lengths": run_lengths(1900),
}


@pytest.fixture
def decoders(monkeypatch):
    """Decoders that end soon, and are asked before they are used."""
    made = decoding.Decoders(2, Limits(cpu_s=0.2))
    monkeypatch.setattr(decoding, "decoders", made)
    return made


@pytest.mark.parametrize("name", HOSTILE)
def test_what_takes_long_to_read_is_refused_in_words(client, decoders, name):
    refused(upload(client, HOSTILE[name]), 422, "processor time")
    assert upload(client, PNG).status_code == 200


def endless(app, **fields):
    """Send what takes for ever to decode beside the test, with limits that do not end it."""
    return in_background(app, profile_flood(7000), **fields)


def is_busy(decoders):
    return lambda: len(decoders._free.queue) < decoders._count


def test_others_are_served_beside_one_that_takes_long(app, client, monkeypatch):
    decoders = decoding.Decoders(2, Limits(cpu_s=1000))
    monkeypatch.setattr(decoding, "decoders", decoders)
    with endless(app, ticket="endless-1") as answers:
        wait_until(is_busy(decoders))
        for _ in range(3):
            assert upload(client, PNG).status_code == 200
        assert client.get(f"{API}/upscale/endless-1").json["state"] == "waiting"
        assert not answers, "the others waited for it"
        # Given up, its decoding is ended.
        assert client.delete(f"{API}/upscale/endless-1").status_code == 204
        wait_until(lambda: answers)
        refused(answers[0], 409, "Cancelled")
    assert len(decoders._free.queue) == 2
    assert upload(client, PNG).status_code == 200


def test_what_waits_for_a_decoder_can_be_given_up_and_is_told_when_none_comes(
    app, client, monkeypatch
):
    decoders = decoding.Decoders(1, Limits(cpu_s=1000))
    monkeypatch.setattr(decoding, "decoders", decoders)
    with endless(app, ticket="endless-2"):
        wait_until(is_busy(decoders))
        with in_background(app, PNG, ticket="waiting-2") as answers:
            wait_until(lambda: client.get(f"{API}/upscale/waiting-2").status_code == 200)
            client.delete(f"{API}/upscale/waiting-2")
            wait_until(lambda: answers)
            refused(answers[0], 409, "Cancelled")
        monkeypatch.setattr(decoding, "DECODE_WAIT_S", 0.2)
        refused(upload(client, PNG), 503, "Try again")
        client.delete(f"{API}/upscale/endless-2")


def test_what_a_client_sent_that_has_gone_is_not_decoded_on(client, monkeypatch):
    decoders = decoding.Decoders(1, Limits(cpu_s=1000))
    monkeypatch.setattr(decoding, "decoders", decoders)
    client.environ_base[GONE] = SimpleNamespace(done=is_busy(decoders))
    refused(upload(client, profile_flood(7000)), 409, "Cancelled")
    client.environ_base.clear()
    assert upload(client, PNG).status_code == 200


def test_a_png_with_a_damaged_side_chunk_is_taken(client):
    text = bytearray(chunk(b"tEXt", b"a\x00b"))
    text[-1] ^= 1
    damaged = PNG[:33] + bytes(text) + PNG[33:]
    assert upload(client, damaged).data == upload(client, PNG).data


@pytest.mark.skipif(not features.check("avif"), reason="Pillow reads no AVIF here")
def test_an_avif_is_taken(client):
    assert upload(client, picture_bytes(16, 16, "AVIF")).status_code == 200


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_an_animation_is_refused_in_words(client, kind):
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    buffer = io.BytesIO()
    frames[0].save(buffer, kind, save_all=True, append_images=frames[1:])
    refused(upload(client, buffer.getvalue()), 422, "animation")


@pytest.mark.parametrize("timeout_s", [PATIENCE_S, 0.01], ids=["made", "given up"])
def test_of_an_answered_upload_nothing_is_kept_but_its_state(made, monkeypatch, timeout_s):
    pictures = []

    def decode(*arguments):
        picture = decoding.decode(*arguments)
        pictures.append(weakref.ref(picture))
        return picture

    monkeypatch.setattr(uploads, "decode", decode)
    client = made(upscale_timeout_s=timeout_s).test_client()
    answer = upload(client, picture_bytes(200, 200), ticket="one-of-mine-1")
    assert answer.status_code == (200 if timeout_s > 1 else 422)
    assert client.get(f"{API}/upscale/one-of-mine-1").json["state"] == "done"
    wait_until(lambda: gc.collect() >= 0 and pictures[0]() is None)


def test_uploads_from_elsewhere_are_limited(made):
    client = made(upload_rate_limit=2).test_client()
    client.environ_base["REMOTE_ADDR"] = FAR
    assert [upload(client, PNG).status_code for _ in range(2)] == [200, 200]
    answer = upload(client, PNG)
    refused(answer, 429, "2 uploads")
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    client.environ_base["REMOTE_ADDR"] = "203.0.113.10"
    assert upload(client, PNG).status_code == 200


def test_an_upload_that_takes_too_long_is_ended_and_its_ticket_says_so(made):
    app = made(upscale_timeout_s=0.3)
    client = app.test_client()
    refused(upload(client, picture_bytes(900, 900), ticket="too-slow-1"), 422, "smaller picture")
    assert client.get(f"{API}/upscale/too-slow-1").get_json()["state"] == "done"
    worker = app.extensions[EXTENSION].worker
    wait_until(lambda: worker.waiting == 0)
    found = client.get(f"{API}/upscale/too-slow-1").get_json()
    # On a busy machine it may not even have begun.
    assert found["state"] == "done" and found["done"] < max(1, found["total"]), "nobody goes on"
    # What it is now refused for, if for anything, is its time and not its name.
    assert upload(client, PNG, ticket="too-slow-1").status_code in (200, 422)


def test_an_upload_that_waits_can_be_given_up(app, client):
    worker = app.extensions[EXTENSION].worker
    begun, go_on = threading.Event(), threading.Event()

    def work(_):
        begun.set()
        go_on.wait(PATIENCE_S)

    blocking = threading.Thread(target=lambda: worker.run_long(LongJob(work), PATIENCE_S))
    blocking.start()
    assert begun.wait(PATIENCE_S)
    try:
        with in_background(app, PNG, ticket="waiting-1") as answers:
            wait_until(lambda: worker.waiting == 2)
            assert client.get(f"{API}/upscale/waiting-1").get_json()["state"] == "waiting"
            assert client.delete(f"{API}/upscale/waiting-1").status_code == 204
            wait_until(lambda: answers)
            refused(answers[0], 409, "Cancelled")
            assert not go_on.is_set(), "what it waited for still runs"
    finally:
        go_on.set()
        blocking.join(PATIENCE_S)
    assert client.get(f"{API}/upscale/waiting-1").get_json()["state"] == "done"


def test_a_picture_within_json_is_the_same(client):
    client.environ_base["HTTP_ACCEPT"] = "application/json"
    answer = upload(client, PNG, scale=2)
    assert answer.content_length == len(answer.data)
    client.environ_base["HTTP_ACCEPT"] = "image/png"
    said = answer.json
    assert (said["input_width"], said["width"]) == (16, 32)
    kind, _, text = said["image"].partition(",")
    assert kind == "data:image/png;base64"
    assert base64.b64decode(text, validate=True) == upload(client, PNG, scale=2).data
