"""Connections that are idle, slow or no HTTP at all: nobody else is kept out."""

import json
import logging
import socket
import threading
import time
from contextlib import ExitStack

import pytest
from children import PATIENCE_S
from served_app import (
    HALF_OPEN,
    IDLE,
    LIMIT,
    MOST_BODY,
    answer_on,
    answer_to,
    connect,
    hello,
    read_all,
    serving,
)
from web import fetch, wait_until

from anime_pipeline.web.serving import connections, exchange
from anime_pipeline.web.serving.clients import Budget

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
LAST = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"


def post(length):
    return b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % length


class Gate:
    """An app that answers /slow when it is let."""

    def __init__(self):
        self.open = threading.Event()
        self.waiting = 0

    def __call__(self, environ, start_response):
        if environ["PATH_INFO"] == "/slow":
            self.waiting += 1
            assert self.open.wait(PATIENCE_S)
        return hello(environ, start_response)


@pytest.mark.parametrize("sent", [IDLE, HALF_OPEN, HALF_OPEN + b"x" * 9000])
def test_idle_connections_keep_nobody_out(sent, monkeypatch):
    # Not because they end by themselves after a while.
    monkeypatch.setattr(connections, "IDLE_S", 10 * PATIENCE_S)
    with serving() as (server, port), ExitStack() as stack:
        for _ in range(150):
            stack.enter_context(connect(port, sent))
        for _ in range(3):
            assert fetch(f"http://127.0.0.1:{port}/")[0] == 200
        assert len(server.open) <= LIMIT


def test_who_is_being_answered_is_not_cut_off():
    gate = Gate()
    with serving(gate) as (_, port), ExitStack() as stack:
        asked = GET.replace(b"/", b"/slow", 1)
        slow = [stack.enter_context(connect(port, asked)) for _ in range(3)]
        wait_until(lambda: gate.waiting == 3)
        for _ in range(100):
            stack.enter_context(connect(port))
        assert fetch(f"http://127.0.0.1:{port}/")[0] == 200, "all of them have been looked at"
        gate.open.set()
        assert all(answer_on(one)[0].startswith(b"HTTP/1.1 200") for one in slow)


def test_the_longest_idle_of_who_has_most_makes_room():
    with serving(limit=8) as (server, port), ExitStack() as stack:
        first = stack.enter_context(connect(port))
        wait_until(lambda: len(server.open) == 1)
        [place] = server.open.values()
        place.address = "203.0.113.9"  # as if from elsewhere: it is older, but one of one
        second = stack.enter_context(connect(port))
        wait_until(lambda: len(server.open) == 2)
        for _ in range(7):
            stack.enter_context(connect(port))
        assert read_all(second) == b""
        assert place in server.open.values() and not place.closed()
        first.sendall(GET)
        assert answer_on(first)[1] == b"hi"


def test_a_connection_on_which_nothing_whole_is_asked_is_ended(monkeypatch):
    monkeypatch.setattr(connections, "IDLE_S", 0.3)
    with serving() as (_, port):
        with connect(port, post(9) + b"1") as half, connect(port, HALF_OPEN) as head:
            with connect(port) as idle, connect(port, GET) as kept:
                assert read_all(head) == read_all(idle) == b""
                assert answer_on(kept)[1] == b"hi" and read_all(kept) == b"", "used, then idle"
            half.sendall(b"23456789")
            assert answer_on(half)[1] == b"hi", "a body may take longer"


def test_a_body_that_trickles_in_is_ended_in_words(monkeypatch):
    monkeypatch.setattr(exchange, "BODY_S", 0.3)
    with serving() as (_, port):
        said = answer_to(port, post(9) + b"1")
    assert said.startswith(b"HTTP/1.1 408") and b"Send it faster" in said


def test_a_body_for_which_there_is_no_room_is_refused_before_it_is_sent():
    with serving() as (server, port), ExitStack() as stack:
        server.app.bodies = bodies = Budget(1_000_000)
        first = stack.enter_context(connect(port, post(900_000)))
        wait_until(lambda: bodies.held == 900_000)
        refused = stack.enter_context(connect(port, post(200_000)))
        head, body = answer_on(refused)
        assert b" 503 " in head and b"Retry-After: 5" in head and b"Try again" in body
        assert b"application/problem+json" in head and b"nosniff" in head
        refused.sendall(bytes(200_000) + GET)  # what it sends all the same is taken and forgotten
        assert answer_on(refused)[1] == b"hi"
        assert fetch(f"http://127.0.0.1:{port}/")[0] == 200, "who sends nothing needs no room"
        first.sendall(bytes(900_000))
        assert answer_on(first)[1] == b"hi"
        wait_until(lambda: not bodies.held)
        refused.sendall(post(200_000) + bytes(200_000))
        assert answer_on(refused)[1] == b"hi", "there is room again"


def test_a_client_that_is_told_to_wait_for_a_sign_is_not_given_one():
    with serving() as (server, port):
        server.app.bodies = Budget(1_000_000)
        asked = post(2_000_000).replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n")
        said = answer_to(port, asked)
        assert said.startswith(b"HTTP/1.1 503") and b"100" not in said.partition(b"\r\n")[0]
        asked = post(9).replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n")
        with connect(port, asked) as connection:
            assert connection.recv(12) == b"HTTP/1.1 100"


def test_slow_bodies_make_room(monkeypatch):
    monkeypatch.setattr(connections, "SLOW_S", 0)
    with serving() as (server, port), ExitStack() as stack:
        server.app.bodies = bodies = Budget(1_000_000)
        slow = stack.enter_context(connect(port, post(600_000)))
        wait_until(lambda: bodies.held == 600_000)
        faster = stack.enter_context(connect(port, post(300_000) + bytes(299_999)))
        wait_until(lambda: any(one.received == 299_999 for one in server.exchanges))
        assert answer_to(port, LAST.replace(b"GET", b"PUT")).startswith(b"HTTP/1.1 200")
        with connect(port, post(500_000) + bytes(500_000)) as new:
            assert answer_on(new)[1] == b"hi"
        assert b" 503 " in answer_on(slow)[0]
        faster.sendall(b"x")
        assert answer_on(faster)[1] == b"hi"


def test_one_client_gets_half_of_the_room():
    bodies = Budget(1000)
    assert bodies.take(500, "far") and not bodies.take(1, "far")
    assert bodies.take(300, "other") and bodies.take(200, None) and not bodies.take(1, None)
    bodies.give_back(500, "far")
    assert bodies.take(500, None), "this machine's own have no share"
    bodies.give_back(300, "other")
    assert bodies.held == 700 and set(bodies._held) == {None}, "nobody is remembered"


@pytest.mark.parametrize(
    "length", [b"Content-Length: 900000, 900000", b"Transfer-Encoding: chunked"]
)
def test_a_body_of_unclear_length_gets_the_room_of_the_largest(length):
    with serving() as (server, port):
        with connect(port, b"POST / HTTP/1.1\r\nHost: x\r\n" + length + b"\r\n\r\n"):
            wait_until(lambda: server.app.bodies.held == MOST_BODY)


def test_an_answer_that_is_none_ends_the_connection(caplog):
    def lie(environ, start_response):
        start_response("200 OK", [("Content-Length", "1")])
        return [b"more than that"]

    with serving(lie) as (server, port):
        answer_to(port, GET)
        wait_until(lambda: not server.exchanges)
    assert [record.getMessage() for record in caplog.records] == ["An answer could not be sent"]


@pytest.mark.parametrize("chunk", [b"5", b"100000"])
def test_more_than_one_body_may_have_is_not_taken_in(chunk):
    size = int(chunk, 16)
    with serving(most_body=20_000) as (_, port):
        with connect(port, CHUNKED) as connection:
            for _ in range(20_000 // size + 1):
                connection.sendall(chunk + b"\r\n" + bytes(size) + b"\r\n")
            assert b" 413 " in answer_on(connection)[0]


MALFORMED = {
    "a bracket": (b"GET http://[ HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "brackets": (b"GET //[::1/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 200),
    "a whole address": (b"GET http://x/?a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 200),
    "no path": (b"GET x HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "no request": (b"nonsense\r\n\r\n", 400),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    "a long length": (b"POST / HTTP/1.1\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", 400),
    "a length of words": (b"POST / HTTP/1.1\r\nContent-Length: ten\r\n\r\n", 400),
    "a lonely CR": (b"GET / HTTP/1.1\r\nX: a\rb\r\n\r\n", 400),
    "headers without end": (b"GET / HTTP/1.1\r\nX: " + b"x" * 40_000, 431),
    "too much": (post(99999999999), 413),
    "a long header": (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 40_000 + b"\r\n\r\n", 431),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "no host, of old": (b"GET / HTTP/1.0\r\n\r\n", 200),
    "two hosts": (b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400),
    "gzip": (b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 400),
    "gzip, chunked": (b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400),
    "bad chunks": (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n\r\n", 400),
}
# The rest Tornado refuses by itself.
IN_WORDS = (
    "a bracket", "no path", "too much", "headers without end", "a long header", "no host",
    "two hosts",
)  # fmt: skip


@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_no_request_is_refused_and_the_log_has_no_traceback(
    name, caplog, capfd, monkeypatch
):
    monkeypatch.setattr(exchange, "LINGER_S", 0.05)
    content, expected = MALFORMED[name]
    with serving() as (_, port):
        head, _, body = answer_to(port, content).partition(b"\r\n\r\n")
        assert fetch(f"http://127.0.0.1:{port}/")[0] == 200
    assert head.startswith(b"HTTP/1.1 %d" % expected), head
    assert not caplog.records and not capfd.readouterr().err
    if name in IN_WORDS:
        assert b"Content-Type: application/problem+json" in head
        assert b"X-Content-Type-Options: nosniff" in head
        document = json.loads(body)
        assert document["status"] == expected and document["detail"].endswith(".")


def test_a_defect_of_the_app_is_an_answer(caplog):
    def fail(environ, start_response):
        raise RuntimeError("a defect")

    with serving(fail) as (_, port), connect(port, GET) as connection:
        head, body = answer_on(connection)
        assert b" 500 " in head and b"a defect" not in body
    [record] = caplog.records
    assert record.levelno == logging.ERROR and "a defect" in record.exc_text


def test_a_client_that_sends_no_more_gets_its_answer():
    """After a while it is tried whether it is there, by an answer that announces another."""
    gate = Gate()
    asked = GET.replace(b"/", b"/slow", 1)
    with serving(gate) as (server, port):
        for version in (b"1.1", b"1.0"):
            assert b"hi" in half_closed(port, GET.replace(b"1.1", version))
        assert half_closed(port, GET * 3).count(b"hi") == 3
        assert b"hi" in half_closed(port, post(3) + b"abc")
        for cut in (
            b"",
            GET[:-4],
            GET[:-2],
            GET[:-1],
            post(3) + b"ab",
            CHUNKED + b"5\r\nabcde\r\n",
        ):
            assert half_closed(port, cut) == b"", "no request that is whole"
        with connect(port, asked) as connection:
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(1000) == exchange.PROBE
            time.sleep(2 * max(exchange.PROBES_S))
            [only] = server.exchanges
            assert not only._gone.done()
            gate.open.set()
            assert b"200 OK" in read_all(connection)


def half_closed(port, content):
    with connect(port, content) as connection:
        connection.shutdown(socket.SHUT_WR)
        return read_all(connection)
