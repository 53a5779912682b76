"""Whose job is next: fair queueing (Demers, Keshav and Shenker 1989) among clients.

Each client has a virtual clock that its jobs wind on by what they cost, and next is a job of the
request that would end first by these clocks. So a small request passes all large ones, a large one
is not delayed by those that come later, whoever sends many delays only these, and nobody waits for
ever, as those that come later begin later.
"""

from __future__ import annotations

from typing import Any

from anime_pipeline.web.models.engine import Job
from anime_pipeline.web.models.jobs import QueuedRequest


class _Client:
    """The requests of one client that wait, and where its clock stands."""

    def __init__(self, clock: float) -> None:
        self.clock = clock
        self.requests: list[QueuedRequest] = []

    def next(self) -> QueuedRequest:
        """Return the request that takes least; the oldest of equal ones."""
        return min(self.requests, key=_cost)

    def ends(self) -> float:
        """Return where the clock will stand once that is done."""
        return self.clock + self.next().cost


class FairQueue:
    """Requests that wait, and which of their jobs is next; not safe between threads."""

    def __init__(self) -> None:
        self._clock = 0.0  # what a client would have got that always had something waiting
        self._clients: dict[Any, _Client] = {}
        self._ahead: dict[Any, float] = {}  # clocks of those that got more before they left

    def add(self, request: QueuedRequest) -> None:
        """Let a request wait."""
        key = request.client or request
        if key not in self._clients:
            self._ahead = {c: clock for c, clock in self._ahead.items() if clock > self._clock}
            self._clients[key] = _Client(self._beginning(key))
        self._clients[key].requests.append(request)

    def remove(self, request: QueuedRequest) -> None:
        """Take out a request of which something may still be waiting, which is dropped."""
        key = request.client or request
        found = self._clients.get(key)
        if found and request in found.requests:
            found.requests.remove(request)
            self._leave_if_idle(key)
        request.jobs.clear()
        request.cost = 0

    def cost_before(self, request: QueuedRequest) -> int:
        """Return what would be done before a request that does not wait yet."""
        key = request.client or request
        own = self._clients.get(key)
        before = sum(one.cost for one in own.requests if one.cost <= request.cost) if own else 0
        ends = (own.clock if own else self._beginning(key)) + before + request.cost
        for other in self._clients.values():
            clock = other.clock
            for one in sorted(other.requests, key=_cost) if other is not own else ():
                clock += one.cost
                if clock <= ends:
                    before += one.cost
        return before

    def next_cost(self) -> int | None:
        """Return what the next job costs; None if nothing waits."""
        if not self._clients:
            return None
        return self._next()[1].next().jobs[0][1].cost

    def take(self) -> tuple[QueuedRequest, int, Job]:
        """Return the next job, with its request and its place in that."""
        key, client = self._next()
        request = client.next()
        place, job = request.take()
        client.clock += job.cost
        self._clock += job.cost / len(self._clients)
        if not request.jobs:
            client.requests.remove(request)
            self._leave_if_idle(key)
        return request, place, job

    def _next(self) -> tuple[Any, _Client]:
        return min(self._clients.items(), key=lambda item: item[1].ends())

    def _beginning(self, key: Any) -> float:
        # Who leaves and returns has not waited meanwhile, and gets nothing for it.
        return max(self._clock, self._ahead.get(key, 0.0))

    def _leave_if_idle(self, key: Any) -> None:
        if not self._clients[key].requests:
            clock = self._clients.pop(key).clock
            if isinstance(key, str):
                self._ahead[key] = clock


def _cost(request: QueuedRequest) -> int:
    return request.cost
