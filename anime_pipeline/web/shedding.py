"""Refusing before anything else is done: what a full server must be best at."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from anime_pipeline.web.measurements import Measurements
from anime_pipeline.web.problems import busy, response_of
from anime_pipeline.web.security import add_headers
from anime_pipeline.web.work import BusyError
from anime_pipeline.web.worker import Worker

# What needs the models, with the endpoint that would answer it.
COSTLY = {
    ("GET", "/api/v1/generate"): "api.generate_by_query",
    ("POST", "/api/v1/generate"): "api.generate_by_body",
    ("GET", "/api/v1/interpolate"): "api.interpolate_by_query",
    ("POST", "/api/v1/interpolate"): "api.interpolate_by_body",
}

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
App = Callable[[Environ, StartResponse], Iterable[bytes]]


class Shedding:
    """WSGI middleware that answers 503 for costly requests while the queue is full.

    The app itself would refuse them too, but only after parsing them, and a server with ten times
    too much to do spends its time on what it refuses.
    """

    def __init__(self, app: App, worker: Worker, measurements: Measurements) -> None:
        self._app = app
        self._worker = worker
        self._measurements = measurements

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        method = environ.get("REQUEST_METHOD", "")
        endpoint = COSTLY.get((method, environ.get("PATH_INFO", "")))
        # Who has the picture already costs nothing.
        known = method == "GET" and "HTTP_IF_NONE_MATCH" in environ
        if endpoint is not None and not known:
            try:
                self._worker.refuse_when_full()
            except BusyError as error:
                self._measurements.count(endpoint, method, 503)
                return add_headers(response_of(busy(error)))(environ, start_response)
        return self._app(environ, start_response)
