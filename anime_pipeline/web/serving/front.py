"""What all exchanges of a server share: the app, its threads, and room for bodies and answers."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from anime_pipeline.web.serving.clients import FairThreads
from anime_pipeline.web.serving.shedding import Shedding, no_room

if TYPE_CHECKING:
    from anime_pipeline.web.serving.exchange import Exchange

LOG = logging.getLogger(__name__)

SLOW_S = 10  # a body that has been arriving for longer makes room where there is none
UNFETCHED_BYTES = 100_000_000  # of all answers that are being fetched, but the latest


@dataclass(eq=False)
class Front:
    """What all exchanges of a server share.

    Attributes:
        app: Answers requests; knows which are not even to be read, and how much room there is.
        threads: Whose turn it is.
        stopping: Whether connections end behind their answers.
        exchanges: Those that are not over.
    """

    app: Shedding
    threads: FairThreads
    stopping: bool = False
    exchanges: set[Exchange] = field(default_factory=set)

    @property
    def busy(self) -> bool:
        """Whether a request that has come to its end is not answered to its end."""
        return any(one.connection.busy for one in self.exchanges)

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
