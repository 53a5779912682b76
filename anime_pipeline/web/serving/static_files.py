"""Styles and scripts: kept by browsers for ever, under an address that changes when they do."""

from __future__ import annotations

import hashlib
from pathlib import Path

from flask import Flask, Response, request, url_for

STATIC = Path(__file__).parents[1] / "static"
FOREVER = "public, max-age=31536000, immutable"


def static_path() -> str:
    """Return the path that the files are served below: ``/static/`` and a hash of them all.

    One hash for all, since modules import each other by relative names.
    """
    digest = hashlib.sha256()
    for path in sorted(STATIC.iterdir()):
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return f"/static/{digest.hexdigest()[:12]}"


def install(app: Flask) -> None:
    """Let templates name the files by `asset`, and browsers keep what they have fetched."""
    app.add_template_global(lambda name: url_for("static", filename=name), "asset")

    @app.after_request
    def keep(response: Response) -> Response:
        if request.endpoint == "static" and response.status_code in (200, 304):
            response.headers["Cache-Control"] = FOREVER
        return response
