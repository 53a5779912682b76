"""Waitress with limits for clients that send slowly or nothing, and with our words for errors.

Waitress by itself takes any time for a request that trickles in, takes no new connections once many
are open, and lets a malformed request line end in a traceback.
"""

from __future__ import annotations

import logging
import socket
import time
from collections import Counter
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any

from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.receiver import ChunkedReceiver
from waitress.server import TcpWSGIServer
from waitress.task import ErrorTask
from waitress.utilities import BadRequest

from anime_pipeline.web.fair_tasks import FairDispatcher
from anime_pipeline.web.problems import TOO_LARGE, Problem, response_of
from anime_pipeline.web.security import add_headers

LOG = logging.getLogger(__name__)

IDLE_S = 60  # a connection that nothing is asked on
HEAD_S = 10  # from the first byte of a request to the end of its headers
BODY_S = 180  # to the end of its body: 8 MB at 0.4 Mbit a second
LOOK_EVERY_S = 1
# Bodies that are arriving are held in memory; those of all clients together.
UNFINISHED_BYTES = 200_000_000
FETCH_S = 60  # in which a client takes nothing of its answer
UNFETCHED_BYTES = 300_000_000  # of answers, likewise
MOST_PIPELINED = 16  # requests sent together before the first is answered; browsers send one
HEAD_BYTES = 32_768
CHUNK_LINE_BYTES, TRAILER_BYTES = 1_024, 16_384  # read anew from their beginning as they grow
# Bytes from which waitress would use files, or let the threads wait for slow readers.
IN_MEMORY = 2**40


class Chunks(ChunkedReceiver):
    """A body in chunks of which the parts beside the content are of limited size."""

    def received(self, s: bytes) -> int:
        """Take some bytes; tells how many of them belong to the body."""
        taken: int = super().received(s)
        if len(self.control_line) > CHUNK_LINE_BYTES or len(self.trailer) > TRAILER_BYTES:
            self.error = BadRequest("A chunk's first line or the trailer is too long")
            self.completed = True
        return taken


class Parser(HTTPRequestParser):
    """Knows when a request began, and refuses in words what waitress stumbles over."""

    path = ""  # in messages about requests that have none
    body_rcv: Any = None

    def __init__(self, adj: Adjustments) -> None:
        super().__init__(adj)
        self.begun = time.monotonic()

    def parse_header(self, header_plus: bytes) -> None:
        """Read the request line and the headers.

        Raises:
            ParsingError: If they make no sense.
        """
        try:
            super().parse_header(header_plus)
        except ValueError as error:  # brackets without end in a URI, a length of 5,000 digits
            raise ParsingError(f"Malformed request: {error}") from None
        if self.chunked:
            self.body_rcv = Chunks(self.body_rcv.buf)


class ProblemTask(ErrorTask):
    """Answers requests that never reach the app like the app answers its own."""

    def execute(self) -> None:
        """Send the problem, and close the connection: where the next request begins is unclear."""
        error = self.request.error
        detail = (
            f"{' '.join(str(error.body).split()).rstrip('.')}. Send a request as HTTP describes it."
        )
        if error.code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            detail = TOO_LARGE
        response = add_headers(response_of(Problem(error.code, detail)))
        body = response.get_data()
        self.status = f"{error.code} {HTTPStatus(error.code).phrase}"
        kept = [(name, value) for name, value in response.headers if name != "Content-Length"]
        self.response_headers.extend(kept)
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class Channel(HTTPChannel):
    """One connection."""

    parser_class = Parser
    error_task_class = ProblemTask

    @property
    def unfinished_bytes(self) -> int:
        """How much of a body has come of which there is more to come."""
        request = self.request
        return request.body_bytes_received if request is not None else 0

    def readable(self) -> bool:
        """Tell the loop whether to look for more requests."""
        return bool(self.server.reads and super().readable())

    def received(self, data: bytes) -> bool:
        """Read requests, or close a connection that sends very many before it reads one answer."""
        taken: bool = super().received(data)
        if len(self.requests) > MOST_PIPELINED:
            self.will_close = True
        return taken

    def is_stuck(self, now: float) -> bool:
        """Tell whether an answer is not being fetched."""
        return bool(self.total_outbufs_len and now - self.last_activity > FETCH_S)

    def is_late(self, now: float) -> bool:
        """Tell whether a request has been arriving for too long."""
        request = self.request
        if request is None or self.requests:
            return False
        return bool(now - request.begun > (BODY_S if request.headers_finished else HEAD_S))

    def handle_error(self) -> None:
        """Say in one line what went wrong with this connection, and close it."""
        _, kind, error, _ = self.compact_traceback()
        LOG.warning("A connection was closed: %s: %s", kind.__name__, error)
        self.handle_close()


class Server(TcpWSGIServer):
    """Takes new connections at any time: the longest idle makes room, of who has most of them."""

    channel_class = Channel
    reads = True  # until the server stops

    def readable(self) -> bool:
        """Tell the loop whether to accept; called before each of its rounds."""
        if self.accepting and len(self._map) >= self.adj.connection_limit:
            # All were busy when the last was accepted. Not closed here: the loop still looks at it.
            channel = self._most_dispensable()
            if channel is not None:
                channel.will_close = True
        return bool(super().readable())

    def handle_accept(self) -> None:
        """Accept a connection, and close another if that was the last place."""
        is_last = len(self._map) + 1 >= self.adj.connection_limit
        dispensable = self._most_dispensable() if is_last else None
        super().handle_accept()
        # Not before: the new one would get the old one's number, and what the loop knows of that.
        if dispensable is not None:
            dispensable.handle_close()

    def maintenance(self, now: float) -> None:
        """Close what has been idle or arriving for too long, or takes too much memory."""
        super().maintenance(now)
        close_bad_ones(list(self.active_channels.values()), now)

    def _most_dispensable(self) -> Channel | None:
        # What is being answered stays.
        channels = [one for one in self.active_channels.values() if not one.requests]
        held = Counter(_address(channel) for channel in channels)

        def dispensable(channel: Channel) -> tuple[bool, int, float]:
            unsent = bool(channel.total_outbufs_len)
            return not unsent, held[_address(channel)], -channel.last_activity

        return max(channels, key=dispensable, default=None)


def close_bad_ones(channels: Sequence[Channel], now: float) -> None:
    """Let connections end that are too slow either way, or hold too much of the memory.

    Args:
        channels: All of them.
        now: Seconds since 1970.
    """
    for channel in channels:
        if channel.is_late(time.monotonic()) or channel.is_stuck(now):
            channel.will_close = True
    _keep_below(UNFINISHED_BYTES, channels, lambda channel: channel.unfinished_bytes)
    _keep_below(UNFETCHED_BYTES, channels, lambda channel: channel.total_outbufs_len)


def _keep_below(
    most_bytes: int, channels: Sequence[Channel], size: Callable[[Channel], int]
) -> None:
    """Close the connections that hold most until all others together hold little enough."""
    held = sum(map(size, channels))
    for channel in sorted(channels, key=size, reverse=True):
        if held <= most_bytes:
            break
        held -= size(channel)
        channel.will_close = True


def _address(channel: Channel) -> Any:
    return channel.addr[0] if channel.addr else None


def make_server(app: Callable[..., Any], listening: socket.socket, **settings: Any) -> Server:
    """Return a server on a socket that listens, not yet running.

    Args:
        app: A WSGI app.
        listening: See `serving.listen`.
        settings: Of waitress.
    """
    adjustments = Adjustments(
        channel_timeout=IDLE_S,
        cleanup_interval=LOOK_EVERY_S,
        asyncore_use_poll=True,
        # Nothing that is sent or answered goes through files, which a container may not have.
        inbuf_overflow=IN_MEMORY,
        outbuf_overflow=IN_MEMORY,
        outbuf_high_watermark=IN_MEMORY,
        max_request_header_size=HEAD_BYTES,
        **settings,
    )
    place = (listening.family, listening.type, listening.proto, listening.getsockname())
    dispatcher = FairDispatcher()
    dispatcher.set_thread_count(adjustments.threads)
    return Server(
        app,
        map={},
        _sock=listening,
        _dispatcher=dispatcher,
        adj=adjustments,
        sockinfo=place,
        bind_socket=False,
    )
