"""Connections on Tornado's HTTP: at most so many, of which idle and slow ones keep nobody out."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from tornado.http1connection import HTTP1ConnectionParameters, HTTP1ServerConnection
from tornado.httputil import HTTPServerConnectionDelegate
from tornado.iostream import IOStream, UnsatisfiableReadError
from tornado.tcpserver import TCPServer

from anime_pipeline.web.errors import Problem
from anime_pipeline.web.serving.clients import client_of
from anime_pipeline.web.serving.exchange import Exchange
from anime_pipeline.web.serving.front import Front
from anime_pipeline.web.serving.problems import response_of
from anime_pipeline.web.serving.shedding import LENGTH_DIGITS

# From the end of an answer, or the beginning of a connection, to the end of a request's headers.
# More than the 60 s after which nginx and others close connections themselves.
IDLE_S = 65
HEAD_BYTES = 32_768
READ_BYTES = 65_536


class Connection(IOStream):
    """A client's connection, on which answers are sent though it says that it sends no more.

    Attributes:
        address: Where it comes from.
        since: When something last came of it or went to it.
        busy: Whether a request that came of it is being answered.
        in_head: Whether the next thing to come is a request's head, or the rest of one.
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
        self._ends = 0
        self.on_end: Callable[[], None] = lambda: None

    @property
    def ended(self) -> bool:
        """Whether the client has said that it sends no more."""
        return self._ends > 0

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
        self._ends += 1
        if self._ends > 1:  # in the head of a request that is no whole one it is the end, soon
            return None if self.busy or self._ends == 2 else 0
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
        front: What answers the requests.
        open: Connections that are open.
    """

    def __init__(self, front: Front, most_connections: int) -> None:
        super().__init__(max_buffer_size=4 * READ_BYTES, read_chunk_size=READ_BYTES)
        self.front = front
        self.open: dict[HTTP1ServerConnection, Connection] = {}
        self._most = most_connections
        self._parameters = HTTP1ConnectionParameters(
            chunk_size=READ_BYTES,
            max_header_size=HEAD_BYTES,
            header_timeout=IDLE_S,
            # An exchange refuses what is too much, in words.
            max_body_size=10**LENGTH_DIGITS,
        )

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
        return Exchange(self.front, request_conn)

    def on_close(self, server_conn: Any) -> None:
        """Forget a connection that has ended."""
        self.open.pop(server_conn, None)

    def close_all(self) -> None:
        """Close all connections."""
        for connection in list(self.open.values()):
            connection.close()

    def _most_dispensable(self) -> HTTP1ServerConnection | None:
        # What is being answered stays.
        idle = {served: one for served, one in self.open.items() if not one.busy}
        held = Counter(one.client for one in idle.values())
        return max(
            idle, key=lambda served: (held[idle[served].client], -idle[served].since), default=None
        )
