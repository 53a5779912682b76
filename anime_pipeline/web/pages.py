"""The pages for people; what moves on them is in `static`."""

from __future__ import annotations

import secrets
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from anime_pipeline.core.config import MAX_SEED
from anime_pipeline.inference.spec import palettes
from anime_pipeline.web import openapi
from anime_pipeline.web.faces import GENERATE_PATH
from anime_pipeline.web.problems import Problem
from anime_pipeline.web.reading import read_texts
from anime_pipeline.web.requests import WISHES, GenerateQuery
from anime_pipeline.web.schemas import allowed_in_words
from anime_pipeline.web.services import services
from anime_pipeline.web.settings import MAX_UPLOAD_BYTES, MAX_UPLOAD_PIXELS

WALL = 24
RANDOM_SEEDS = 2**31 - WALL  # few enough digits to be read out

blueprint = Blueprint("pages", __name__)


@blueprint.get("/")
def wall() -> str:
    """Show faces of consecutive seeds: without `start`, ones that nobody has seen yet."""
    text = request.args.get("start", "")
    digits = text.isascii() and text.isdecimal() and len(text) < 20
    known = digits and int(text) <= MAX_SEED - WALL
    start = int(text) if known else secrets.randbelow(RANDOM_SEEDS)
    wishable = services().catalogue.generator().attributes
    asked = _read({"seed": str(start), **{k: v for k, v in request.args.items() if k in wishable}})
    mark = _mark(asked)
    wishes = {name: getattr(asked, name) for name in wishable if getattr(asked, name)}
    faces = [
        {
            "seed": seed,
            "url": f"{GENERATE_PATH}?{urlencode({'seed': seed, **wishes, 'weights': mark})}",
            "studio": f"/studio?{urlencode({'seed': seed, **wishes})}",
        }
        for seed in range(start, start + WALL)
    ]
    return render_template(
        "wall.html",
        page="wall",
        faces=faces,
        start=start,
        next_start=start + WALL,
        colours=palettes(),
        wishes=wishable,
        weights=mark,
        look=wishes,
    )


@blueprint.get("/studio")
def studio() -> str:
    """Show one face, and everything that can be changed about it."""
    asked = _read({"seed": "0", **request.args.to_dict()})
    catalogue = services().catalogue
    if asked.model and asked.model not in catalogue.names():
        raise Problem(
            404, f"No model called {asked.model[:80]!r} is served here. Check the address."
        )
    draw = catalogue.generator(asked.model)
    mark = catalogue.mark(draw.weights)
    face = asked.model_dump(exclude={"count", "weights", "size"})
    shown = asked.model_dump(exclude_defaults=True, exclude={"count", "weights", "size"})
    for name in set(WISHES) - set(draw.attributes):
        shown.pop(name, None)  # a wish that this model knows nothing of
    query = {"seed": asked.seed, **shown, "weights": mark}
    return render_template(
        "studio.html",
        page="studio",
        face=face,
        image_url=f"{GENERATE_PATH}?{urlencode(query)}",
        colours=palettes(),
        wishes=draw.attributes,
        models=list(catalogue.names()),
        default_model=catalogue.default,
        realism_available=catalogue.has_realism,
        weights=mark,
        meant=asked.weights,
    )


@blueprint.get("/favourites")
def favourites() -> str:
    """Show the faces that this browser remembers."""
    return render_template("favourites.html", page="favourites", weights=_mark(None))


@blueprint.get("/blend")
def blend() -> str:
    """Travel between two faces."""
    ends: dict[str, Any] = {}
    for name in ("a", "b"):
        text = request.args.get(name, "")
        # Written by hand it may be a seed alone.
        ends[name] = f"seed={text}" if text.isascii() and text.isdecimal() else text
    return render_template("blend.html", page="blend", weights=_mark(None), **ends)


@blueprint.get("/upscale")
def upscale() -> str:
    """Enlarge a picture of one's own."""
    limits = {"upload_bytes": MAX_UPLOAD_BYTES, "upload_pixels": MAX_UPLOAD_PIXELS}
    available = services().catalogue.has_realism
    return render_template(
        "upscale.html", page="upscale", limits=limits, realism_available=available
    )


@blueprint.get("/how")
def how() -> str:
    """Tell how it works."""
    draw = services().catalogue.generator()
    return render_template("how.html", page="how", weights=_mark(None), wishes=draw.attributes)


@blueprint.get("/api")
def api() -> str:
    """Document the API."""
    return render_template("api.html", page="api", document=openapi.document())


@blueprint.get("/favicon.ico")
def favicon() -> Response:
    """Browsers ask for it by this name whatever a page says."""
    return redirect(url_for("static", filename="favicon.svg"))


def _read(texts: dict[str, str]) -> GenerateQuery:
    """Read a face from a page's address; what is wrong there is a page that cannot be found."""
    # A form without scripts sends what is left empty, too.
    fields = GenerateQuery.model_fields
    known = {name: [text] for name, text in texts.items() if name in fields and text}
    try:
        return read_texts(GenerateQuery, known, "query")
    except Problem as problem:
        [wrong, *_] = problem.errors or [{"parameter": ""}]
        said = allowed_in_words(GenerateQuery, wrong["parameter"])
        raise Problem(404, f"There is no such face. {said} Check the address.") from None


def _mark(asked: GenerateQuery | None) -> str:
    catalogue = services().catalogue
    return catalogue.mark(catalogue.generator(asked.model if asked else None).weights)
