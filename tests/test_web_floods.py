"""Clients that ask for much and fetch nothing, leave, or send what only costs time to read."""

import asyncio
import socket
import struct
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from children import PATIENCE_S
from hypothesis import given
from hypothesis import strategies as st
from served_app import answer_on, answer_to, connect, hello, serving
from test_web_connections import GET, LAST, post
from web import wait_until

from anime_pipeline.web.serving import connections, exchange
from anime_pipeline.web.serving.clients import FairThreads, RateLimits
from anime_pipeline.web.serving.exchange import Body
from anime_pipeline.web.serving.shedding import GONE

LARGE = 20_000_000  # more than the system itself keeps of what is not fetched


def large(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(LARGE))])
    return [bytes(LARGE)]


@pytest.mark.parametrize("count", [5, 300])
def test_many_requests_sent_at_once_are_answered_one_after_the_other(count):
    at_once, most = [], []

    def app(environ, start_response):
        at_once.append(1)
        most.append(len(at_once))
        content = hello(environ, start_response)
        at_once.pop()
        return content

    with serving(app) as (_, port):
        assert answer_to(port, GET * count + LAST).count(b"hi") == count + 1
    assert max(most) == 1, "none is read before the one before it is answered"


def test_an_answer_that_nobody_fetches_ends_with_its_connection(monkeypatch):
    monkeypatch.setattr(exchange, "FETCH_S", 0.3)
    with serving(large) as (server, port), connect(port, GET, receive_bytes=4096):
        wait_until(lambda: server.exchanges)
        [only] = server.exchanges
        wait_until(lambda: not server.exchanges and not server.open)
        assert only.connection.closed()


def test_a_large_answer_is_fetched_whole():
    with serving(large) as (_, port), connect(port, GET * 2) as connection:
        for _ in range(2):
            assert len(answer_on(connection)[1]) == LARGE


def test_unfetched_answers_do_not_fill_the_memory(monkeypatch):
    monkeypatch.setattr(connections, "UNFETCHED_BYTES", 2 * LARGE)
    with serving(large) as (server, port), ExitStack() as stack:
        stack.enter_context(connect(port, GET, receive_bytes=4096))
        wait_until(lambda: sum(one.unfetched for one in server.exchanges) == LARGE)
        [first] = server.exchanges
        stack.enter_context(connect(port, GET, receive_bytes=4096))
        wait_until(lambda: sum(one.unfetched for one in server.exchanges) == 2 * LARGE)
        latest = stack.enter_context(connect(port, GET))
        assert len(answer_on(latest)[1]) == LARGE
        assert first.connection.closed(), "it has fetched nothing for longest"
        assert len(server.exchanges) == 1


def test_an_app_is_told_that_its_client_has_gone():
    reached, seen = threading.Event(), []

    def app(environ, start_response):
        reached.set()
        seen.append(environ[GONE].result(PATIENCE_S))
        return hello(environ, start_response)

    with serving(app) as (server, port):
        with connect(port, post(3) + b"abc"):
            assert reached.wait(PATIENCE_S)
            assert not seen
        wait_until(lambda: seen)
        wait_until(lambda: not server.exchanges)


@given(st.binary(max_size=50), st.lists(st.integers(-1, 20)))
def test_a_body_is_read_once(content, sizes):
    body = Body()
    body.write(content)
    body.seek(0)
    found = b"".join(body.read(size) for size in sizes)
    assert found + body.read() == content and body.read() == b"" and body.getvalue() == b""


def test_requests_sent_together_end_with_their_client():
    called = []
    go_on = threading.Event()

    def app(environ, start_response):
        called.append(1)
        assert go_on.wait(PATIENCE_S)
        return hello(environ, start_response)

    with serving(app) as (server, port):
        with connect(port, GET * 300) as connection:
            wait_until(lambda: called)
            at_once = struct.pack("ii", 1, 0)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
        go_on.set()
        wait_until(lambda: not server.open and not server.exchanges)
    assert len(called) < 10


def test_what_a_client_leaves_behind_before_its_end_is_forgotten():
    with serving() as (server, port):
        with connect(port, post(200_000) + bytes(100_000)):
            wait_until(lambda: server.app.bodies.held == 200_000)
        wait_until(lambda: not server.app.bodies.held and not server.exchanges)


@given(st.lists(st.sampled_from(["198.51.100.1", "198.51.100.2", None]), min_size=1, max_size=40))
def test_threads_go_to_clients_by_turns(clients):
    done, go_on = [], threading.Event()

    async def main():
        with ThreadPoolExecutor(1) as executor:
            threads = FairThreads(executor, 1)
            first = asyncio.create_task(threads.run("first", lambda: go_on.wait(PATIENCE_S)))
            await asyncio.sleep(0)
            waiting = [
                asyncio.create_task(threads.run(client, lambda n=number: done.append(n)))
                for number, client in enumerate(clients)
            ]
            await asyncio.sleep(0)
            assert threads.waiting == len(clients)
            go_on.set()
            await asyncio.gather(first, *waiting)
            assert threads.waiting == 0
            assert await threads.run("again", lambda: "done") == "done"

    asyncio.run(main())
    assert sorted(done) == list(range(len(clients))), "nothing is lost"
    whose = [clients[number] for number in done]
    for client in set(clients):
        own = [number for number in done if clients[number] == client]
        assert own == sorted(own)
        # However many came before: the first of each client is among the first.
        assert whose.index(client) < len(set(clients))


def test_clients_that_have_gone_are_forgotten():
    limits = RateLimits(faces=5, uploads=5)
    for index in range(50):
        limits.count("uploads", f"198.51.100.{index}")
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
