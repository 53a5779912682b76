"""Connections on Tornado's HTTP: at most so many, of which idle and slow ones keep nobody out."""

from __future__ import annotations

import contextlib
import logging
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from tornado.http1connection import HTTP1ConnectionParameters, HTTP1ServerConnection
from tornado.httputil import HTTPServerConnectionDelegate
from tornado.iostream import IOStream, UnsatisfiableReadError
from tornado.tcpserver import TCPServer

from anime_pipeline.web.errors import Problem
from anime_pipeline.web.serving.clients import FairThreads, client_of
from anime_pipeline.web.serving.exchange import Exchange
from anime_pipeline.web.serving.problems import response_of
from anime_pipeline.web.serving.shedding import LENGTH_DIGITS, Shedding, no_room

LOG = logging.getLogger(__name__)

# From the end of an answer, or the beginning of a connection, to the end of a request's headers.
# More than the 60 s after which nginx and others close connections themselves.
IDLE_S = 65
HEAD_BYTES = 32_768
READ_BYTES = 65_536
SLOW_S = 10  # a body that has been arriving for longer makes room where there is none
UNFETCHED_BYTES = 100_000_000  # of all answers that are being fetched, but the latest


class Connection(IOStream):
    """A client's connection, on which answers are sent though it says that it sends no more.

    Attributes:
        address: Where it comes from.
        since: When something last came of it or went to it.
        busy: Whether a request that came of it is being answered.
        in_head: Whether the next thing to come is a request's head, or the rest of one.
        ends: How often its end has been read.
        on_end: Called when it says so while it is busy.
    """

    def __init__(self, stream: IOStream, address: str) -> None:
        """Take over a stream of which nothing has been read."""
        super().__init__(
            stream.socket,
            max_buffer_size=stream.max_buffer_size,
            read_chunk_size=stream.read_chunk_size,
        )
        self.address = address
        self.since = time.monotonic()
        self.busy = self.in_head = False
        self.ends = 0
        self.on_end: Callable[[], None] = lambda: None

    @property
    def client(self) -> str | None:
        """Whom it is counted for."""
        return client_of(self.address)

    def read_from_fd(self, buf: bytearray | memoryview) -> int | None:
        """Read; an end is read as a byte that nobody looks at, unless it cuts a body short.

        At an end Tornado closes the connection. But a client that has asked all it wanted to sends
        one too, and waits for its answer. While there is a byte to be read Tornado asks no further.
        """
        count: int | None = super().read_from_fd(buf)
        if count != 0 or not (self.busy or self.in_head):
            return count
        self.ends += 1
        if self.ends > 1:  # in the head of a request that is no whole one it is the end, soon
            return None if self.busy or self.ends == 2 else 0
        if self.busy:
            self.on_end()
        buf[:1] = b"\r"
        return 1

    def close(self, exc_info: Any = False) -> None:
        """Close it; where a head was too long, which Tornado does not answer, in words."""
        if isinstance(exc_info, UnsatisfiableReadError) and self.in_head and not self.closed():
            refused = response_of(
                Problem(431, f"The headers have more than {HEAD_BYTES} bytes. Send fewer.")
            )
            refused.headers["Connection"] = "close"
            head = f"HTTP/1.1 {refused.status}\r\n{refused.headers}"
            with contextlib.suppress(OSError):
                self.socket.send(head.encode("latin-1") + refused.get_data())
        super().close(exc_info)


class Server(TCPServer, HTTPServerConnectionDelegate):
    """Takes new connections at any time: the longest idle makes room, of who has most of them.

    Attributes:
        app: Answers requests; knows which are not even to be read, and how much room there is.
        threads: Whose turn it is.
        stopping: Whether connections end behind their answers.
        exchanges: Those that are not over.
        open: Connections that are open.
    """

    def __init__(self, app: Shedding, threads: FairThreads, most_connections: int) -> None:
        super().__init__(max_buffer_size=4 * READ_BYTES, read_chunk_size=READ_BYTES)
        self.app = app
        self.threads = threads
        self.stopping = False
        self.exchanges: set[Exchange] = set()
        self.open: dict[HTTP1ServerConnection, Connection] = {}
        self._most = most_connections
        self._parameters = HTTP1ConnectionParameters(
            chunk_size=READ_BYTES,
            max_header_size=HEAD_BYTES,
            header_timeout=IDLE_S,
            # An exchange refuses what is too much, in words.
            max_body_size=10**LENGTH_DIGITS,
        )

    @property
    def busy(self) -> bool:
        """Whether a request that has come to its end is not answered to its end."""
        return any(one.busy for one in self.open.values())

    def handle_stream(self, stream: IOStream, address: tuple[Any, ...]) -> None:
        """Take a connection, and close another if there are too many."""
        if len(self.open) >= self._most:
            dispensable = self._most_dispensable()
            if dispensable is None:  # all of them are being answered
                stream.close()
                return
            # Forgotten at once: Tornado tells of its end a little later.
            self.open.pop(dispensable).close()
        connection = Connection(stream, address[0])
        served = HTTP1ServerConnection(connection, self._parameters, connection)
        self.open[served] = connection
        served.start_serving(self)

    def start_request(self, server_conn: object, request_conn: Any) -> Exchange:
        """Make what deals with the next request of a connection."""
        request_conn.context.in_head = True
        return Exchange(self, request_conn)

    def on_close(self, server_conn: Any) -> None:
        """Forget a connection that has ended."""
        self.open.pop(server_conn, None)

    def close_all(self) -> None:
        """Close all connections."""
        for connection in list(self.open.values()):
            connection.close()

    def make_room(self, size: int, client: str | None) -> bool:
        """End the body that arrives most slowly, if any does; tells whether that was so."""
        now, bodies = time.monotonic(), self.app.bodies
        full = bodies.held + size > bodies.most_bytes
        slow = [
            one
            for one in self.exchanges
            if one.held
            and one.arriving
            and now - one.begun > SLOW_S
            # One with too large a share makes room for itself only.
            and (full or one.connection.client == client)
        ]

        def badness(one: Exchange) -> tuple[int, float]:
            return bodies.held_by(one.connection.client), (now - one.begun) / (1 + one.received)

        if slow:
            max(slow, key=badness).refuse(no_room())
        return bool(slow)

    def keep_answers_small(self, latest: Exchange) -> None:
        """End the connections that have fetched nothing for longest while answers are too much."""
        sending = [one for one in self.exchanges if one.unfetched and one is not latest]
        sending.sort(key=lambda one: one.connection.since, reverse=True)
        while sending and sum(one.unfetched for one in (*sending, latest)) > UNFETCHED_BYTES:
            LOG.warning("A connection was closed: its answer was not fetched.")
            sending.pop().connection.close()

    def _most_dispensable(self) -> HTTP1ServerConnection | None:
        # What is being answered stays.
        idle = {served: one for served, one in self.open.items() if not one.busy}
        held = Counter(one.client for one in idle.values())
        return max(
            idle, key=lambda served: (held[idle[served].client], -idle[served].since), default=None
        )
