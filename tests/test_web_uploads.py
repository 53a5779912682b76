"""Uploads: what is never parsed, what is cut into too many parts, giving up, limits."""

import gc
import io
import threading
import weakref
import zlib
from contextlib import contextmanager

import pytest
from children import PATIENCE_S
from PIL import Image, features
from test_web_api import API, refused
from web import picture_bytes, upload, wait_until

from anime_pipeline.web import api, uploads
from anime_pipeline.web.parts import MOST_CHUNKS, FewReads, has_many_chunks
from anime_pipeline.web.services import EXTENSION
from anime_pipeline.web.uploads import FORMATS
from anime_pipeline.web.work import LongJob

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
    for kind in found:
        if kind in Image.OPEN:
            opener = Image.OPEN[kind][1]
            monkeypatch.setitem(
                Image.OPEN, kind, (lambda *_, kind=kind: pytest.fail(f"{kind} was parsed"), opener)
            )
    for kind, content in found.items():
        refused(upload(client, content), 415, "Send one of these"), kind


def chunk(kind, content=b""):
    check = zlib.crc32(kind + content).to_bytes(4)
    return len(content).to_bytes(4) + kind + content + check


PNG, JPEG = picture_bytes(16, 16), picture_bytes(16, 16, "JPEG")
GIF = picture_bytes(16, 16, "GIF", "L")
GIF_HEAD = GIF.index(b",")  # where the first picture begins
MANY_PARTS = {
    "chunks before the pixels": PNG[:33] + chunk(b"prVt") * 600_000 + PNG[33:],
    "chunks behind the pixels": PNG[:-12] + chunk(b"prVt") * 600_000 + PNG[-12:],
    "empty pixel chunks": PNG[:33] + chunk(b"IDAT") * 600_000 + PNG[33:],
    "JPEG comments": JPEG[:2] + b"\xff\xfe\x00\x02" * 1_900_000 + JPEG[2:],
    "JPEG padding": JPEG[:2] + b"\xff" * 7_900_000 + JPEG[2:],
    "GIF comments": GIF[:GIF_HEAD] + b"\x21\xfe\x01x\x00" * 1_500_000 + GIF[GIF_HEAD:],
}


@pytest.mark.parametrize("name", MANY_PARTS)
def test_pictures_cut_into_many_parts_are_refused_soon(client, monkeypatch, name):
    monkeypatch.setattr(uploads, "open_picture", lambda *_: pytest.fail("it was decoded"))
    if name.endswith(("pixels", "chunks")):
        parts = "all parts were read"
        monkeypatch.setattr(uploads, "without_damaged_extras", lambda _: pytest.fail(parts))
    readers = []

    def few_reads(content):
        readers.append(FewReads(content))
        return readers[-1]

    monkeypatch.setattr(uploads, "FewReads", few_reads)
    refused(upload(client, MANY_PARTS[name]), 422, "parts")
    assert readers and all(reader._left >= -1 for reader in readers), "it read on"


def test_a_good_file_of_many_chunks_is_taken(client):
    many = PNG[:33] + chunk(b"prVt") * (MOST_CHUNKS - 10) + PNG[33:]
    assert not has_many_chunks(many) and upload(client, many).status_code == 200
    assert not has_many_chunks(PNG[:8]) and not has_many_chunks(PNG[:40])


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

    def decode(content):
        picture = uploads.decode(content)
        pictures.append(weakref.ref(picture))
        return picture

    monkeypatch.setattr(api, "decode", decode)
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
    go_on = threading.Event()
    blocking = threading.Thread(
        target=lambda: worker.run_long(LongJob(lambda _: go_on.wait(PATIENCE_S)), PATIENCE_S)
    )
    blocking.start()
    wait_until(lambda: worker._running is not None)
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
