"""Pictures that are sent to be enlarged, and how far that is."""

from __future__ import annotations

import base64

from flask import Response, request
from werkzeug.datastructures import FileStorage

from anime_pipeline.web.api.endpoints import FORM, JSON, PNG, Endpoints, as_json
from anime_pipeline.web.api.requests import UpscaleForm
from anime_pipeline.web.api.responses import Enlarged, Progress
from anime_pipeline.web.errors import Problem
from anime_pipeline.web.services import services
from anime_pipeline.web.serving.settings import MAX_UPLOAD_BYTES
from anime_pipeline.web.serving.shedding import GONE

ENDPOINTS = Endpoints()


def _admit() -> None:
    have = services()
    have.worker.refuse_long_when_full()
    have.limits.count("uploads", request.remote_addr)


@ENDPOINTS.add(
    "POST",
    "/upscale",
    name="upscale",
    tag="pictures",
    body=FORM,
    answers={PNG: None, JSON: Enlarged},
    queue="uploads",
    before=_admit,
)
def upscale(asked: UpscaleForm, kind: str) -> Response | bytes:
    """Enlarge a picture."""
    have = services()
    if asked.denoise and not have.catalogue.has_denoise:
        raise Problem(409, "The upscaler that is served here cannot clean up. Leave denoise out.")
    (width, height), made = have.uploads.enlarge(
        _content(asked.image),
        lambda: have.catalogue.upscaler(asked.realism, False, asked.denoise),
        asked.scale,
        have.settings.upscale_timeout_s,
        asked.ticket,
        request.environ.get(GONE),
    )
    if kind == PNG:
        return made
    document = as_json(
        Enlarged(
            input_width=width,
            input_height=height,
            width=width * asked.scale,
            height=height * asked.scale,
            image=f"data:{PNG};base64,",
        )
    )
    head, end = document[:-2], document[-2:]
    # In parts: joined, hundreds of MB would be there twice.
    return Response([head, base64.b64encode(made), end], content_type=JSON)


def _content(file: FileStorage) -> bytes:
    """Read a file, of which nothing is needed any more, for minutes."""
    content = file.read(MAX_UPLOAD_BYTES + 1)
    file.close()
    return content


_TICKET = {"tag": "pictures", "problems": (404,)}


@ENDPOINTS.add("GET", "/upscale/<ticket>", name="progress", answers={JSON: Progress}, **_TICKET)
def progress_of(ticket: str) -> Progress:
    """Tell how far an upload is."""
    return Progress.model_validate(services().uploads.tickets.get(ticket))


@ENDPOINTS.add("DELETE", "/upscale/<ticket>", name="cancel", answers={}, **_TICKET)
def cancel(ticket: str) -> None:
    """Give up an upload."""
    services().uploads.tickets.cancel(ticket)  # its own request is then answered with 409
