"""Connections that are idle, slow or no HTTP at all: nobody else is kept out."""

import json
import logging
import socket
import threading
import time
from contextlib import ExitStack, contextmanager

import pytest
from children import PATIENCE_S
from web import fetch, wait_until

from anime_pipeline.web import connections
from anime_pipeline.web.connections import make_server
from anime_pipeline.web.serving import listen

LIMIT = 50
IDLE, HALF_OPEN = b"", b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: "


GO_ON = threading.Event()


def hello(environ, start_response):
    if environ["PATH_INFO"] == "/slow":
        assert GO_ON.wait(PATIENCE_S)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "2")])
    return [b"hi"]


@contextmanager
def running(limit=LIMIT):
    """Run a server with few connections beside the test; gives it and its port."""
    server = make_server(
        hello,
        listen("127.0.0.1", 0),
        connection_limit=limit,
        threads=4,
        max_request_body_size=10**7,
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield server, int(server.effective_port)
    finally:
        left = dict(server._map)
        server.trigger.pull_trigger(server._map.clear)  # which ends the loop
        thread.join(20)
        server.task_dispatcher.shutdown()
        for one in left.values():
            one.close()


def connect(port, content=IDLE):
    connection = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
    connection.sendall(content)
    return connection


def answer_to(port, content):
    """Send bytes; gives the answer up to its end, which is that of the connection."""
    with connect(port, content) as connection:
        found = b""
        while part := connection.recv(10_000):
            found += part
    return found


def is_closed(connection):
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


@pytest.mark.parametrize("sent", [IDLE, HALF_OPEN, HALF_OPEN + b"x" * 9000])
def test_idle_connections_keep_nobody_out(sent, monkeypatch):
    # Not because they end by themselves after a while.
    monkeypatch.setattr(connections, "IDLE_S", 10 * PATIENCE_S)
    monkeypatch.setattr(connections, "HEAD_S", 10 * PATIENCE_S)
    with running() as (server, port), ExitStack() as stack:
        for _ in range(150):
            stack.enter_context(connect(port, sent))
        for _ in range(3):
            assert fetch(f"http://127.0.0.1:{port}/")[0] == 200
        assert len(server.active_channels) <= LIMIT


def test_who_is_being_answered_is_not_cut_off():
    GO_ON.clear()
    with running() as (server, port), ExitStack() as stack:
        slow = [stack.enter_context(connect(port, b"GET /slow HTTP/1.1\r\n\r\n")) for _ in range(3)]
        wait_until(lambda: sum(bool(one.requests) for one in server.active_channels.values()) == 3)
        for _ in range(100):
            stack.enter_context(connect(port))
        assert fetch(f"http://127.0.0.1:{port}/")[0] == 200, "all of them have been looked at"
        GO_ON.set()
        assert all(one.recv(1000).startswith(b"HTTP/1.1 200") for one in slow)


def test_the_longest_idle_of_who_has_most_makes_room():
    with running(limit=8) as (server, port), ExitStack() as stack:
        first = stack.enter_context(connect(port))
        wait_until(lambda: len(server.active_channels) == 1)
        second = stack.enter_context(connect(port))
        wait_until(lambda: len(server.active_channels) == 2)
        [one, _] = server.active_channels.values()
        one.addr = ("203.0.113.9", 1)  # as if from elsewhere: it is older, but one of one
        for _ in range(6):
            stack.enter_context(connect(port))
        assert is_closed(second)
        first.settimeout(0.3)
        with pytest.raises(TimeoutError):
            first.recv(1)


def test_a_request_that_trickles_in_is_ended(monkeypatch):
    monkeypatch.setattr(connections, "HEAD_S", 0.5)
    monkeypatch.setattr(connections, "BODY_S", 10 * PATIENCE_S)
    with running() as (_, port):
        body = HALF_OPEN + b"\r\nContent-Length: 9\r\n\r\n1"
        with connect(port, HALF_OPEN) as head, connect(port, body) as half:
            begun = time.perf_counter()
            head.settimeout(0.2)
            while True:
                assert time.perf_counter() - begun < PATIENCE_S
                try:
                    head.sendall(b"x")  # always a little, so that it is never idle
                    if head.recv(1) == b"":
                        break
                except TimeoutError:
                    continue
                except (ConnectionResetError, BrokenPipeError):
                    break
            half.sendall(b"23456789")
            assert half.recv(1000).startswith(b"HTTP/1.1 200"), "a body may take longer"


def test_unfinished_bodies_do_not_fill_the_memory(monkeypatch):
    head = b"POST / HTTP/1.1\r\nContent-Length: 900000\r\n\r\n"
    with running() as (server, port), ExitStack() as stack:
        small = stack.enter_context(connect(port, head + bytes(100)))
        for _ in range(4):
            stack.enter_context(connect(port, head + bytes(800_000)))
        wait_until(lambda: len(server.active_channels) == 5)
        monkeypatch.setattr(connections, "UNFINISHED_BYTES", 1_000_000)
        wait_until(lambda: len(server.active_channels) == 2)
        small.sendall(bytes(899_900))
        assert small.recv(1000).startswith(b"HTTP/1.1 200")


MALFORMED = {
    "a bracket": (b"GET http://[ HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "brackets": (b"GET //[::1/ HTTP/1.1\r\nHost: x\r\n\r\n", 200),
    "no request": (b"nonsense\r\n\r\n", 400),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    "a long length": (b"POST / HTTP/1.1\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", 400),
    "a length of words": (b"POST / HTTP/1.1\r\nContent-Length: ten\r\n\r\n", 400),
    "a small method": (b"get / HTTP/1.1\r\n\r\n", 400),
    "a lonely CR": (b"GET / HTTP/1.1\r\nX: a\rb\r\n\r\n", 400),
    "headers without end": (b"GET / HTTP/1.1\r\nX: " + b"x" * (32_768 - 19), 431),
    "too much": (b"POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", 413),
    "gzip": (b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
    "gzip, chunked": (b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    "bad chunks": (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n\r\n", 400),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_no_request_gets_a_problem_and_the_log_no_traceback(name, caplog, capfd):
    content, expected = MALFORMED[name]
    caplog.set_level(logging.INFO)
    with running() as (_, port):
        if expected == 200:
            content = content.replace(b"Host: x", b"Connection: close")
        head, _, body = answer_to(port, content).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 %d" % expected) or head.startswith(
            b"HTTP/1.0 %d" % expected
        ), head
        assert fetch(f"http://127.0.0.1:{port}/")[0] == 200
    lines = [record.getMessage() for record in caplog.records] + capfd.readouterr().err.splitlines()
    assert len(lines) <= 1 and not any("Traceback" in line or "|" in line for line in lines), lines
    if expected != 200:
        assert b"Content-Type: application/problem+json" in head
        assert b"Connection: close" in head and b"X-Content-Type-Options: nosniff" in head
        document = json.loads(body)
        assert document["status"] == expected and document["detail"].endswith(".")
        assert "\r" not in document["detail"]


def test_a_defect_at_a_connection_is_one_line(caplog, monkeypatch):
    def fail(*_):
        raise RuntimeError("a defect")

    with running() as (_, port):
        monkeypatch.setattr(connections.Parser, "received", fail)
        assert answer_to(port, b"GET / HTTP/1.1\r\n\r\n") == b""
        monkeypatch.undo()
        assert fetch(f"http://127.0.0.1:{port}/")[0] == 200
    assert [record.getMessage() for record in caplog.records] == [
        "A connection was closed: RuntimeError: a defect"
    ]
