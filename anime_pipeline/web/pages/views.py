"""The pages for people; what moves on them is in `static`."""

from __future__ import annotations

import secrets
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from anime_pipeline.core.config import MAX_SEED
from anime_pipeline.inference.spec import palettes
from anime_pipeline.web.api.faces import GENERATE_PATH
from anime_pipeline.web.api.openapi import allowed_in_words
from anime_pipeline.web.api.reading import read_query
from anime_pipeline.web.api.requests import ATTRIBUTES, GenerateQuery
from anime_pipeline.web.errors import Problem
from anime_pipeline.web.models.catalogue import Catalogue
from anime_pipeline.web.services import services
from anime_pipeline.web.serving.settings import MAX_UPLOAD_BYTES, MAX_UPLOAD_PIXELS

WALL = 24
RANDOM_SEEDS = 2**31 - WALL  # few enough digits to be read out

blueprint = Blueprint("pages", __name__)


def address(page: str) -> str:
    """Return the address of a page, as templates ask for it; ``*`` stands for any page's name."""
    return "/" if page == "wall" else f"/{page}"


@blueprint.get("/")
def wall() -> str:
    """Show faces of consecutive seeds: without `start`, ones that nobody has seen yet."""
    start = request.args.get("start", type=int)
    if start is None or not 0 <= start <= MAX_SEED - WALL:
        start = secrets.randbelow(RANDOM_SEEDS)
    askable = services().catalogue.generator().attributes
    asked = _read({"seed": str(start), **{k: v for k, v in request.args.items() if k in askable}})
    weights = _weights(asked.model)
    look = {name: getattr(asked, name) for name in askable if getattr(asked, name)}
    faces = [
        {
            "seed": seed,
            "url": f"{GENERATE_PATH}?{urlencode({'seed': seed, **look, 'weights': weights})}",
            "studio": f"/studio?{urlencode({'seed': seed, **look})}",
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
        attributes=askable,
        weights=weights,
        look=look,
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
    generator = catalogue.generator(asked.model)
    weights = catalogue.weights_hash(generator.weights)
    face = asked.model_dump(exclude={"count", "weights", "size"})
    shown = asked.model_dump(exclude_defaults=True, exclude={"count", "weights", "size"})
    for name in set(ATTRIBUTES) - set(generator.attributes):
        shown.pop(name, None)  # an attribute that this model knows nothing of
    query = {"seed": asked.seed, **shown, "weights": weights}
    return render_template(
        "studio.html",
        page="studio",
        face=face,
        image_url=f"{GENERATE_PATH}?{urlencode(query)}",
        colours=palettes(),
        attributes=generator.attributes,
        models=catalogue.names(),
        default_model=catalogue.default,
        realism_available=catalogue.has_realism(),
        weights=weights,
        meant=asked.weights,
    )


@blueprint.get("/favourites")
def favourites() -> str:
    """Show the faces that this browser remembers."""
    return render_template("favourites.html", page="favourites", weights=_weights())


@blueprint.get("/blend")
def blend() -> str:
    """Travel between two faces."""
    return render_template("blend.html", page="blend", weights=_weights())


@blueprint.get("/upscale")
def upscale() -> str:
    """Enlarge a picture of one's own."""
    return render_template("upscale.html", page="upscale", **upscaling(services().catalogue))


def upscaling(catalogue: Catalogue) -> dict[str, Any]:
    """Return what the page that enlarges pictures tells of its limits and controls."""
    return {
        "limits": {"upload_bytes": MAX_UPLOAD_BYTES, "upload_pixels": MAX_UPLOAD_PIXELS},
        "realism_available": catalogue.has_realism(drawn=False),
        "denoise_available": catalogue.has_denoise,
    }


@blueprint.get("/how")
def how() -> str:
    """Tell how it works."""
    attributes = services().catalogue.generator().attributes
    return render_template("how.html", page="how", weights=_weights(), attributes=attributes)


@blueprint.get("/api")
def api() -> str:
    """Document the API."""
    return render_template("api.html", page="api", document=services().openapi)


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
        return read_query(GenerateQuery, known)
    except Problem as problem:
        [wrong, *_] = problem.errors or [{"parameter": ""}]
        said = allowed_in_words(GenerateQuery, wrong["parameter"])
        raise Problem(404, f"There is no such face. {said} Check the address.") from None


def _weights(model: str | None = None) -> str:
    catalogue = services().catalogue
    return catalogue.weights_hash(catalogue.generator(model).weights)
