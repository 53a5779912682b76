"""The one thread that uses the models: a bounded queue, small batches, long work in between.

One thread, because each model call uses all cores already: two at once would only be slower and
take more memory. What waits is limited, so that a server with too much to do says so at once
instead of answering everybody too late.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from anime_pipeline.web.engine import Drawing
from anime_pipeline.web.work import GIVEN_UP, BusyError, GivenUpError, LongJob, TooLongError

GATHER_S = 0.005  # how long the first of a batch waits for company
MOST_AT_ONCE = 8  # cost of one batch: about a seventh of a second on two cores
COST_A_SECOND = 40.0  # before anything has been measured
LONG_JOBS = 3  # uploads that may wait; each takes seconds to minutes

Compute = Callable[[Sequence[Drawing]], list[np.ndarray]]


@dataclass(eq=False)
class _Order:
    """The drawings of one request, and how many are still to be made."""

    drawings: deque[tuple[int, Drawing]]
    results: list[np.ndarray | None]
    left: int
    future: Future[list[np.ndarray]] = field(default_factory=Future)


class Worker:
    """Computes pictures for all requests, oldest first and a little of each in turn."""

    def __init__(self, compute: Compute, most_waiting: int, most_cost: int = 0) -> None:
        """Start the thread.

        Args:
            compute: Makes the pictures of some drawings, see `engine.compute`.
            most_waiting: Requests that may wait.
            most_cost: What they may cost together, see `Drawing.cost`; 0 for eight a request. A
                request that costs more by itself is taken when nothing waits.
        """
        self._compute = compute
        self._most_waiting = most_waiting
        self._most_cost = most_cost or 8 * most_waiting
        self._orders: deque[_Order] = deque()
        self._long: deque[LongJob] = deque()
        self._running: LongJob | None = None
        self._cost = 0
        self._pace = COST_A_SECOND
        self._stopping = False
        self._changed = threading.Condition()
        self.on_batch: Callable[[int, float], None] = lambda size, seconds: None
        self._thread = threading.Thread(target=self._run, name="models", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Requests that wait or are being worked on, uploads too."""
        return len(self._orders) + len(self._long)

    @property
    def alive(self) -> bool:
        """Whether it takes requests."""
        return self._thread.is_alive() and not self._stopping

    def draw(self, drawings: Sequence[Drawing], timeout_s: float) -> list[np.ndarray]:
        """Wait for pictures.

        Raises:
            BusyError: At once if too much waits already, or after `timeout_s`.
            PipelineError: If they cannot be made.
        """
        numbered = deque(enumerate(drawings))
        order = _Order(numbered, [None] * len(drawings), len(drawings))
        cost = sum(drawing.cost for drawing in drawings)
        with self._changed:
            self.refuse_when_full(cost)
            self._orders.append(order)
            self._cost += cost
            self._changed.notify_all()
        try:
            return order.future.result(timeout_s)
        except TimeoutError:
            self._give_up(order)
            raise BusyError(
                f"It was not done within {timeout_s:g} s. Try again in a moment.", timeout_s
            ) from None

    def refuse_when_full(self, cost: int = 1) -> None:
        """Tell whether `draw` would be refused, before anything is prepared for it.

        Raises:
            BusyError: If so.
        """
        # No lock: a glance at a queue that changes all the time anyway.
        self._refuse_when_stopping()
        waiting = len(self._orders)
        if waiting >= self._most_waiting or (waiting and self._cost + cost > self._most_cost):
            raise BusyError(
                f"{waiting} requests are waiting already. Try again in a moment.",
                self._cost / self._pace,
            )

    def run_long(self, job: LongJob, timeout_s: float) -> Any:
        """Wait for work that takes long.

        Raises:
            BusyError: If too many such jobs wait.
            TooLongError: After `timeout_s`.
            GivenUpError: If the job was given up.
        """
        with self._changed:
            self.refuse_long_when_full()
            self._long.append(job)
            self._changed.notify_all()
        try:
            return job.future.result(timeout_s)
        except TimeoutError:
            self.give_up(job)
            raise TooLongError(
                f"It was not done within {timeout_s:g} s. Try a smaller picture or scale."
            ) from None

    def give_up(self, job: LongJob) -> None:
        """End a job: at once if it has not begun, else when it next pauses."""
        with self._changed:
            job.given_up = True
            if job in self._long and job is not self._running:
                self._long.remove(job)
                job.future.set_exception(GivenUpError(GIVEN_UP))

    def refuse_long_when_full(self) -> None:
        """Tell whether `run_long` would be refused, before a picture is read for it.

        Raises:
            BusyError: If so.
        """
        with self._changed:
            self._refuse_when_stopping()
            if len(self._long) >= LONG_JOBS:
                raise BusyError(
                    f"{len(self._long)} uploads are being worked on already. Try again later.", 15
                )

    def stop(self, timeout_s: float = 60.0) -> bool:
        """Refuse new work, finish what was accepted; tells whether that was done in time."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _refuse_when_stopping(self) -> None:
        if self._stopping:
            raise BusyError(f"The server is stopping ({self.waiting} left). Try again later.", 10)

    def _give_up(self, order: _Order) -> None:
        with self._changed:
            self._forget(order)

    def _forget(self, order: _Order) -> None:
        """Take an order's drawings that nobody has begun out of the queue."""
        self._cost -= sum(drawing.cost for _, drawing in order.drawings)
        order.drawings.clear()
        if order in self._orders:
            self._orders.remove(order)

    def _run(self) -> None:
        while True:
            with self._changed:
                while not (self._orders or self._long or self._stopping):
                    self._changed.wait()
                if not self._orders and not self._long:
                    return
                job = self._running = self._long[0] if self._long else None
            if job is None:
                self._serve_batch(GATHER_S)
            else:
                self._run_job(job)

    def _run_job(self, job: LongJob) -> None:
        def pause() -> None:
            if job.given_up:
                raise GivenUpError(GIVEN_UP)
            self._serve_batch(0)

        try:
            result = job.work(pause)
        except BaseException as error:  # handed to the request that waits: this thread must live on
            job.future.set_exception(error)
        else:
            job.future.set_result(result)
        with self._changed:
            self._running = None
            self._long.remove(job)

    def _serve_batch(self, gather_s: float) -> None:
        batch = self._take(gather_s)
        if not batch:
            return
        begun = time.perf_counter()
        pictures = self._pictures([drawing for _, _, drawing in batch])
        seconds = time.perf_counter() - begun
        cost = sum(drawing.cost for _, _, drawing in batch)
        self.on_batch(len(batch), seconds)
        with self._changed:
            self._cost -= cost
            self._pace += 0.1 * (cost / max(seconds, 1e-3) - self._pace)
            for (order, place, _), picture in zip(batch, pictures, strict=True):
                self._deliver(order, place, picture)

    def _pictures(self, drawings: Sequence[Drawing]) -> Sequence[Any]:
        """Compute a batch; where it fails, each alone, so that one cannot spoil the others'."""
        try:
            return self._compute(drawings)
        except BaseException as error:  # handed to the requests that wait: this thread must live on
            if len(drawings) == 1:
                return [error]
            return [self._pictures([drawing])[0] for drawing in drawings]

    def _deliver(self, order: _Order, place: int, picture: Any) -> None:
        if order.future.done():
            return
        if isinstance(picture, BaseException):
            self._forget(order)
            order.future.set_exception(picture)
            return
        order.results[place] = picture
        order.left -= 1
        if not order.left:
            if order in self._orders:
                self._orders.remove(order)
            order.future.set_result([result for result in order.results if result is not None])

    def _take(self, gather_s: float) -> list[tuple[_Order, int, Drawing]]:
        """Take a batch from all that waits, one drawing of each request in turn."""
        deadline = time.monotonic() + gather_s
        with self._changed:
            while gather_s and self._ready_cost() < MOST_AT_ONCE and not self._stopping:
                left_s = deadline - time.monotonic()
                if left_s <= 0:
                    break
                self._changed.wait(left_s)
            batch: list[tuple[_Order, int, Drawing]] = []
            cost = 0
            waiting = deque(order for order in self._orders if order.drawings)
            while waiting:
                order = waiting.popleft()
                place, drawing = order.drawings[0]
                if batch and cost + drawing.cost > MOST_AT_ONCE:
                    break
                order.drawings.popleft()
                batch.append((order, place, drawing))
                cost += drawing.cost
                if order.drawings:
                    waiting.append(order)
            # Whoever was served goes behind those that were not.
            served = {id(order): order for order, _, _ in batch}
            for order in served.values():
                self._orders.remove(order)
                self._orders.append(order)
            return batch

    def _ready_cost(self) -> int:
        return sum(drawing.cost for order in self._orders for _, drawing in order.drawings)
