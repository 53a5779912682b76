"""Clients that ask for much and fetch nothing, or send what only costs time to read."""

from collections import namedtuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_web_connections import answer_to, connect, running

from anime_pipeline.web.connections import (
    CHUNK_LINE_BYTES,
    FETCH_S,
    HEAD_BYTES,
    MOST_PIPELINED,
    TRAILER_BYTES,
    UNFETCHED_BYTES,
    Channel,
    close_bad_ones,
)
from anime_pipeline.web.fair_tasks import ByClient
from anime_pipeline.web.limits import ClientLimits
from anime_pipeline.web.settings import Settings

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
Task = namedtuple("Task", "addr number")


class Unfetched:
    """As much of a connection as is looked at, with an answer of some bytes."""

    request, requests, unfinished_bytes, will_close = None, (), 0, False
    is_late, is_stuck = Channel.is_late, Channel.is_stuck

    def __init__(self, size):
        self.total_outbufs_len, self.last_activity = size, 100.0


def test_very_many_requests_at_once_end_a_connection():
    with running() as (_, port), connect(port, GET * (MOST_PIPELINED + 5)) as connection:
        while True:
            try:
                part = connection.recv(10_000)
            except ConnectionResetError:
                break
            if not part:
                break
        assert answer_to(port, GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))


def test_a_few_requests_at_once_are_all_answered():
    with running() as (_, port), connect(port, GET * 5) as connection:
        found = b""
        while found.count(b"hi") < 5:
            found += connection.recv(10_000)


def test_a_connection_whose_answer_nobody_fetches_is_stuck():
    waiting, idle = Unfetched(1), Unfetched(0)
    assert waiting.is_stuck(101 + FETCH_S) and not waiting.is_stuck(99 + FETCH_S)
    assert not idle.is_stuck(1000 + FETCH_S)


def test_stuck_connections_are_closed_and_so_are_those_that_hold_most():
    small, large, stuck = (Unfetched(size) for size in (10, UNFETCHED_BYTES, 20))
    stuck.last_activity -= FETCH_S + 1
    close_bad_ones([small, large, stuck], 100.0)
    assert [one.will_close for one in (small, large, stuck)] == [False, True, True]


@pytest.mark.parametrize(
    "body",
    [b"1;a=" + b"a" * CHUNK_LINE_BYTES, b"0\r\nX: " + b"a" * TRAILER_BYTES],
    ids=["chunk's line", "trailer"],
)
def test_what_surrounds_chunks_is_of_limited_size(body):
    with running() as (_, port):
        assert b" 400 " in answer_to(port, CHUNKED + body)


def test_headers_are_of_limited_size():
    with running() as (_, port):
        # All of it is read: what is left unread when a connection closes may reset it.
        assert b" 431 " in answer_to(port, (GET[:-2] + b"a:b\r\n" * HEAD_BYTES)[:HEAD_BYTES])


@given(st.lists(st.sampled_from(["198.51.100.1", "198.51.100.2", "203.0.113.9"]), max_size=40))
def test_clients_take_turns_and_nothing_is_lost(addresses):
    queue = ByClient()
    for number, address in enumerate(addresses):
        queue.append(Task((address, 1), number))
    assert len(queue) == len(list(queue)) == len(addresses)
    taken = [queue.popleft() for _ in addresses]
    assert sorted(task.number for task in taken) == list(range(len(addresses)))
    for address in set(addresses):
        own = [task.number for task in taken if task.addr[0] == address]
        assert own == sorted(own)
        # However many came before: the first of each client is among the first.
        first = [task.addr[0] for task in taken].index(address)
        assert first < len(set(addresses))
    with pytest.raises(IndexError):
        queue.popleft()


def test_clients_that_have_gone_are_forgotten():
    limits = ClientLimits(Settings(rate_limit=5, upload_rate_limit=5))
    for index in range(50):
        limits.count_upload(f"198.51.100.{index}")
    storage = limits._limiter.storage
    assert not storage.events, "a list for each client would be kept for ever"
    assert len(storage.expirations) >= 50, "counters end by themselves"


@pytest.mark.parametrize("path", ["/api/v1/models", "/api/v1/generate?size=32"])
def test_an_origin_that_is_no_address_is_another_site(client, path):
    answer = client.post(path, headers={"Origin": "http://["})
    assert answer.status_code in (403, 405) and answer.mimetype == "application/problem+json"
    if "generate" in path:
        assert answer.status_code == 403


@pytest.mark.parametrize("host", ["a..b", ".........", "x" * 70])
@pytest.mark.parametrize("path", ["/", "/nothing", "/training", "/api/v1/models"])
def test_a_host_that_is_no_name_is_refused_in_words(client, host, path):
    answer = client.get(path, headers={"Host": host})
    assert answer.status_code == 400 and answer.mimetype == "application/problem+json"
