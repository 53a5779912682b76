"""Refusing before anything else is done: what a full server must be best at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from werkzeug.wsgi import ClosingIterator

from anime_pipeline.web.errors import BusyError, Problem
from anime_pipeline.web.serving.clients import Budget, client_of
from anime_pipeline.web.serving.problems import TOO_LARGE, response_of

# Of all requests' bodies, from before they are read until they are answered. Reading a form takes
# each three times, so this is a quarter of what the process may take beside the models.
BODY_BYTES = 64_000_000
SMALL_BYTES = 16_384  # is not counted: questions are answered though uploads fill the memory
ROOM_AGAIN_S = 5
LENGTH_DIGITS = 18  # a length of more is none to any server

# In a request's environ: that the server has let it in before reading its body.
ADMITTED = "anime_pipeline.admitted"
# A `concurrent.futures.Future` that is done once its client has gone. Only `serve` gives it; under
# other servers nobody notices.
GONE = "anime_pipeline.client_gone"

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
App = Callable[[Environ, StartResponse], Iterable[bytes]]
MakeRoom = Callable[[int, str | None], bool]


class Shedding:
    """WSGI middleware that answers 503 for costly requests while there is no place for them.

    The app itself would refuse most of them too, but only after reading and parsing them, and a
    server with ten times too much to do spends its time and memory on what it refuses.

    Attributes:
        most_body: Bytes of one body; assumed where a request does not tell.
        bodies: Room for what is sent.
    """

    def __init__(
        self,
        app: App,
        most_body: int,
        guards: Mapping[tuple[str, str], Callable[[], None]],
        on_refusal: Callable[[str, str], None] = lambda method, path: None,
    ) -> None:
        """Wrap an app.

        Args:
            app: What is wrapped.
            most_body: Bytes of one body.
            guards: What refuses costly requests while it is full, by their method and path.
            on_refusal: Is told method and path of what a guard has refused.
        """
        self._app = app
        self._guards = guards
        self._on_refusal = on_refusal
        self.most_body = most_body
        self.bodies = Budget(BODY_BYTES)

    def admit(self, environ: Environ, make_room: MakeRoom = lambda size, client: False) -> int:
        """Let a request in, with room for its body, which need not be there yet.

        Args:
            environ: The request, see PEP 3333.
            make_room: Tries to end others' bodies where there is no room for so many bytes of a
                client; tells whether it could.

        Returns:
            Bytes that are to be given back to `bodies` in the end.

        Raises:
            BusyError: If it cannot be taken now.
            Problem: 413 for too large a body.
        """
        size, client = self._body_size(environ), client_of(environ.get("REMOTE_ADDR"))
        if size > self.most_body:
            raise Problem(413, TOO_LARGE)
        key = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        guard = self._guards.get(key)
        # Who has the picture already costs nothing.
        if guard and not (key[0] == "GET" and "HTTP_IF_NONE_MATCH" in environ):
            try:
                guard()
            except BusyError:
                self._on_refusal(*key)
                raise
        while not self.bodies.take(size, client):
            if not make_room(size, client):
                raise no_room()
        return size

    def _body_size(self, environ: Environ) -> int:
        """Return how many bytes of memory a request's body asks for; 0 for few."""
        length = environ.get("CONTENT_LENGTH") or ""
        if length.isdecimal() and len(length) <= LENGTH_DIGITS:
            size = int(length)
        else:
            size = self.most_body if length or "HTTP_TRANSFER_ENCODING" in environ else 0
        return size if size > SMALL_BYTES else 0

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        if environ.get(ADMITTED):
            return self._app(environ, start_response)
        client = client_of(environ.get("REMOTE_ADDR"))  # now: the app may correct it
        try:
            size = self.admit(environ)
        except Problem as problem:
            return response_of(problem)(environ, start_response)

        def give_back() -> None:
            self.bodies.give_back(size, client)

        try:
            return ClosingIterator(self._app(environ, start_response), give_back)
        except BaseException:
            give_back()
            raise


def no_room() -> BusyError:
    """Return what a client is told whose body is not read for want of memory."""
    return BusyError(
        "Too many large requests are being sent at this moment. Try again in a few seconds.",
        ROOM_AGAIN_S,
    )
