"""The API: faces, journeys between them, enlarged pictures, and what there is to choose from."""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from flask import Blueprint, Response, jsonify, request

from anime_pipeline import __version__
from anime_pipeline.images.codec import encode_png
from anime_pipeline.images.writing.animation import encode_gif
from anime_pipeline.images.writing.grid import make_grid
from anime_pipeline.inference.spec import SOFTWARE, WEIGHTS, palettes
from anime_pipeline.web import openapi
from anime_pipeline.web.faces import faces, journey
from anime_pipeline.web.limits import client_of
from anime_pipeline.web.problems import Problem
from anime_pipeline.web.reading import read_json, read_texts
from anime_pipeline.web.requests import (
    MOST_FACES,
    MOST_FRAMES,
    MOST_STOPS,
    GenerateBody,
    GenerateQuery,
    InterpolateBody,
    InterpolateQuery,
    Request,
    UpscaleFields,
)
from anime_pipeline.web.services import services
from anime_pipeline.web.settings import MAX_UPLOAD_BYTES, MAX_UPLOAD_PIXELS
from anime_pipeline.web.static_files import FOREVER
from anime_pipeline.web.uploads import decode, enlarge
from anime_pipeline.web.work import GIVEN_UP, GONE, GivenUpError, LongJob

PNG, GIF, JSON = "image/png", "image/gif", "application/json"
SHEET_COLUMNS = 8
PART_BYTES = 3 * 2**18  # of a picture in JSON; three bytes make four characters

blueprint = Blueprint("api", __name__, url_prefix="/api/v1")


@blueprint.get("/generate")
def generate_by_query() -> Response:
    """Draw faces of consecutive seeds."""
    return _generate(_read_query(GenerateQuery), (PNG, JSON))


@blueprint.post("/generate")
def generate_by_body() -> Response:
    """Draw faces of any seeds."""
    return _generate(_read_body(GenerateBody), (JSON, PNG))


def _generate(asked: GenerateQuery | GenerateBody, kinds: Sequence[str]) -> Response:
    kind = _wanted(kinds)
    found = faces(services().catalogue, asked)

    def content() -> bytes:
        pictures = _draw(found.drawings)
        if kind == JSON:
            said = [
                one | {"image": _data_uri(encode_png(picture, text))}
                for one, picture, text in zip(found.said, pictures, found.texts, strict=True)
            ]
            return json.dumps({"weights": found.mark, "size": found.size, "faces": said}).encode()
        if len(pictures) == 1:
            return encode_png(pictures[0], found.texts[0])
        text = {name: value for name, value in found.texts[0].items() if name != "seed"}
        seeds = ",".join(map(str, found.seeds))
        grid = make_grid(np.stack(pictures), min(SHEET_COLUMNS, len(pictures)))
        return encode_png(grid, text | {"grid": f"seeds {seeds}"})

    return _answer(asked, found.mark, kind, content)


@blueprint.get("/interpolate")
def interpolate_by_query() -> Response:
    """Travel between faces that are given by seeds."""
    return _interpolate(_read_query(InterpolateQuery), (GIF, PNG, JSON))


@blueprint.post("/interpolate")
def interpolate_by_body() -> Response:
    """Travel between any faces."""
    return _interpolate(_read_body(InterpolateBody), (JSON, GIF, PNG))


def _interpolate(asked: InterpolateQuery | InterpolateBody, kinds: Sequence[str]) -> Response:
    kind = _wanted(kinds)
    catalogue = services().catalogue
    drawings = journey(catalogue, asked)
    mark = catalogue.mark(drawings[0].pipeline.generator.weights)

    def content() -> bytes:
        pictures = np.stack(_draw(drawings))
        if kind == GIF:
            seeds = ",".join(str(stop.seed) for stop in asked.chosen)
            return encode_gif(pictures, asked.fps, f"anime-pipeline {__version__}, seeds {seeds}")
        if kind == PNG:
            return encode_png(make_grid(pictures, SHEET_COLUMNS))
        frames = [_data_uri(encode_png(picture)) for picture in pictures]
        return json.dumps({"weights": mark, "size": asked.size, "frames": frames}).encode()

    return _answer(asked, mark, kind, content)


@blueprint.post("/upscale")
def upscale() -> Response:
    """Enlarge a picture that was sent."""
    kind = _wanted((PNG, JSON))
    have = services()
    have.worker.refuse_long_when_full()
    have.limits.count_upload(request.remote_addr)
    if request.mimetype != "multipart/form-data":
        raise Problem(415, f"Received {request.mimetype or 'no type'}. Send multipart/form-data.")
    asked = read_texts(UpscaleFields, request.form.to_dict(flat=False), "form")
    sent = request.files.getlist("image")
    if len(sent) != 1 or len(request.files) != 1:
        raise Problem(
            422,
            f"Expected one file, in the field 'image'. Received {len(sent)} there, and files in "
            f"{len(request.files)} fields. Send one.",
            errors=[{"parameter": "image", "detail": "expected one file"}],
        )
    content = sent[0].read(MAX_UPLOAD_BYTES + 1)
    upscaler = have.catalogue.upscaler(asked.realism)
    text = SOFTWARE | {WEIGHTS["srgan"]: upscaler.weights.sha256}
    progress = have.tickets.open(asked.ticket)
    gone = request.environ.get(GONE)

    def unwanted() -> bool:
        return progress.given_up or (gone is not None and gone.done())

    try:
        picture = decode(content, asked.scale, unwanted)
        # A large file, of which nothing is needed any more, for minutes.
        sent[0].close()
        del content
        progress.job = LongJob(
            lambda pause: enlarge(picture, upscaler, asked.scale, text, progress, pause)
        )
        if progress.given_up:  # just when there was no job yet to be given up
            raise GivenUpError(GIVEN_UP)
        made = have.worker.run_long(progress.job, have.settings.upscale_timeout_s, gone)
    finally:
        # Tickets stay for a while, to be asked for; the picture and its result must not.
        progress.state, progress.job = "done", None
    if kind == JSON:
        document = {
            "input_width": picture.width,
            "input_height": picture.height,
            "width": picture.width * asked.scale,
            "height": picture.height * asked.scale,
        }
        return _no_store(_with_picture(document, made))
    return _no_store(Response(made, content_type=PNG))


@blueprint.get("/upscale/<ticket>")
def progress_of(ticket: str) -> Response:
    """Tell how far an upload is."""
    found = services().tickets.get(ticket)
    document = {"state": found.state, "done": found.done, "total": found.total}
    return _no_store(jsonify(document))


@blueprint.delete("/upscale/<ticket>")
def cancel(ticket: str) -> Response:
    """Give up an upload: its own request is then answered with 409."""
    have = services()
    progress = have.tickets.get(ticket)
    progress.given_up = True  # while it is decoded
    if progress.job is not None:
        have.worker.give_up(progress.job)
    return _no_store(Response(status=204))


@blueprint.get("/models")
def models() -> Response:
    """List the models, the colours that have names, and the limits."""
    catalogue = services().catalogue
    document = {
        "default": catalogue.default,
        "models": [asdict(offer) for offer in catalogue.offers()],
        "upscaler": {"weights": catalogue.mark(), "realism": catalogue.has_realism},
        "colours": palettes(),
        "limits": {
            "count": MOST_FACES,
            "stops": MOST_STOPS,
            "frames": MOST_FRAMES,
            "upload_bytes": MAX_UPLOAD_BYTES,
            "upload_pixels": MAX_UPLOAD_PIXELS,
        },
    }
    return _no_store(jsonify(document))


@blueprint.get("/openapi.json")
def openapi_json() -> Response:
    """Return the description of this API."""
    response = jsonify(openapi.document())
    response.headers["Cache-Control"] = "no-cache"
    response.add_etag()
    response.make_conditional(request)
    return response


def _read_query(kind: type[Request]) -> Request:
    return read_texts(kind, request.args.to_dict(flat=False), "query")


def _read_body(kind: type[Request]) -> Request:
    if request.mimetype != JSON:
        raise Problem(415, f"Received {request.mimetype or 'no type'}. Send {JSON}.")
    return read_json(kind, request.get_data(cache=False))


def _wanted(kinds: Sequence[str]) -> str:
    """Return which of `kinds` the client prefers; the first of those that it likes equally."""
    accepted = request.accept_mimetypes
    best = max(kinds, key=accepted.quality) if accepted else kinds[0]
    if accepted and not accepted.quality(best):
        raise Problem(406, f"Accept allows none of {', '.join(kinds)}. Ask for one of these.")
    return best


def _draw(drawings: Sequence[Any]) -> list[np.ndarray]:
    have = services()
    address, cost = request.remote_addr, sum(drawing.cost for drawing in drawings)
    return have.worker.draw(
        drawings,
        have.settings.face_timeout_s,
        client_of(address),
        # What is refused for want of places or time is not counted as drawn.
        lambda: have.limits.count_faces(address, cost),
        request.environ.get(GONE),
    )


def _answer(asked: Request, mark: str, kind: str, content: Callable[[], bytes]) -> Response:
    """Answer with what `content` computes, unless the client has it already."""
    facts = json.dumps([__version__, mark, kind, asked.model_dump()], sort_keys=True)
    etag = hashlib.sha256(facts.encode()).hexdigest()[:32]
    known = request.method in ("GET", "HEAD") and request.if_none_match.contains_weak(etag)
    response = Response(status=304) if known else Response(content(), content_type=kind)
    response.set_etag(etag)
    response.headers["Vary"] = "Accept"
    response.headers["Cache-Control"] = FOREVER if getattr(asked, "weights", None) else "no-cache"
    if request.method == "POST":
        response.headers["Cache-Control"] = "no-store"
    return response


def _data_uri(png: bytes) -> str:
    return f"data:{PNG};base64,{base64.b64encode(png).decode()}"


def _with_picture(document: dict[str, Any], png: bytes) -> Response:
    """Return a document with a picture in it, written in parts: hundreds of MB as a whole."""
    head = f'{json.dumps(document)[:-1]}, "image": "data:{PNG};base64,'.encode()
    end = b'"}\n'

    def parts() -> Iterator[bytes]:
        yield head
        for begin in range(0, len(png), PART_BYTES):
            yield base64.b64encode(png[begin : begin + PART_BYTES])
        yield end

    response = Response(parts(), content_type=JSON)
    response.content_length = len(head) + 4 * math.ceil(len(png) / 3) + len(end)
    return response


def _no_store(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    return response
