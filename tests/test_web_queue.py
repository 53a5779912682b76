"""Fair turns among clients: small requests pass large ones, many requests gain nothing."""

import threading
import time

import numpy as np
import pytest
from children import PATIENCE_S
from hypothesis import given
from hypothesis import strategies as st
from test_web_worker import Fake, in_thread, numbers
from web import wait_until

from anime_pipeline.web.errors import BusyError
from anime_pipeline.web.models.jobs import QueuedRequest
from anime_pipeline.web.models.queueing import FairQueue
from anime_pipeline.web.models.worker import MOST_AT_ONCE, Worker

FACES_A_SECOND = 400
COSTS = st.lists(st.sampled_from([1, 1, 1, 5, 17]), min_size=1, max_size=12)
CLIENTS = st.sampled_from([None, "a", "b", "c"])


def request(client, *costs):
    return QueuedRequest([Fake(number, cost) for number, cost in enumerate(costs)], client)


def taken(queue, count):
    """Take some jobs; gives the requests that they were of."""
    return [queue.take()[0] for _ in range(count)]


@given(st.lists(st.tuples(CLIENTS, COSTS), min_size=1, max_size=8))
def test_all_is_taken_once_and_in_order(asked):
    queue, requests = FairQueue(), [request(client, *costs) for client, costs in asked]
    for one in requests:
        queue.add(one)
    places = {id(one): [] for one in requests}
    while queue.next_cost() is not None:
        expected = queue.next_cost()
        found, place, job = queue.take()
        assert job.cost == expected
        places[id(found)].append(place)
    for one, (_, costs) in zip(requests, asked, strict=True):
        assert places[id(one)] == list(range(len(costs))) and one.cost == 0
    assert not queue._waiting


@pytest.mark.parametrize("large_ones", [1, 5, 30])
def test_a_small_request_is_next_however_many_large_ones_wait(large_ones):
    queue = FairQueue()
    for index in range(large_ones):
        queue.add(request(f"10.0.0.{index}", *[17] * 32))
    for number in range(8):
        taken(queue, 3)
        small = request(f"10.1.1.{number}", 1)
        assert queue.cost_before(small) == 0
        queue.add(small)
        assert taken(queue, 1) == [small]


def test_a_small_request_passes_a_large_one_of_its_own_client():
    queue, large, small = FairQueue(), request("one", *[17] * 3), request("one", 1)
    queue.add(large)
    queue.add(small)
    assert taken(queue, 4) == [small, large, large, large]


def test_a_large_request_is_not_delayed_by_later_ones():
    queue, first = FairQueue(), request("first", *[17] * 10)
    queue.add(first)
    for index in range(5):
        assert taken(queue, 1) == [first]
        later = request(str(index), *[17] * 10)
        assert queue.cost_before(later) == first.cost + 170 * index
        queue.add(later)
    assert taken(queue, 5) == [first] * 5


def test_large_requests_are_done_though_small_ones_never_end():
    queue, large = FairQueue(), request("patient", 17)
    queue.add(large)
    queue.add(request("0", 1))
    for number in range(1, 200):
        queue.add(request(str(number), 1))  # there is always another that has never been served
        if taken(queue, 1) == [large]:
            return
    raise AssertionError("it was never its turn")


def test_many_requests_of_one_client_take_one_clients_share():
    queue = FairQueue()
    greedy = [request("greedy", *[1] * 10) for _ in range(9)]
    modest = request("modest", *[1] * 10)
    for one in (*greedy, modest):
        queue.add(one)
    assert taken(queue, 20).count(modest) in (9, 10)


def test_who_leaves_and_comes_back_gains_nothing():
    queue, large = FairQueue(), request("other", 17)
    queue.add(large)
    served = 0
    queue.add(request("one", 1))
    while taken(queue, 1) != [large]:
        served += 1
        queue.add(request("one", 1))
    assert 15 <= served <= 17, "both got the same"
    for number in range(50):
        queue.add(request(str(number), 1))
        taken(queue, 1)
    assert len(queue._clocks) <= 3, "those that are long gone are forgotten"


def test_what_is_given_up_is_no_longer_there():
    queue = FairQueue()
    first, second = request("a", 1, 1), request("a", 1)
    queue.add(first)
    queue.add(second)
    queue.remove(first)
    queue.remove(first)
    assert taken(queue, 1) == [second] and queue.next_cost() is None


def test_one_address_leaves_places_for_others():
    free = threading.Event()

    def compute(jobs):
        assert free.wait(PATIENCE_S)
        return [np.array(job.number) for job in jobs]

    worker = Worker(compute, most_waiting=32)
    calls = []

    def ask(client):
        calls.append(in_thread(lambda: worker.run([Fake(1)], PATIENCE_S, client)))
        wait_until(lambda: worker.waiting == len(calls))

    for _ in range(24):  # as many as the page asks for at once
        ask("greedy")
    with pytest.raises(BusyError, match="24 requests from this address"):
        worker.run([Fake(1)], PATIENCE_S, "greedy")
    for index in range(4):
        ask(f"other {index}")
    free.set()
    for thread, found in calls:
        thread.join(PATIENCE_S)
        assert numbers(found[0]) == [1]
    assert worker.stop(PATIENCE_S)


def test_small_requests_are_answered_soon_while_large_ones_are_worked_on():
    """One of 32 large faces, sent again and again, against 25 small ones: all get theirs soon."""
    costs = []
    done_at = {}

    def compute(jobs):
        costs.append(sum(job.cost for job in jobs))
        time.sleep(costs[-1] / FACES_A_SECOND)
        done_at.update({job.number: sum(costs) for job in jobs if job.cost == 1})
        return [np.array(job.number) for job in jobs]

    worker, ended = Worker(compute, most_waiting=32), threading.Event()

    def greedy():
        while not ended.is_set():
            try:
                worker.run([Fake(number, 17) for number in range(32)], PATIENCE_S, "greedy")
            except BusyError:
                time.sleep(0.01)

    threads = [threading.Thread(target=greedy) for _ in range(3)]
    for thread in threads:
        thread.start()
    wait_until(lambda: costs)
    waits = []  # counted in what is computed until then, which no machine's speed changes
    for number in range(25):
        begun = sum(costs[:-1])
        pictures = worker.run([Fake(number)], PATIENCE_S, f"small {number % 3}")
        assert numbers(pictures) == [number]
        waits.append(done_at[number] - begun)
    ended.set()
    for thread in threads:
        thread.join(PATIENCE_S)
    # What is being computed, and the own: at the true pace of 40 a second half a second.
    assert sorted(waits)[len(waits) // 2] <= 3 * 17
    assert max(costs) <= max(MOST_AT_ONCE, 17)
    assert worker.stop(PATIENCE_S)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_died_lets_nobody_wait_and_is_told(caplog):
    worker = Worker(lambda _: [np.array(1)], most_waiting=4)

    def die(*_):
        raise RuntimeError("a defect")

    worker.on_batch = die
    with pytest.raises(BusyError, match="lost"):
        worker.run([Fake(1)], PATIENCE_S)
    wait_until(lambda: worker.broken)
    assert not worker.alive and "start the server anew" in caplog.text
    with pytest.raises(BusyError):
        worker.run([Fake(1)], PATIENCE_S)
