"""The app factory: what every request passes through, and which blueprints answer."""

from __future__ import annotations

import io
import warnings
from typing import IO, Any

from flask import Flask, Request, request
from werkzeug.middleware.proxy_fix import ProxyFix

from anime_pipeline import __version__
from anime_pipeline.web import runs
from anime_pipeline.web.api import checks
from anime_pipeline.web.api import endpoints as api
from anime_pipeline.web.measurements import Measurements
from anime_pipeline.web.models.catalogue import Catalogue
from anime_pipeline.web.models.engine import compute
from anime_pipeline.web.models.uploads import Tickets
from anime_pipeline.web.models.worker import Worker
from anime_pipeline.web.pages import views as pages
from anime_pipeline.web.services import EXTENSION, Services
from anime_pipeline.web.serving import problems, security, static_files
from anime_pipeline.web.serving.limits import ClientLimits
from anime_pipeline.web.serving.settings import LOOPBACK_HOSTS, MAX_UPLOAD_BYTES, Settings
from anime_pipeline.web.serving.shedding import Shedding

FORM_BYTES = 200_000  # what surrounds the file of an upload, and the buffer it is read through
FORM_PARTS = 8


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
    # About damaged pictures, which are refused in words; each text would be kept for ever.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    app = Flask(__name__, static_url_path=static_files.static_path())
    app.request_class = MemoryRequest
    app.json.sort_keys = False  # type: ignore[attr-defined]  # what matters most comes first
    app.config.update(
        MAX_CONTENT_LENGTH=MAX_UPLOAD_BYTES + FORM_BYTES,
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
    # First, as it is what can fail.
    catalogue = Catalogue(settings.checkpoint, settings.upscaler, settings.checkpoints)
    worker = Worker(compute, settings.queue)
    measurements = Measurements(worker)
    worker.on_batch = measurements.on_batch
    shedding = Shedding(app.wsgi_app, worker, measurements, app.config["MAX_CONTENT_LENGTH"])
    app.extensions[EXTENSION] = Services(
        settings,
        catalogue,
        worker,
        ClientLimits(settings),
        Tickets(),
        measurements,
        shedding,
    )
    app.wsgi_app = shedding  # type: ignore[method-assign]
    measurements.install(app)
    problems.install(app)
    # Checks of health come from this machine, whatever names the world knows it by.
    _protect(app, settings.trusted_hosts and (*settings.trusted_hosts, *LOOPBACK_HOSTS))
    for blueprint in (pages.blueprint, api.blueprint, runs.blueprint, checks.blueprint):
        app.register_blueprint(blueprint)
    static_files.install(app)
    app.jinja_env.globals["version"] = __version__
    return app


def _protect(app: Flask, trusted: tuple[str, ...]) -> None:
    @app.before_request
    def refuse() -> None:
        if trusted:
            security.refuse_strangers(request, trusted)
        security.refuse_other_sites(request)

    app.after_request(security.add_headers)
