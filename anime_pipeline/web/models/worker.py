"""The one thread that uses the models: a bounded queue, small batches, long jobs in between.

One thread, because each model call uses all cores already: two at once would only be slower and
take more memory. What waits is limited, so that a server with too much to do says so at once
instead of answering everybody too late.
"""

from __future__ import annotations

import logging
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future
from typing import Any

import numpy as np

from anime_pipeline.web.errors import BusyError, GivenUpError, Problem
from anime_pipeline.web.models.jobs import Job, LongJob, QueuedRequest, settle
from anime_pipeline.web.models.queueing import Admission, FairQueue

LOG = logging.getLogger(__name__)

GATHER_S = 0.005  # how long the first of a batch waits for company
# Cost of one batch: about a seventh of a second on two cores. A job that costs more is a batch of
# its own, and others wait for no more than that: 17 for the largest.
MOST_AT_ONCE = 8
MEANWHILE_S = 0.5
LONG_JOBS = 3  # uploads that may wait; each takes seconds to minutes

Compute = Callable[[Sequence[Job]], list[np.ndarray]]
Gone = Future[None] | None


class Worker:
    """Computes pictures for all requests, a little of each in turn: see `FairQueue`."""

    def __init__(self, compute: Compute, most_waiting: int) -> None:
        """Start the thread.

        Args:
            compute: Makes the pictures of some jobs, see `jobs.compute`.
            most_waiting: Requests that may wait.
        """
        self._compute = compute
        self._admission = Admission(most_waiting)
        self._requests: list[QueuedRequest] = []  # those too whose last job is being computed
        self._entering: list[QueuedRequest] = []  # that have a place, but may be refused still
        self._queue = FairQueue()
        self._long: deque[LongJob] = deque()
        self._stopping = False
        self._changed = threading.Condition()
        self.on_batch: Callable[[int, float], None] = lambda size, seconds: None
        self._thread = threading.Thread(target=self._run, name="models", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Requests that wait or are being worked on, uploads too."""
        return len(self._requests) + len(self._long)

    @property
    def alive(self) -> bool:
        """Whether it takes requests."""
        return self._thread.is_alive() and not self._stopping

    @property
    def broken(self) -> bool:
        """Whether its thread has ended without being told to: only a new process helps."""
        return not self._thread.is_alive() and not self._stopping

    def run(
        self,
        jobs: Sequence[Job],
        timeout_s: float,
        client: str | None = None,
        on_admission: Callable[[], None] = lambda: None,
        gone: Gone = None,
    ) -> list[np.ndarray]:
        """Wait for pictures.

        Args:
            jobs: What is to be made.
            timeout_s: How long that may take.
            client: Whom for, so that no client takes more than a share; None for one without limit.
            on_admission: Called once there is a place for them; what it raises refuses them still.
            gone: Done once nobody wants them any more.

        Raises:
            BusyError: At once, see `Admission.refuse`, or after `timeout_s`.
            GivenUpError: If nobody wants them any more.
            PipelineError: If they cannot be made.
        """
        request = QueuedRequest(jobs, client)
        with self._changed:
            self._refuse_when_stopping()
            before = self._queue.cost_before(request)
            held = [*self._requests, *self._entering]
            self._admission.refuse(held, request, before, timeout_s)
            self._entering.append(request)
        try:
            on_admission()  # without the lock: another machine may be asked
        except BaseException:
            with self._changed:
                self._entering.remove(request)
            raise
        with self._changed:
            self._entering.remove(request)
            self._refuse_when_stopping()  # which may have begun meanwhile
            self._requests.append(request)
            self._queue.add(request)
            # Weak, as `_requests` holds it: a cycle would keep the pictures until Python looks for
            # all of these, thousands of requests later.
            weak = weakref.ref(request)
            request.future.add_done_callback(lambda _: self._forget(weak()))
            self._changed.notify_all()
        late = BusyError(f"It was not done within {timeout_s:g} s. Try again soon.", timeout_s)
        return _wait(request.future, timeout_s, gone, late)

    def refuse_when_full(self) -> None:
        """Tell whether `run` would be refused, before anything is prepared for it.

        Raises:
            BusyError: If so.
        """
        # No lock: a glance at a queue that changes all the time anyway.
        self._refuse_when_stopping()
        self._admission.refuse_when_full(len(self._requests))

    def run_long(
        self,
        job: LongJob,
        timeout_s: float,
        gone: Gone = None,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> Any:
        """Wait for a job that takes long.

        Args:
            job: The work.
            timeout_s: How long it may take.
            gone: Done once nobody wants it any more.
            meanwhile: Called every `MEANWHILE_S`, in the thread that waits.

        Raises:
            BusyError: If too many such jobs wait.
            Problem: 422 after `timeout_s`.
            GivenUpError: If the job was given up.
        """
        with self._changed:
            self.refuse_long_when_full()
            self._long.append(job)
            # With the lock: it may be done at once, or be given up already.
            job.future.add_done_callback(lambda _: self._forget(job))
            self._changed.notify_all()
        # It would not be done the next time either.
        late = Problem(
            422, f"It was not done within {timeout_s:g} s. Try a smaller picture or scale."
        )
        return _wait(job.future, timeout_s, gone, late, meanwhile)

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
        if self._stopping or self.broken:
            raise BusyError(f"The server is stopping ({self.waiting} left). Try again later.", 10)

    def _forget(self, ended: QueuedRequest | LongJob | None) -> None:
        """Let what is done, or not wanted any more, wait no longer."""
        with self._changed:
            if isinstance(ended, LongJob):
                self._long.remove(ended)
            elif ended:
                self._requests.remove(ended)
                self._queue.remove(ended)  # with its jobs that nobody has begun

    def _run(self) -> None:
        """Do what is next, until it is told to stop and all is done."""
        try:
            while True:
                with self._changed:
                    self._changed.wait_for(lambda: self.waiting or self._stopping)
                    if not self.waiting:
                        return
                    job = self._long[0] if self._long else None
                if job is None:
                    self._run_batch(GATHER_S)
                else:
                    self._run_long(job)
        finally:
            self._end()

    def _end(self) -> None:
        """Let nobody wait for a thread that has ended; after a stop nobody does."""
        if not self._stopping:
            LOG.critical("The models' thread has ended by a defect; start the server anew.")
        with self._changed:
            lost: list[Future[Any]] = [one.future for one in self._requests]
            lost += [job.future for job in self._long]
        for future in lost:
            settle(future, BusyError(f"{len(lost)} requests were lost. Try again later.", 10))

    def _run_long(self, job: LongJob) -> None:
        def pause() -> None:
            if future.cancelled():
                raise GivenUpError()
            self._run_batch(0)

        future = job.future  # the job itself may outlive what it makes
        try:
            settle(future, job.work(pause))
        except BaseException as error:  # handed to the request that waits: this thread must live on
            settle(future, error)

    def _run_batch(self, gather_s: float) -> None:
        batch = self._take(gather_s)
        if not batch:
            return
        begun = time.perf_counter()
        pictures = self._pictures([job for _, _, job in batch])
        seconds = time.perf_counter() - begun
        self.on_batch(len(batch), seconds)
        with self._changed:
            self._admission.measure(sum(job.cost for _, _, job in batch), seconds)
            for (request, place, _), picture in zip(batch, pictures, strict=True):
                request.deliver(place, picture)

    def _pictures(self, jobs: Sequence[Job]) -> Sequence[Any]:
        """Compute a batch; where it fails, each alone, so that one cannot spoil the others'."""
        try:
            return self._compute(jobs)
        except BaseException as error:  # handed to the requests that wait: this thread must live on
            if len(jobs) == 1:
                return [error]
            return [self._pictures([job])[0] for job in jobs]

    def _take(self, gather_s: float) -> list[tuple[QueuedRequest, int, Job]]:
        """Take a batch from all that waits."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._stopping or self._ready_cost() >= MOST_AT_ONCE, gather_s
            )
            batch: list[tuple[QueuedRequest, int, Job]] = []
            room = MOST_AT_ONCE
            while (cost := self._queue.next_cost()) is not None and (cost <= room or not batch):
                batch.append(self._queue.take())
                room -= cost
            return batch

    def _ready_cost(self) -> int:
        return sum(request.cost for request in self._requests)


def _wait(
    future: Future[Any],
    timeout_s: float,
    gone: Gone,
    late: Exception,
    meanwhile: Callable[[], None] = lambda: None,
) -> Any:
    """Return a result; when nobody waits any more, or it is late, what is left is given up."""
    until, ended = time.monotonic() + timeout_s, threading.Event()
    future.add_done_callback(lambda _: ended.set())
    if gone is not None:
        gone.add_done_callback(lambda _: future.cancel())
    while not ended.wait(max(0.0, min(MEANWHILE_S, until - time.monotonic()))):
        if time.monotonic() >= until:
            future.cancel()
            raise late
        meanwhile()
    try:
        return future.result()
    except CancelledError:
        raise GivenUpError() from None
