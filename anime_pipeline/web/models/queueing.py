"""Which requests may wait, and whose job is next: fair queueing (Demers, Keshav, Shenker 1989).

Each client has a virtual clock that its jobs wind on by what they cost, and next is a job of the
request that would end first by these clocks. So a small request passes all large ones, a large one
is not delayed by those that come later, whoever sends many delays only these, and nobody waits for
ever, as those that come later begin later.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from anime_pipeline.web.errors import BusyError
from anime_pipeline.web.models.jobs import Job, QueuedRequest

SHARE = 3  # times as many places as are free: what one client may have
SURE = 0.8  # of the time it may take: smaller requests that come later are done before
SMALL = 8  # what costs no more takes its chance: it passes the others
COST_A_SECOND = 40.0  # before anything has been measured


class FairQueue:
    """Requests that wait, and which of their jobs is next; not safe between threads."""

    def __init__(self) -> None:
        self._clock = 0.0  # what a client would have got that always had something waiting
        self._clocks: dict[Any, float] = {}  # of those too that got more before they left
        self._waiting: dict[Any, list[QueuedRequest]] = {}

    def add(self, request: QueuedRequest) -> None:
        """Let a request wait."""
        client = _client(request)
        if client not in self._waiting:
            # Who leaves and returns has not waited meanwhile, and gets nothing for it.
            self._clocks = {
                one: clock
                for one, clock in self._clocks.items()
                if one in self._waiting or clock > self._clock
            }
            self._clocks.setdefault(client, self._clock)
        self._waiting.setdefault(client, []).append(request)

    def remove(self, request: QueuedRequest) -> None:
        """Take out a request of which something may still be waiting, which is dropped."""
        if request in self._waiting.get(_client(request), ()):
            self._let_go(request)
        request.jobs.clear()
        request.cost = 0

    def cost_before(self, request: QueuedRequest) -> int:
        """Return what would be done before a request that does not wait yet."""
        client = _client(request)
        own = self._waiting.get(client, ())
        clock = self._clocks.get(client, 0.0)
        before = sum(one.cost for one in own if one.cost <= request.cost)
        ends = (clock if own else max(clock, self._clock)) + before + request.cost
        for other, requests in self._waiting.items():
            clock = self._clocks[other]
            for one in sorted(requests, key=_cost) if other != client else ():
                clock += one.cost
                if clock <= ends:
                    before += one.cost
        return before

    def next_cost(self) -> int | None:
        """Return what the next job costs; None if nothing waits."""
        return self._next().jobs[0][1].cost if self._waiting else None

    def take(self) -> tuple[QueuedRequest, int, Job]:
        """Return the next job, with its request and its place in that."""
        request = self._next()
        place, job = request.take()
        self._clocks[_client(request)] += job.cost
        self._clock += job.cost / len(self._waiting)
        if not request.jobs:
            self._let_go(request)
        return request, place, job

    def _next(self) -> QueuedRequest:
        # Of each client what takes least; the oldest of equal ones.
        first = {client: min(requests, key=_cost) for client, requests in self._waiting.items()}
        return first[min(first, key=lambda client: self._clocks[client] + first[client].cost)]

    def _let_go(self, request: QueuedRequest) -> None:
        client = _client(request)
        self._waiting[client].remove(request)
        if not self._waiting[client]:
            del self._waiting[client]
            if client is request:
                del self._clocks[client]


def _client(request: QueuedRequest) -> Any:
    return request.client or request


def _cost(request: QueuedRequest) -> int:
    return request.cost


class Admission:
    """Places in the queue, and how fast work is done."""

    def __init__(self, most_waiting: int) -> None:
        self._most_waiting = most_waiting
        self._pace = COST_A_SECOND

    def measure(self, cost: int, seconds: float) -> None:
        """Note how long some work took."""
        self._pace += 0.1 * (cost / max(seconds, 1e-3) - self._pace)

    def refuse_when_full(self, waiting: int) -> None:
        """Refuse if all places are taken.

        Raises:
            BusyError: If so.
        """
        if waiting >= self._most_waiting:
            raise BusyError(
                f"{waiting} requests are waiting already. Try again in a moment.",
                waiting / self._pace,
            )

    def refuse(
        self,
        waiting: Sequence[QueuedRequest],
        request: QueuedRequest,
        cost_before: int,
        timeout_s: float,
    ) -> None:
        """Refuse a request if it is not to wait beside those that do.

        Args:
            waiting: Those that wait.
            request: The new one.
            cost_before: What would be done before it.
            timeout_s: How long it may take.

        Raises:
            BusyError: If all places are taken or its client has a full share of them, or if it
                would not be done in time. What could not be even alone is tried when nothing waits.
        """
        self.refuse_when_full(len(waiting))
        # Places are kept free for others: the fewer there are, the more.
        client = request.client
        held = sum(one.client == client for one in waiting) if client else 0
        if held >= SHARE * (self._most_waiting - len(waiting)):
            raise BusyError(
                f"{held} requests from this address are waiting already. Wait for some of them.",
                held / self._pace,
            )
        seconds = (cost_before + request.cost) / self._pace
        if waiting and request.cost > SMALL and seconds > SURE * timeout_s:
            raise BusyError(
                f"There is too much to do for {request.cost} faces' work within {timeout_s:g} s. "
                "Try again later, or with fewer or smaller ones.",
                seconds - SURE * timeout_s,
            )
