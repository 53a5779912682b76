"""The app factory: what every request passes through, and which blueprints answer."""

from __future__ import annotations

import io
from typing import IO, Any

from flask import Flask, Request, Response, request, url_for
from werkzeug.middleware.proxy_fix import ProxyFix

from anime_pipeline import __version__
from anime_pipeline.web import api, checks, pages, problems, runs
from anime_pipeline.web.catalogue import Catalogue
from anime_pipeline.web.engine import compute
from anime_pipeline.web.limits import ClientLimits
from anime_pipeline.web.measurements import Measurements
from anime_pipeline.web.services import EXTENSION, Services
from anime_pipeline.web.settings import LOOPBACK_HOSTS, MAX_UPLOAD_BYTES, Settings
from anime_pipeline.web.shedding import Shedding
from anime_pipeline.web.uploads import Tickets
from anime_pipeline.web.worker import Worker

FORM_BYTES = 200_000  # what surrounds the file of an upload, and the buffer it is read through
FORM_PARTS = 8

SECURITY_HEADERS = {
    # No inline code or styles: what a client sends can never become either.
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data: blob:; "
    "style-src 'self'; script-src 'self'; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


class MemoryRequest(Request):
    """A request whose files stay in memory: they are small, and nothing sent reaches the disk."""

    def _get_file_stream(self, *_: Any, **__: Any) -> IO[bytes]:
        return io.BytesIO()


def create_app(settings: Settings | None = None) -> Flask:
    """Make the app, with its models loaded and its worker running.

    Args:
        settings: How it shall behave; by default as `Settings` says.

    Returns:
        A WSGI app; ``app.extensions["anime_pipeline"]`` holds its `Services`.

    Raises:
        CheckpointError: If the models cannot be loaded.
    """
    settings = settings or Settings()
    app = Flask(__name__)
    app.request_class = MemoryRequest
    app.config.update(
        MAX_CONTENT_LENGTH=MAX_UPLOAD_BYTES + FORM_BYTES,
        MAX_FORM_MEMORY_SIZE=FORM_BYTES,
        MAX_FORM_PARTS=FORM_PARTS,
        # Checks of health come from this machine, whatever names the world knows it by.
        TRUSTED_HOSTS=[*settings.trusted_hosts, *LOOPBACK_HOSTS]
        if settings.trusted_hosts
        else None,
        CHECKPOINTS=settings.checkpoints,
    )
    if settings.proxies:
        hops = settings.proxies
        # Believed only where the operator says that there are proxies: clients can send these too.
        app.wsgi_app = ProxyFix(app.wsgi_app, hops, hops, hops, 0, 0)  # type: ignore[method-assign]
    worker = Worker(compute, settings.queue)
    measurements = Measurements(worker)
    worker.on_batch = measurements.on_batch
    app.extensions[EXTENSION] = Services(
        settings,
        Catalogue(settings.checkpoint, settings.upscaler, settings.checkpoints),
        worker,
        ClientLimits(settings),
        Tickets(),
        measurements,
    )
    app.wsgi_app = Shedding(app.wsgi_app, worker, measurements)  # type: ignore[method-assign]
    measurements.install(app)
    problems.install(app)
    _protect(app)
    for blueprint in (pages.blueprint, api.blueprint, runs.blueprint, checks.blueprint):
        app.register_blueprint(blueprint)
    app.jinja_env.globals.update(asset=_asset, version=__version__)
    return app


def _protect(app: Flask) -> None:
    @app.before_request
    def refuse_strangers() -> None:
        # `request.host` checks the name against the trusted ones.
        _ = request.host
        # Reading is guarded by browsers; what costs computing time is guarded here.
        site = request.headers.get("Sec-Fetch-Site", "same-origin")
        if request.method == "POST" and site == "cross-site":
            raise problems.Problem(403, "Received from another site. Send it from this one.")

    @app.after_request
    def add_headers(response: Response) -> Response:
        for name, value in SECURITY_HEADERS.items():
            response.headers.setdefault(name, value)
        return response


def _asset(name: str) -> str:
    return url_for("static", filename=name)
