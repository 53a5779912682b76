"""Refusing before anything else is done: what a full server must be best at."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from typing import Any

from anime_pipeline.web.measurements import Measurements
from anime_pipeline.web.problems import PROBLEM_TYPE, Problem
from anime_pipeline.web.worker import BusyError, Worker

# What needs the models, by path, with the endpoint's name for the measurements.
COSTLY = {"/api/v1/generate": "api.generate", "/api/v1/interpolate": "api.interpolate"}

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
        endpoint = COSTLY.get(environ.get("PATH_INFO", ""))
        # Who has the picture already costs nothing.
        if endpoint is None or "HTTP_IF_NONE_MATCH" in environ:
            return self._app(environ, start_response)
        try:
            self._worker.refuse_when_full()
        except BusyError as busy:
            self._measurements.requests.labels(endpoint, environ["REQUEST_METHOD"], "503").inc()
            problem = Problem(503, str(busy))
            body = json.dumps(problem.document()).encode()
            headers = [
                ("Content-Type", PROBLEM_TYPE),
                ("Content-Length", str(len(body))),
                ("Retry-After", str(max(1, math.ceil(busy.retry_after_s)))),
                ("Cache-Control", "no-store"),
                ("X-Content-Type-Options", "nosniff"),
            ]
            start_response("503 SERVICE UNAVAILABLE", headers)
            return [body]
        return self._app(environ, start_response)
