"""Connections on Tornado's HTTP: at most so many, of which idle and slow ones keep nobody out."""

from __future__ import annotations

import logging
import time
from collections import Counter
from typing import Any

from tornado.http1connection import HTTP1ConnectionParameters, HTTP1ServerConnection
from tornado.httputil import HTTPServerConnectionDelegate
from tornado.iostream import IOStream
from tornado.tcpserver import TCPServer

from anime_pipeline.web.serving.clients import FairThreads
from anime_pipeline.web.serving.connection import HEAD_BYTES, Connection
from anime_pipeline.web.serving.exchange import Exchange
from anime_pipeline.web.serving.shedding import LENGTH_DIGITS, Shedding, no_room

LOG = logging.getLogger(__name__)

# From the end of an answer, or the beginning of a connection, to the end of a request's headers.
# More than the 60 s after which nginx and others close connections themselves.
IDLE_S = 65
READ_BYTES = 65_536
SLOW_S = 10  # a body that has been arriving for longer makes room where there is none
UNFETCHED_BYTES = 100_000_000  # of all answers that are being fetched, but the latest


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
