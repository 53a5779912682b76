"""A client's connection: it may say that it sends no more, and is told when it sends too much."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Any

from tornado.iostream import IOStream, UnsatisfiableReadError

from anime_pipeline.web.errors import Problem
from anime_pipeline.web.serving.clients import client_of
from anime_pipeline.web.serving.problems import response_of

HEAD_BYTES = 32_768


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
