"""Whose turn it is: fair queueing (Demers, Keshav and Shenker 1989) among clients.

Each client has a virtual clock that its drawings wind on by what they cost, and next is a drawing
of the request that would end first by these clocks. So a small request passes all large ones, a
large one is not delayed by those that come later, whoever sends many delays only these, and nobody
waits for ever, as those that come later begin later.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

import numpy as np

from anime_pipeline.web.models.engine import Drawing


class Order:
    """The drawings of one request, and how many are still to be made.

    Attributes:
        client: Whom it is for; one of nobody in particular is served as if from a client of its
            own.
        drawings: Those that nobody has begun, with their places in the result.
        cost: What these will take.
        future: Gets all pictures in the end.
    """

    def __init__(self, drawings: Sequence[Drawing], client: str | None = None) -> None:
        self.client = client
        self.drawings = deque(enumerate(drawings))
        self.cost = sum(drawing.cost for drawing in drawings)
        self.future: Future[list[np.ndarray]] = Future()
        self._results: list[np.ndarray | None] = [None] * len(drawings)
        self._left = len(drawings)

    def take(self) -> tuple[int, Drawing]:
        """Return the next drawing, which is then no longer waiting."""
        place, drawing = self.drawings.popleft()
        self.cost -= drawing.cost
        return place, drawing

    def forget(self) -> None:
        """Drop what nobody has begun."""
        self.drawings.clear()
        self.cost = 0

    def deliver(self, place: int, picture: np.ndarray) -> bool:
        """Note a picture; tells whether it was the last."""
        self._results[place] = picture
        self._left -= 1
        if not self._left:
            self.future.set_result([found for found in self._results if found is not None])
        return not self._left


class _Client:
    """The orders of one client that wait, and where its clock stands."""

    def __init__(self, clock: float) -> None:
        self.clock = clock
        self.orders: list[Order] = []

    def next(self) -> Order:
        """Return the order that takes least; the oldest of equal ones."""
        return min(self.orders, key=_cost)

    def ends(self) -> float:
        """Return where the clock will stand once that is done."""
        return self.clock + self.next().cost


class Turns:
    """Orders that wait, and which of their drawings is next; not safe between threads."""

    def __init__(self) -> None:
        self._clock = 0.0  # what a client would have got that always had something waiting
        self._clients: dict[Any, _Client] = {}
        self._ahead: dict[Any, float] = {}  # clocks of those that got more before they left

    def add(self, order: Order) -> None:
        """Let an order wait."""
        key = order.client or order
        if key not in self._clients:
            self._ahead = {c: clock for c, clock in self._ahead.items() if clock > self._clock}
            self._clients[key] = _Client(self._beginning(key))
        self._clients[key].orders.append(order)

    def remove(self, order: Order) -> None:
        """Take out an order of which something may still be waiting."""
        key = order.client or order
        found = self._clients.get(key)
        if found and order in found.orders:
            found.orders.remove(order)
            self._leave_if_idle(key)

    def cost_before(self, order: Order) -> int:
        """Return what would be done before an order that does not wait yet."""
        key = order.client or order
        own = self._clients.get(key)
        before = sum(one.cost for one in own.orders if one.cost <= order.cost) if own else 0
        ends = (own.clock if own else self._beginning(key)) + before + order.cost
        for other in self._clients.values():
            clock = other.clock
            for one in sorted(other.orders, key=_cost) if other is not own else ():
                clock += one.cost
                if clock <= ends:
                    before += one.cost
        return before

    def next_cost(self) -> int | None:
        """Return what the next drawing costs; None if nothing waits."""
        if not self._clients:
            return None
        return self._next()[1].next().drawings[0][1].cost

    def take(self) -> tuple[Order, int, Drawing]:
        """Return the next drawing, with its order and its place in that."""
        key, client = self._next()
        order = client.next()
        place, drawing = order.take()
        client.clock += drawing.cost
        self._clock += drawing.cost / len(self._clients)
        if not order.drawings:
            client.orders.remove(order)
            self._leave_if_idle(key)
        return order, place, drawing

    def _next(self) -> tuple[Any, _Client]:
        return min(self._clients.items(), key=lambda item: item[1].ends())

    def _beginning(self, key: Any) -> float:
        # Who leaves and returns has not waited meanwhile, and gets nothing for it.
        return max(self._clock, self._ahead.get(key, 0.0))

    def _leave_if_idle(self, key: Any) -> None:
        if not self._clients[key].orders:
            clock = self._clients.pop(key).clock
            if isinstance(key, str):
                self._ahead[key] = clock


def _cost(order: Order) -> int:
    return order.cost
