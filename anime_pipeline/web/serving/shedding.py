"""Refusing before anything else is done: what a full server must be best at."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from flask import Response
from werkzeug.wsgi import ClosingIterator

from anime_pipeline.web.measurements import Measurements
from anime_pipeline.web.models.work import BusyError
from anime_pipeline.web.models.worker import Worker
from anime_pipeline.web.serving.budget import Budget
from anime_pipeline.web.serving.limits import client_of
from anime_pipeline.web.serving.problems import Problem, busy, response_of
from anime_pipeline.web.serving.security import add_headers

# What needs the models, with the endpoint that would answer it.
COSTLY = {
    ("GET", "/api/v1/generate"): "api.generate_by_query",
    ("POST", "/api/v1/generate"): "api.generate_by_body",
    ("GET", "/api/v1/interpolate"): "api.interpolate_by_query",
    ("POST", "/api/v1/interpolate"): "api.interpolate_by_body",
    ("POST", "/api/v1/upscale"): "api.upscale",
}
UPLOAD = ("POST", "/api/v1/upscale")

# Of all requests' bodies, from before they are read until they are answered. Reading a form takes
# each three times, so this is a quarter of what the process may take beside the models.
BODY_BYTES = 64_000_000
SMALL_BYTES = 16_384  # is not counted: questions are answered though uploads fill the memory
ROOM_AGAIN_S = 5
LENGTH_DIGITS = 18  # a length of more is none to any server

# In an environ: that the server has counted the body before reading it.
COUNTED = "anime_pipeline.body_counted"

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
App = Callable[[Environ, StartResponse], Iterable[bytes]]


class Shedding:
    """WSGI middleware that answers 503 for costly requests while there is no place for them.

    The app itself would refuse most of them too, but only after reading and parsing them, and a
    server with ten times too much to do spends its time and memory on what it refuses.

    Attributes:
        bodies: Room for what is sent.
    """

    def __init__(
        self, app: App, worker: Worker, measurements: Measurements, most_body: int
    ) -> None:
        """Wrap an app.

        Args:
            app: What is wrapped.
            worker: Knows what waits.
            measurements: Count what is refused.
            most_body: Bytes of one body; assumed where a request does not tell.
        """
        self._app = app
        self._worker = worker
        self._measurements = measurements
        self._most_body = most_body
        self.bodies = Budget(BODY_BYTES)

    def refusal(self, environ: Environ) -> Response | None:
        """Return the answer to a request that cannot be taken now, which needs no body for that."""
        key = environ.get("REQUEST_METHOD", ""), environ.get("PATH_INFO", "")
        endpoint = COSTLY.get(key)
        # Who has the picture already costs nothing.
        known = key[0] == "GET" and "HTTP_IF_NONE_MATCH" in environ
        if endpoint is None or known:
            return None
        try:
            if key == UPLOAD:
                self._worker.refuse_long_when_full()
            else:
                self._worker.refuse_when_full()
        except BusyError as error:
            self._measurements.count(endpoint, key[0], 503)
            return add_headers(response_of(busy(error)))
        return None

    def body_size(self, environ: Environ) -> int:
        """Return how many bytes of memory a request's body asks for; 0 for few."""
        length = environ.get("CONTENT_LENGTH") or ""
        if length.isdecimal() and len(length) <= LENGTH_DIGITS:
            size = int(length)
        else:
            size = self._most_body if length or "HTTP_TRANSFER_ENCODING" in environ else 0
        return size if size > SMALL_BYTES else 0

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        refused = self.refusal(environ)
        if refused is not None:
            return refused(environ, start_response)
        size = 0 if environ.get(COUNTED) else self.body_size(environ)
        if not 0 < size <= self._most_body:  # what is too large the app refuses without reading it
            return self._app(environ, start_response)
        client = client_of(environ.get("REMOTE_ADDR"))
        if not self.bodies.take(size, client):
            return add_headers(response_of(no_room()))(environ, start_response)

        def give_back() -> None:
            self.bodies.give_back(size, client)

        try:
            return ClosingIterator(self._app(environ, start_response), give_back)
        except BaseException:
            give_back()
            raise


def no_room() -> Problem:
    """Return what a client is told whose body is not read for want of memory."""
    return Problem(
        503,
        "Too many large requests are being sent at this moment. Try again in a few seconds",
        retry_after_s=ROOM_AGAIN_S,
    )
