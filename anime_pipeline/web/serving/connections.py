"""Connections on Tornado's HTTP: at most so many, of which idle and slow ones keep nobody out."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

from tornado.http1connection import HTTP1ConnectionParameters, HTTP1ServerConnection
from tornado.httputil import HTTPServerConnectionDelegate
from tornado.iostream import IOStream
from tornado.tcpserver import TCPServer

from anime_pipeline.web.serving.exchanges import Exchange, Front, Place
from anime_pipeline.web.serving.shedding import LENGTH_DIGITS

# From the end of an answer, or the beginning of a connection, to the end of a request's headers.
# More than the 60 s after which nginx and others close connections themselves.
IDLE_S = 65
HEAD_BYTES = 32_768
READ_BYTES = 65_536


class Server(TCPServer, HTTPServerConnectionDelegate):
    """Takes new connections at any time: the longest idle makes room, of who has most of them.

    Attributes:
        front: What answers the requests.
        places: Connections that are open.
    """

    def __init__(self, front: Front, most_connections: int) -> None:
        super().__init__(max_buffer_size=4 * READ_BYTES, read_chunk_size=READ_BYTES)
        self.front = front
        self.places: dict[HTTP1ServerConnection, Place] = {}
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
        if len(self.places) >= self._most:
            dispensable = self._most_dispensable()
            if dispensable is None:  # all of them are being answered
                stream.close()
                return
            # Forgotten at once: Tornado tells of its end a little later.
            self.places.pop(dispensable).stream.close()
        place = Place(stream, address[0])
        connection = HTTP1ServerConnection(stream, self._parameters, place)
        self.places[connection] = place
        connection.start_serving(self)

    def start_request(self, server_conn: object, request_conn: Any) -> Exchange:
        """Make what deals with the next request of a connection."""
        return Exchange(self.front, request_conn)

    def on_close(self, server_conn: Any) -> None:
        """Forget a connection that has ended."""
        self.places.pop(server_conn, None)

    def close_all(self) -> None:
        """Close all connections."""
        for place in list(self.places.values()):
            place.stream.close()

    def _most_dispensable(self) -> HTTP1ServerConnection | None:
        # What is being answered stays.
        places = {one: place for one, place in self.places.items() if not place.busy}
        held = Counter(place.client for place in places.values())
        now = time.monotonic()
        return max(
            places,
            key=lambda one: (held[places[one].client], now - places[one].since),
            default=None,
        )
