"""One request and its answer over HTTP: refused before its body is read, or read, computed, sent.

Tornado reads and writes HTTP; threads run the app. No thread waits for a client: the event loop
takes bodies in and sends answers, each within a time and a number of bytes.
"""

from __future__ import annotations

import asyncio
import io
import logging
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field

from flask import Response
from tornado.http1connection import HTTP1Connection
from tornado.httputil import HTTPHeaders, HTTPMessageDelegate, RequestStartLine, ResponseStartLine
from tornado.iostream import IOStream, StreamClosedError

from anime_pipeline.web.models.work import GONE
from anime_pipeline.web.serving.fair_threads import FairThreads
from anime_pipeline.web.serving.limits import client_of
from anime_pipeline.web.serving.problems import TOO_LARGE, Problem
from anime_pipeline.web.serving.shedding import COUNTED, App, Environ, Shedding, no_room
from anime_pipeline.web.serving.wsgi_call import Answer, call, environ_of

LOG = logging.getLogger(__name__)

BODY_S = 180  # from the headers to the end of the body: 8 MB at 0.4 Mbit a second
# What is sent to a server that wants no more of it is taken in for a while and forgotten: a client
# that is cut off while it sends may not see the answer.
LINGER_S = 10
SLOW_S = 10  # a body that has been arriving for longer makes room where there is none
FETCH_S = 60  # in which a client takes nothing of its answer
UNFETCHED_BYTES = 100_000_000  # of all answers that are being fetched, but the latest
PIECE_BYTES = 262_144


class Body(io.BytesIO):
    """A request's body, which is gone once it has been read to its end."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Read as of any file; what has been read cannot be read again."""
        found = super().read(size)
        if self.tell() == len(self.getbuffer()):
            self.seek(0)
            self.truncate()
        return found


@dataclass(eq=False)
class Place:
    """A connection.

    Attributes:
        stream: Its bytes.
        address: Where it comes from.
        since: When something last came of it or went to it.
        busy: Whether a request that came of it is being answered.
    """

    stream: IOStream
    address: str
    since: float = field(default_factory=time.monotonic)
    busy: bool = False

    @property
    def client(self) -> str | None:
        """Whom it is counted for."""
        return client_of(self.address)


@dataclass(eq=False)
class Front:
    """What all exchanges of a server share.

    Attributes:
        app: Answers requests.
        shedding: Knows which are not even to be read, and how much room there is for bodies.
        most_body: Bytes of one body.
        threads: Whose turn it is.
        executor: The threads themselves.
        port: What is listened on.
        stopping: Whether connections end behind their answers.
        exchanges: Those that are not over.
    """

    app: App
    shedding: Shedding
    most_body: int
    threads: FairThreads
    executor: Executor
    port: int
    stopping: bool = False
    exchanges: set[Exchange] = field(default_factory=set)

    @property
    def busy(self) -> bool:
        """Whether a request that has come to its end is not answered to its end."""
        return any(one.place.busy for one in self.exchanges)

    def room_for(self, size: int, client: str | None) -> bool:
        """Take room for a body; one that arrives slowly makes it, where there is none."""
        while not self.shedding.bodies.take(size, client):
            slow = self._slowest(size, client)
            if slow is None:
                return False
            slow.refuse(no_room())
        return True

    def _slowest(self, size: int, client: str | None) -> Exchange | None:
        now = time.monotonic()
        bodies = self.shedding.bodies
        full = bodies.held + size > bodies.most_bytes
        slow = [
            one
            for one in self.exchanges
            if one.held
            and one.arriving
            and now - one.begun > SLOW_S
            # One with too large a share makes room for itself only.
            and (full or one.place.client == client)
        ]

        def badness(one: Exchange) -> tuple[int, float]:
            return bodies.held_by(one.place.client), (now - one.begun) / (1 + one.received)

        return max(slow, key=badness, default=None)

    def keep_answers_small(self, latest: Exchange) -> None:
        """End the connections that have fetched nothing for longest while answers are too much."""
        sending = [one for one in self.exchanges if one.unfetched and one is not latest]
        sending.sort(key=lambda one: one.place.since, reverse=True)
        while sending and sum(one.unfetched for one in (*sending, latest)) > UNFETCHED_BYTES:
            LOG.warning("A connection was closed: its answer was not fetched.")
            sending.pop().abort()


class Exchange(HTTPMessageDelegate):
    """A request from its headers until it is answered.

    Attributes:
        place: Its connection.
        begun: When its headers had come.
        arriving: Whether more of it is to come.
        received: Bytes of its body that have come.
        held: Bytes of room that are taken for it.
        unfetched: Bytes of its answer, until all of them are fetched.
    """

    def __init__(self, front: Front, connection: HTTP1Connection) -> None:
        self._front = front
        self._connection = connection
        self.place: Place = connection.context
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
        if self._connection.stream.closed():
            # What was sent together with an earlier request is read from memory though the client
            # has gone, or the connection was closed: hundreds of requests for nobody.
            self._connection.detach()
            return
        self.begun = self.place.since = time.monotonic()
        self.arriving = True
        self._front.exchanges.add(self)
        self._limit(BODY_S, self._too_slow)
        try:
            refusal = self._admit(start_line, headers)
        except Problem as problem:
            self.refuse(problem, sends_more=False)
        else:
            if refusal is not None:
                self.refuse(refusal, sends_more="Expect" not in headers)

    def _admit(self, start_line: object, headers: HTTPHeaders) -> Response | Problem | None:
        front, place = self._front, self.place
        assert isinstance(start_line, RequestStartLine)  # noqa: S101 - of a server
        self._method = start_line.method
        self._environ = environ_of(start_line, headers, place.address, front.port)
        size = front.shedding.body_size(self._environ)
        if size > front.most_body:
            return Problem(413, TOO_LARGE)
        refusal = front.shedding.refusal(self._environ)
        if refusal is not None:
            return refusal
        if not front.room_for(size, place.client):
            return no_room()
        self.held = size
        return None

    def data_received(self, chunk: bytes) -> None:
        """Take in a part of the body."""
        self.place.since = time.monotonic()
        if self._answered:
            return
        self.received += len(chunk)
        if self.received > self._front.most_body:
            self.refuse(Problem(413, TOO_LARGE))
            return
        self._body.write(chunk)

    def finish(self) -> None:
        """Answer a request that has come to its end."""
        self.arriving = False
        self._limit(0, None)
        if self._answered:
            self._connection.finish()
            self._end()
            return
        self.place.busy = True
        self._connection.set_close_callback(self._notice_gone)
        self._task = asyncio.get_running_loop().create_task(self._answer())

    def on_connection_close(self) -> None:
        """Forget a request that will not come to its end."""
        self._end()

    def refuse(self, refusal: Response | Problem, sends_more: bool = True) -> None:
        """Answer a request of which the rest, if there is any, is not wanted."""
        self._answered = True
        self._release()
        if self._connection.stream.closed():
            return
        answer = Answer.of(refusal)
        self._write_head(answer, close=not sends_more)
        if self._method != "HEAD":
            for part in answer.parts:
                self._connection.write(part)
        if sends_more:
            self._limit(LINGER_S, self.abort)
        else:
            self._connection.finish()  # which closes it, as it has not been read to its end

    def abort(self) -> None:
        """Close the connection."""
        self._connection.stream.close()

    def _too_slow(self) -> None:
        problem = Problem(408, f"The request took more than {BODY_S} s to arrive. Send it faster.")
        self.refuse(problem, sends_more=False)

    async def _answer(self) -> None:
        front = self._front
        self._body.seek(0)
        self._environ |= {"wsgi.input": self._body, COUNTED: True, GONE: self._gone}
        try:
            async with front.threads.turn(self.place.client):
                if self._gone.done():
                    return
                loop = asyncio.get_running_loop()
                answer = await loop.run_in_executor(front.executor, call, front.app, self._environ)
            self._release()
            await self._send(answer)
        except (StreamClosedError, TimeoutError):
            self.abort()
        except Exception:  # what the app says is no answer
            LOG.exception("An answer could not be sent")
            self.abort()
        finally:
            self._end()

    async def _send(self, answer: Answer) -> None:
        self.unfetched = answer.size
        self._front.keep_answers_small(self)
        stopping = self._front.stopping
        await self._taken(self._write_head(answer, close=stopping))
        for part in answer.parts if self._method != "HEAD" else ():
            for begin in range(0, len(part), PIECE_BYTES):
                await self._taken(self._connection.write(part[begin : begin + PIECE_BYTES]))
        self._connection.finish()
        if stopping:
            self.abort()

    def _write_head(self, answer: Answer, close: bool) -> Awaitable[None]:
        line = ResponseStartLine("HTTP/1.1", answer.status, answer.reason)
        return self._connection.write_headers(line, answer.http_headers(close))

    async def _taken(self, written: Awaitable[None]) -> None:
        """Wait until the client has taken what was written.

        Raises:
            TimeoutError: If it takes nothing for too long.
            StreamClosedError: If it has gone.
        """
        async with asyncio.timeout(FETCH_S):
            await written
        self.place.since = time.monotonic()

    def _notice_gone(self) -> None:
        if not self._gone.done():
            self._gone.set_result(None)

    def _limit(self, seconds: float, call: Callable[[], None] | None) -> None:
        """Let something happen if the exchange takes longer; only the latest such limit counts."""
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        if call is not None:
            self._deadline = asyncio.get_running_loop().call_later(seconds, call)

    def _release(self) -> None:
        """Give back what the body takes."""
        self._environ, self._body = {}, Body()
        self._front.shedding.bodies.give_back(self.held, self.place.client)
        self.held = 0

    def _end(self) -> None:
        self._limit(0, None)
        self._release()
        self._notice_gone()
        self.arriving = self.place.busy = False
        self.unfetched = 0
        self.place.since = time.monotonic()
        self._front.exchanges.discard(self)
