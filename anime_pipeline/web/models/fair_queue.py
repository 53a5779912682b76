"""Whose job is next: fair queueing (Demers, Keshav and Shenker 1989) among clients.

Each client has a virtual clock that its jobs wind on by what they cost, and next is a job of the
request that would end first by these clocks. So a small request passes all large ones, a large one
is not delayed by those that come later, whoever sends many delays only these, and nobody waits for
ever, as those that come later begin later.
"""

from __future__ import annotations

from typing import Any

from anime_pipeline.web.models.jobs import Job, QueuedRequest


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
