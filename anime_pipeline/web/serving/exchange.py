"""One request and its answer over HTTP: refused before its body is read, or read, computed, sent.

Tornado reads and writes HTTP; threads run the app. No thread waits for a client: the event loop
takes bodies in and sends answers, each within a time and a number of bytes.
"""

from __future__ import annotations

import asyncio
import io
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future
from email.utils import formatdate
from typing import TYPE_CHECKING, cast

from flask import Response
from tornado.http1connection import HTTP1Connection
from tornado.httputil import HTTPHeaders, HTTPMessageDelegate, RequestStartLine, ResponseStartLine
from tornado.iostream import StreamClosedError

from anime_pipeline import __version__
from anime_pipeline.web.errors import BusyError, Problem
from anime_pipeline.web.serving.environ import environ_of
from anime_pipeline.web.serving.problems import TOO_LARGE, problem_of, response_of
from anime_pipeline.web.serving.shedding import ADMITTED, GONE, Environ

if TYPE_CHECKING:
    from anime_pipeline.web.serving.connections import Connection, Server

LOG = logging.getLogger(__name__)

SERVER = f"anime-pipeline/{__version__}"
BODY_S = 180  # from the headers to the end of the body: 8 MB at 0.4 Mbit a second
# What is sent to a server that wants no more of it is taken in for a while and forgotten: a client
# that is cut off while it sends may not see the answer.
LINGER_S = 10
FETCH_S = 60  # in which a client takes nothing of its answer
PIECE_BYTES = 262_144
# After which it is tried, when a client said that it sends no more, whether it is still there: who
# has gone answers the first try with a reset, which ends the second.
PROBES_S = (0.2, 1.0)
PROBE = b"HTTP/1.1 100 Continue\r\n\r\n"


class _Received(Response):
    default_mimetype = None  # what has no type is given none


class Body(io.BytesIO):
    """A request's body, which is gone once it has been read to its end."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Read as of any file; what has been read cannot be read again."""
        found = super().read(size)
        if self.tell() == len(self.getbuffer()):
            self.seek(0)
            self.truncate()
        return found


class Exchange(HTTPMessageDelegate):
    """A request from its headers until it is answered.

    Attributes:
        connection: What it came by.
        begun: When its headers had come.
        arriving: Whether more of it is to come.
        received: Bytes of its body that have come.
        held: Bytes of room that are taken for it.
        unfetched: Bytes of its answer, until all of them are fetched.
    """

    def __init__(self, server: Server, http: HTTP1Connection) -> None:
        self._server = server
        self._http = http
        self.connection: Connection = http.context
        self.begun = 0.0
        self.arriving = False
        self.received = self.held = self.unfetched = 0
        self._environ: Environ = {}
        self._body = Body()
        self._method = ""
        self._answered = False
        self._gone: Future[None] = Future()
        self._deadline: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> None:
        """Decide whether the body is wanted."""
        assert isinstance(start_line, RequestStartLine)  # noqa: S101 - of a server
        connection, server = self.connection, self._server
        connection.in_head = False
        if connection.closed():
            # What was sent together with an earlier request is read from memory though the client
            # has gone, or the connection was closed: hundreds of requests for nobody.
            self._http.detach()
            return
        self.begun = connection.since = time.monotonic()
        self.arriving = True
        server.exchanges.add(self)
        late = Problem(408, f"The request took more than {BODY_S} s to arrive. Send it faster.")
        self._limit(BODY_S, lambda: self.refuse(late, sends_more=False))
        self._method = start_line.method
        try:
            self._environ = environ_of(start_line, headers, connection.address)
            self.held = server.app.admit(self._environ, server.make_room)
        except Problem as problem:
            wanted = isinstance(problem, BusyError) or problem.status == 413
            self.refuse(problem, sends_more=wanted and "Expect" not in headers)

    def data_received(self, chunk: bytes) -> None:
        """Take in a part of the body."""
        self.connection.since = time.monotonic()
        if self._answered:
            return
        self.received += len(chunk)
        if self.received > self._server.app.most_body:
            self.refuse(Problem(413, TOO_LARGE))
            return
        self._body.write(chunk)

    def finish(self) -> None:
        """Answer a request that has come to its end."""
        self.arriving = False
        self._limit(0, None)
        if self._answered:
            self._http.finish()
            self._end()
            return
        self.connection.busy = True
        self.connection.on_end = self._probe
        if self.connection.ends:
            self._probe()
        self._http.set_close_callback(self._notice_gone)
        self._task = asyncio.get_running_loop().create_task(self._answer())

    def on_connection_close(self) -> None:
        """Forget a request that will not come to its end."""
        self._end()

    def refuse(self, problem: Problem, sends_more: bool = True) -> None:
        """Answer a request of which the rest, if there is any, is not wanted."""
        self._answered = True
        self._release()
        if self.connection.closed():
            return
        response = response_of(problem)
        self._write_head(response, close=not sends_more)
        if self._method != "HEAD":
            self._http.write(response.get_data())
        if sends_more:
            self._limit(LINGER_S, self.connection.close)
        else:
            self._http.finish()  # which closes it, as it has not been read to its end

    async def _answer(self) -> None:
        self._body.seek(0)
        self._environ |= {"wsgi.input": self._body, ADMITTED: True, GONE: self._gone}
        try:
            response = await self._server.threads.run(self.connection.client, self._call)
            self._release()
            if response is not None:
                await self._send(response)
        except (StreamClosedError, TimeoutError):
            self.connection.close()
        except Exception:  # what the app says is no answer
            LOG.exception("An answer could not be sent")
            self.connection.close()
        finally:
            self._end()

    def _call(self) -> Response | None:
        """Let the app answer, unless nobody waits any more; runs in a thread."""
        if self._gone.done():
            return None
        try:
            received = _Received.from_app(self._server.app, self._environ, buffered=True)
            return cast(Response, received)
        except Exception as error:  # whatever an app raises: a defect of it is an answer too
            return response_of(problem_of(error))

    async def _send(self, response: Response) -> None:
        parts = response.response if self._method != "HEAD" else ()
        self.unfetched = sum(map(len, response.response))
        self._server.keep_answers_small(self)
        stopping = self._server.stopping
        await self._taken(self._write_head(response, close=stopping))
        for part in parts:
            for begin in range(0, len(part), PIECE_BYTES):
                await self._taken(self._http.write(part[begin : begin + PIECE_BYTES]))
        self._http.finish()
        if stopping:
            self.connection.close()

    def _write_head(self, response: Response, close: bool) -> Awaitable[None]:
        self._limit(0, None)
        headers = HTTPHeaders()
        for name, value in response.headers:
            headers.add(name, value)
        code = response.status_code
        if code >= 200 and code not in (204, 304) and "Content-Length" not in headers:
            headers["Content-Length"] = str(sum(map(len, response.response)))
        headers["Server"] = SERVER
        headers["Date"] = formatdate(usegmt=True)
        if close:
            headers["Connection"] = "close"
        reason = response.status.partition(" ")[2]
        return self._http.write_headers(ResponseStartLine("HTTP/1.1", code, reason), headers)

    async def _taken(self, written: Awaitable[None]) -> None:
        """Wait until the client has taken what was written.

        Raises:
            TimeoutError: If it takes nothing for too long.
            StreamClosedError: If it has gone.
        """
        async with asyncio.timeout(FETCH_S):
            await written
        self.connection.since = time.monotonic()

    def _probe(self, waits_s: Sequence[float] = PROBES_S) -> None:
        """Find out whether a client that sends no more waits for its answer, or has gone."""
        if self._environ.get("SERVER_PROTOCOL") != "HTTP/1.1":
            # No such answer may be sent then, and proxies say in this way that their client left.
            self._limit(sum(waits_s), self._notice_gone)
            return

        def probe() -> None:
            self.connection.write(PROBE)
            if waits_s[1:]:
                self._probe(waits_s[1:])

        self._limit(waits_s[0], probe)

    def _notice_gone(self) -> None:
        if not self._gone.done():
            self._gone.set_result(None)

    def _limit(self, seconds: float, call: Callable[[], object] | None) -> None:
        """Let something happen if the exchange takes longer; only the latest such limit counts."""
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        if call is not None:
            self._deadline = asyncio.get_running_loop().call_later(seconds, call)

    def _release(self) -> None:
        """Give back what the body takes."""
        self._environ, self._body = {}, Body()
        self._server.app.bodies.give_back(self.held, self.connection.client)
        self.held = 0

    def _end(self) -> None:
        self._limit(0, None)
        self._release()
        self._notice_gone()
        self.arriving = self.connection.busy = False
        self.unfetched = 0
        self.connection.since = time.monotonic()
        self._server.exchanges.discard(self)
