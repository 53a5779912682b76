"""The app factory: what every request passes through, and which endpoints and pages answer."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from typing import IO, Any

from flask import Flask, Request
from werkzeug.middleware.proxy_fix import ProxyFix

from anime_pipeline import __version__
from anime_pipeline.web.api import about, faces, upload_endpoints
from anime_pipeline.web.api.endpoints import PREFIX, Endpoint, Endpoints
from anime_pipeline.web.api.openapi import document
from anime_pipeline.web.models.worker import Worker
from anime_pipeline.web.pages import runs, views
from anime_pipeline.web.services import EXTENSION, Services
from anime_pipeline.web.serving import problems, security, static_files
from anime_pipeline.web.serving.allocator import give_memory_back
from anime_pipeline.web.serving.measurements import Measurements
from anime_pipeline.web.serving.settings import MAX_UPLOAD_BYTES, Settings
from anime_pipeline.web.serving.shedding import Shedding

FORM_BYTES = 200_000  # what surrounds the file of an upload, and the buffer it is read through
FORM_PARTS = 8
MOST_BODY = MAX_UPLOAD_BYTES + FORM_BYTES

API: tuple[Endpoint, ...] = (
    *faces.ENDPOINTS,
    *upload_endpoints.ENDPOINTS,
    *about.ENDPOINTS,
    *runs.ENDPOINTS,
)


class MemoryRequest(Request):
    """A request whose files stay in memory: they are small, and nothing sent reaches the disk."""

    def _get_file_stream(self, *_: Any, **__: Any) -> IO[bytes]:
        return io.BytesIO()


def create_app(settings: Settings | None = None, endpoints: Sequence[Endpoint] = API) -> Flask:
    """Make the app, with its models loaded and its worker running.

    Args:
        settings: How it shall behave; by default as `Settings` says.
        endpoints: Its API.

    Returns:
        A WSGI app; ``app.extensions["anime_pipeline"]`` holds its `Services`.

    Raises:
        CheckpointError: If the models cannot be loaded.
    """
    settings = settings or Settings()
    give_memory_back()
    # About damaged pictures, which are refused in words; each text would be kept for ever.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    app = Flask(__name__, static_url_path=static_files.static_path())
    app.request_class = MemoryRequest
    app.json.sort_keys = False  # type: ignore[attr-defined]  # what matters most comes first
    app.config.update(
        MAX_CONTENT_LENGTH=MOST_BODY,
        MAX_FORM_MEMORY_SIZE=FORM_BYTES,
        MAX_FORM_PARTS=FORM_PARTS,
        CHECKPOINTS=settings.checkpoints,
    )
    if settings.proxies:
        hops = settings.proxies
        # Believed only where the operator says that there are proxies: clients can send these too.
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops
        )
    have = app.extensions[EXTENSION] = Services(settings, document(endpoints))
    have.shedding = shedding_of(app.wsgi_app, have.worker, have.measurements, endpoints)
    app.wsgi_app = have.shedding  # type: ignore[method-assign]
    have.measurements.install(app)
    problems.install(app)
    security.install(app, settings.trusted_hosts)
    static_files.install(app)
    api = Endpoints(endpoints).blueprint()
    for blueprint in (views.blueprint, api, runs.blueprint, about.blueprint):
        app.register_blueprint(blueprint)
    app.jinja_env.globals |= {"version": __version__, "address": views.address, "site": None}
    return app


def shedding_of(
    app: Any, worker: Worker, measurements: Measurements, endpoints: Sequence[Endpoint]
) -> Shedding:
    """Return a WSGI app behind what refuses costly requests while the models' queue is full."""
    queues = {"faces": worker.refuse_when_full, "uploads": worker.refuse_long_when_full}
    costly = {(one.method, PREFIX + one.path): one for one in endpoints if one.queue}
    return Shedding(
        app,
        MOST_BODY,
        {key: queues[one.queue] for key, one in costly.items()},
        lambda method, path: measurements.count(costly[method, path].label, method, 503),
    )
