"""The model thread: batches, the bounded queue, long work, stopping. No model is loaded here."""

import gc
import threading
import time
import weakref
from concurrent.futures import Future
from dataclasses import dataclass

import numpy as np
import pytest
from children import PATIENCE_S
from hypothesis import given, settings
from hypothesis import strategies as st
from web import wait_until

from anime_pipeline.web.errors import BusyError, GivenUpError, Problem
from anime_pipeline.web.models.jobs import LongJob
from anime_pipeline.web.models.worker import Worker


@dataclass(frozen=True)
class Fake:
    """A job whose picture is its number."""

    number: int
    cost: int = 1


class Computer:
    """Computes when it is let, and remembers its batches."""

    def __init__(self, free=True):
        self.batches = []
        self.free = threading.Event()
        if free:
            self.free.set()

    def __call__(self, jobs):
        assert self.free.wait(PATIENCE_S)
        self.batches.append([job.number for job in jobs])
        if any(job.number < 0 for job in jobs):
            raise ValueError("cannot draw that")
        return [np.array(job.number) for job in jobs]


@pytest.fixture
def computer():
    found = Computer(free=False)
    yield found
    found.free.set()


def in_thread(call):
    """Run a call beside the test; gives its thread and a list for its result."""
    found = []

    def run():
        try:
            found.append(call())
        except Exception as error:
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, found


def numbers(pictures):
    return [int(picture) for picture in pictures]


@settings(deadline=None, max_examples=20)
@given(st.lists(st.lists(st.integers(0, 99), min_size=1, max_size=20), min_size=1, max_size=8))
def test_every_request_gets_its_own_pictures_in_order(requests):
    worker = Worker(Computer(), most_waiting=50)
    calls = [
        in_thread(lambda wanted=wanted: worker.run([Fake(n) for n in wanted], PATIENCE_S))
        for wanted in requests
    ]
    for (thread, found), wanted in zip(calls, requests, strict=True):
        thread.join(PATIENCE_S)
        assert numbers(found[0]) == wanted
    assert worker.waiting == 0 and worker._ready_cost() == 0
    assert worker.stop(PATIENCE_S)


def test_pictures_go_with_their_request():
    """Without the collector: its rare full rounds would let a busy server's memory grow."""
    gc.disable()
    try:
        worker = Worker(Computer(), most_waiting=2)
        picture = weakref.ref(worker.run([Fake(1)], PATIENCE_S)[0])
        wait_until(lambda: picture() is None)
        with pytest.raises(ValueError, match="cannot draw"):
            worker.run([Fake(-1)], PATIENCE_S)
        assert worker.waiting == 0 and worker.stop(PATIENCE_S)
    finally:
        gc.enable()


def test_requests_that_come_together_are_computed_together(computer):
    worker = Worker(computer, most_waiting=20)
    first, _ = in_thread(lambda: worker.run([Fake(0)], PATIENCE_S))
    wait_until(lambda: worker.waiting == 1 and worker._ready_cost() == 0)  # it is being computed
    others = [in_thread(lambda n=n: worker.run([Fake(n)], PATIENCE_S)) for n in range(1, 7)]
    wait_until(lambda: worker.waiting == 7)
    computer.free.set()
    for thread, _ in others:
        thread.join(PATIENCE_S)
    first.join(PATIENCE_S)
    assert [len(batch) for batch in computer.batches] == [1, 6]


def test_a_large_request_does_not_hold_up_a_small_one(computer):
    worker = Worker(computer, most_waiting=20)
    large, _ = in_thread(lambda: worker.run([Fake(n) for n in range(100)], PATIENCE_S))
    wait_until(lambda: worker.waiting == 1)
    small, _ = in_thread(lambda: worker.run([Fake(1000)], PATIENCE_S))
    wait_until(lambda: worker.waiting == 2)
    computer.free.set()
    small.join(PATIENCE_S)
    large.join(PATIENCE_S)
    position = next(i for i, batch in enumerate(computer.batches) if 1000 in batch)
    assert position <= 1


def test_a_full_queue_refuses_at_once_and_says_when_to_come_back(computer):
    worker = Worker(computer, most_waiting=3)
    waiting = [in_thread(lambda: worker.run([Fake(1)], PATIENCE_S)) for _ in range(3)]
    wait_until(lambda: worker.waiting == 3)
    with pytest.raises(BusyError, match="3 requests are waiting") as refused:
        worker.run([Fake(2)], PATIENCE_S)  # other words would be said after such a wait
    assert refused.value.retry_after_s > 0
    computer.free.set()
    for thread, found in waiting:
        thread.join(PATIENCE_S)
        assert numbers(found[0]) == [1]
    assert numbers(worker.run([Fake(2)], PATIENCE_S)) == [2]


def test_work_that_cannot_be_done_in_time_is_refused_unless_nothing_waits(computer):
    worker = Worker(computer, most_waiting=10)
    large, found = in_thread(lambda: worker.run([Fake(n) for n in range(1000)], 20))
    wait_until(lambda: worker.waiting == 1)
    with pytest.raises(BusyError, match="700 faces' work within 20 s") as refused:
        worker.run([Fake(n) for n in range(700)], 20)
    assert 1 <= refused.value.retry_after_s <= 20
    small, one = in_thread(lambda: worker.run([Fake(1)], 20))
    wait_until(lambda: worker.waiting == 2)  # it was not refused for what the large one costs
    computer.free.set()
    large.join(PATIENCE_S)
    small.join(PATIENCE_S)
    assert numbers(found[0]) == list(range(1000)) and numbers(one[0]) == [1]


def test_who_waits_too_long_is_told_and_forgotten(computer):
    worker = Worker(computer, most_waiting=10)
    blocked, _ = in_thread(lambda: worker.run([Fake(0)], PATIENCE_S))
    wait_until(lambda: worker.waiting == 1 and worker._ready_cost() == 0)
    with pytest.raises(BusyError, match=r"not done within 0\.05 s"):
        worker.run([Fake(1), Fake(2)], 0.05)
    computer.free.set()
    blocked.join(PATIENCE_S)
    assert numbers(worker.run([Fake(3)], PATIENCE_S)) == [3]
    assert [1, 2] not in computer.batches and worker._ready_cost() == 0


def test_a_failure_reaches_its_request_and_the_worker_lives_on():
    worker = Worker(Computer(), most_waiting=10)
    with pytest.raises(ValueError, match="cannot draw"):
        worker.run([Fake(-1)], PATIENCE_S)
    assert numbers(worker.run([Fake(5)], PATIENCE_S)) == [5] and worker._ready_cost() == 0


def test_faces_are_drawn_between_the_tiles_of_long_work():
    worker = Worker(Computer(), most_waiting=10)
    begun, go_on = threading.Event(), threading.Event()

    def work(pause):
        begun.set()
        for _ in range(1000):
            pause()
            if go_on.wait(0.01):
                return "done"
        raise AssertionError("nobody let it end")

    long, found = in_thread(lambda: worker.run_long(LongJob(work), PATIENCE_S))
    assert begun.wait(PATIENCE_S)
    assert numbers(worker.run([Fake(4)], PATIENCE_S)) == [4]
    assert not found
    go_on.set()
    long.join(PATIENCE_S)
    assert found == ["done"]


def test_long_work_that_nobody_waits_for_ends():
    worker = Worker(Computer(), most_waiting=10)
    ended = threading.Event()

    def work(pause):
        try:
            while True:
                pause()
                time.sleep(0.002)
        except GivenUpError:
            ended.set()
            raise

    with pytest.raises(Problem, match="smaller picture"):
        worker.run_long(LongJob(work), 0.05)
    assert ended.wait(PATIENCE_S)
    assert numbers(worker.run([Fake(4)], PATIENCE_S)) == [4]


def test_only_a_few_long_jobs_wait():
    worker = Worker(Computer(), most_waiting=10)
    go_on = threading.Event()
    jobs = [
        in_thread(lambda: worker.run_long(LongJob(lambda _: go_on.wait(PATIENCE_S)), PATIENCE_S))
        for _ in range(3)
    ]
    wait_until(lambda: len(worker._long) == 3)
    with pytest.raises(BusyError, match="3 uploads"):
        worker.run_long(LongJob(lambda _: None), PATIENCE_S)
    go_on.set()
    for thread, found in jobs:
        thread.join(PATIENCE_S)
        assert found == [True]


def test_stopping_finishes_what_was_accepted_and_refuses_the_rest(computer):
    worker = Worker(computer, most_waiting=10)
    accepted, found = in_thread(lambda: worker.run([Fake(n) for n in range(20)], PATIENCE_S))
    wait_until(lambda: worker.waiting == 1)
    stop, stopped = in_thread(lambda: worker.stop(PATIENCE_S))
    wait_until(lambda: not worker.alive)
    with pytest.raises(BusyError, match="stopping"):
        worker.run([Fake(1)], PATIENCE_S)
    with pytest.raises(BusyError, match="stopping"):
        worker.run_long(LongJob(lambda _: None), PATIENCE_S)
    computer.free.set()
    accepted.join(PATIENCE_S)
    stop.join(PATIENCE_S)
    assert numbers(found[0]) == list(range(20)) and stopped == [True]


def test_who_has_not_been_served_comes_first():
    computer = Computer(free=False)
    worker = Worker(computer, most_waiting=20)
    large = [
        in_thread(lambda: worker.run([Fake(n) for n in range(30)], PATIENCE_S))[0] for _ in range(8)
    ]
    wait_until(lambda: worker.waiting == 8)
    small, _ = in_thread(lambda: worker.run([Fake(1000)], PATIENCE_S))
    wait_until(lambda: worker.waiting == 9)
    computer.free.set()
    for thread in (small, *large):
        thread.join(PATIENCE_S)
    assert next(i for i, batch in enumerate(computer.batches) if 1000 in batch) <= 2


def test_one_that_cannot_be_drawn_spoils_nobody_elses(computer):
    worker = Worker(computer, most_waiting=10)
    first, _ = in_thread(lambda: worker.run([Fake(0)], PATIENCE_S))
    wait_until(lambda: worker.waiting == 1 and worker._ready_cost() == 0)
    bad, failed = in_thread(lambda: worker.run([Fake(-1)], PATIENCE_S))
    good, found = in_thread(lambda: worker.run([Fake(7)], PATIENCE_S))
    wait_until(lambda: worker.waiting == 3)
    computer.free.set()
    for thread in (first, bad, good):
        thread.join(PATIENCE_S)
    assert isinstance(failed[0], ValueError) and numbers(found[0]) == [7]


def test_even_an_exit_leaves_the_thread_alive():
    def leave(*_):
        raise SystemExit

    worker = Worker(leave, most_waiting=10)
    for _ in range(2):
        with pytest.raises(SystemExit):
            worker.run([Fake(1)], PATIENCE_S)
        with pytest.raises(SystemExit):
            worker.run_long(LongJob(leave), PATIENCE_S)
    assert worker.alive and worker.waiting == 0


def test_work_that_waits_can_be_given_up_at_once():
    worker = Worker(Computer(), most_waiting=10)
    begun, go_on = threading.Event(), threading.Event()

    def work(_):
        begun.set()
        return go_on.wait(PATIENCE_S)

    running, _ = in_thread(lambda: worker.run_long(LongJob(work), PATIENCE_S))
    assert begun.wait(PATIENCE_S)
    job = LongJob(lambda _: pytest.fail("it began"))
    waiting, found = in_thread(lambda: worker.run_long(job, PATIENCE_S))
    wait_until(lambda: worker.waiting == 2)
    job.future.cancel()
    waiting.join(PATIENCE_S)
    assert isinstance(found[0], GivenUpError) and worker.waiting == 1
    go_on.set()
    running.join(PATIENCE_S)


def test_what_a_client_that_has_gone_wanted_is_given_up(computer):
    worker = Worker(computer, most_waiting=10)
    gone = Future()
    blocked, _ = in_thread(lambda: worker.run([Fake(0)], PATIENCE_S))
    wait_until(lambda: worker.waiting == 1 and worker._ready_cost() == 0)
    drawing, drawn = in_thread(lambda: worker.run([Fake(1)], PATIENCE_S, gone=gone))
    long, made = in_thread(
        lambda: worker.run_long(LongJob(lambda _: pytest.fail("it began")), PATIENCE_S, gone)
    )
    wait_until(lambda: worker.waiting == 3)
    gone.set_result(None)
    for thread in (drawing, long):
        thread.join(PATIENCE_S)
    assert isinstance(drawn[0], GivenUpError) and isinstance(made[0], GivenUpError)
    with pytest.raises(GivenUpError):
        worker.run([Fake(2)], PATIENCE_S, gone=gone)  # it has gone before it waits
    computer.free.set()
    blocked.join(PATIENCE_S)
    assert numbers(worker.run([Fake(3)], PATIENCE_S, gone=Future())) == [3]
    assert computer.batches == [[0], [3]] and worker.waiting == 0


def test_who_is_counted_elsewhere_keeps_nobody_waiting():
    """Counting may ask another machine: meanwhile others are served, and their places are kept."""
    computer = Computer()
    worker = Worker(computer, most_waiting=2)
    counting, counted = threading.Event(), threading.Event()

    def count():
        counting.set()
        assert counted.wait(PATIENCE_S)

    thread, found = in_thread(lambda: worker.run([Fake(1)], PATIENCE_S, None, count))
    assert counting.wait(PATIENCE_S)
    assert int(worker.run([Fake(2)], PATIENCE_S)[0]) == 2
    assert worker.waiting == 0
    other, refused = in_thread(lambda: worker.run([Fake(3)], PATIENCE_S, None, count))
    wait_until(lambda: len(worker._entering) == 2)
    with pytest.raises(BusyError, match="2 requests are waiting"):
        worker.run([Fake(4)], PATIENCE_S)
    stopped, _ = in_thread(lambda: worker.stop(PATIENCE_S))
    wait_until(lambda: not worker.alive)
    counted.set()
    for one in (thread, other, stopped):
        one.join(PATIENCE_S)
    assert all(isinstance(one, BusyError) for one in (*found, *refused))  # it stops meanwhile
    assert not worker._entering and computer.batches == [[2]]
