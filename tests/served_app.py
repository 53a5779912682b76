"""A server beside a test, with an app of a few lines, and connections to it that misbehave."""

import asyncio
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from children import PATIENCE_S

from anime_pipeline.web.serving.clients import FairThreads
from anime_pipeline.web.serving.connections import Server
from anime_pipeline.web.serving.server import listen
from anime_pipeline.web.serving.shedding import Shedding

IDLE, HALF_OPEN = b"", b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
LIMIT = 50
MOST_BODY = 10**7


def hello(environ, start_response):
    """Read the body, and say hi."""
    environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "2")])
    return [b"hi"]


@contextmanager
def serving(app=hello, limit=LIMIT, threads=4, most_body=MOST_BODY):
    """Run a server beside the test; gives it and its port."""
    listening = listen("127.0.0.1", 0)
    port = listening.getsockname()[1]
    ready, found = threading.Event(), []

    async def run():
        executor = ThreadPoolExecutor(threads)
        shedding = Shedding(app, most_body, {})
        server, over = Server(shedding, FairThreads(executor, threads), limit), asyncio.Event()
        listening.setblocking(False)
        server.add_socket(listening)
        found.extend([server, asyncio.get_running_loop(), over])
        ready.set()
        await over.wait()
        server.stop()
        server.close_all()
        while server.exchanges or server.open:
            await asyncio.sleep(0.005)
        executor.shutdown()

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    assert ready.wait(PATIENCE_S)
    server, loop, over = found
    try:
        yield server, port
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(PATIENCE_S)


def connect(port, content=IDLE, receive_bytes=None):
    """Open a connection, and send something."""
    connection = socket.socket()
    if receive_bytes:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    connection.settimeout(PATIENCE_S)
    connection.connect(("127.0.0.1", port))
    connection.sendall(content)
    return connection


def read_all(connection):
    """Return what comes up to the end of a connection."""
    found = b""
    try:
        while part := connection.recv(65_536):
            found += part
    except ConnectionResetError:
        pass
    return found


def answer_to(port, content):
    """Send bytes; gives the answer up to its end, which is that of the connection."""
    with connect(port, content) as connection:
        return read_all(connection)


def answer_on(connection):
    """Return the next answer of a connection: its head and its body."""
    found = b""
    while b"\r\n\r\n" not in found:
        part = connection.recv(1)
        assert part, found
        found += part
    head = found.lower()
    length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
    body = b""
    while len(body) < length:
        body += connection.recv(length - len(body))
    return found, body
