"""A redis-server, replicas and the proxy of deploy/ beside a test; skipped if they are missing."""

import math
import secrets
import shutil
import socket
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import pytest
from children import PATIENCE_S
from web import served, wait_until

PROXY = Path(__file__).parents[1] / "deploy" / "haproxy.cfg"


def free_port():
    """Return a free port that nobody is given who asks for any, as other tests beside this do."""
    while True:
        port = 20_000 + secrets.randbelow(10_000)
        if not listens(port):
            return port


def listens(port):
    """Tell whether somebody listens there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def program(name, *arguments, port):
    """Run a program that listens on a port."""
    path = shutil.which(name, path="/usr/sbin:/usr/bin:/usr/local/bin:/usr/local/sbin")
    if path is None:
        pytest.skip(f"{name} is not installed (apt-get install {name})")
    with subprocess.Popen([path, *map(str, arguments)], stdout=subprocess.DEVNULL) as process:
        try:
            wait_until(lambda: listens(port) or process.poll() is not None)
            assert process.poll() is None, f"{name} has ended"
            yield process
        finally:
            process.kill()


@contextmanager
def redis_server(folder, *options, port=None):
    """Run a Redis that keeps nothing; gives its process and port."""
    if pytest.importorskip("redis") and port is None:
        port = free_port()
    plain = () if "--tls-port" in options else ("--port", port)
    memory = ("--save", "", "--appendonly", "no", "--bind", "127.0.0.1", "--dir", folder)
    with program("redis-server", *memory, *plain, *options, port=port) as process:
        yield process, port


@contextmanager
def two_replicas(folder, *options):
    """Run two replicas behind the proxy; gives their processes and the proxy's port.

    The proxy's configuration is that of deploy/ with other addresses, and it lets the test say
    which address a client has (the PROXY protocol).
    """
    with ExitStack() as stack:
        with ThreadPoolExecutor(2) as side_by_side:
            starting = [served(folder, "--proxies", "1", *options) for _ in "12"]
            found = list(side_by_side.map(stack.enter_context, starting))
        text = PROXY.read_text(encoding="utf-8")
        port = free_port()
        for place, ours in [
            ("bind :8080", f"bind 127.0.0.1:{port} accept-proxy"),
            *[
                (f"faces-{number}:8000", url.removeprefix("http://"))
                for number, (_, url) in enumerate(found, 1)
            ],
        ]:
            assert text.count(place) == 1
            text = text.replace(place, ours)
        (folder / "haproxy.cfg").write_text(text, encoding="utf-8")
        stack.enter_context(program("haproxy", "-f", folder / "haproxy.cfg", port=port))
        yield [process for process, _ in found], port


class Client(threading.Thread):
    """Asks for one face after another until it is stopped, from an address or from ever others.

    Attributes:
        answers: Time and status of each; what was no answer stands as text.
    """

    def __init__(self, port, seed, address=None, method="GET"):
        super().__init__(daemon=True)
        self.port, self.seed, self.address, self.method = port, seed, address, method
        self.answers = []
        self.over = threading.Event()

    def connect(self, seed):
        address = self.address or f"198.51.{seed // 250}.{seed % 250 + 1}"
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        connection.connect()
        connection.sock.sendall(f"PROXY TCP4 {address} 127.0.0.1 4000 80\r\n".encode())
        return connection

    def ask(self, seed):
        """Return the status of one request, on a connection of its own."""
        connection = self.connect(seed)
        try:
            if self.method == "GET":
                connection.request("GET", f"/api/v1/generate?seed={seed}&size=32")
            else:
                headers = {"Content-Type": "application/json"}
                body = f'{{"seeds": [{seed}], "size": 32}}'
                connection.request("POST", "/api/v1/generate", body, headers)
            answer = connection.getresponse()
            answer.read()
            return answer.status
        except (OSError, HTTPException) as error:
            return f"{type(error).__name__}: {error}"
        finally:
            connection.close()

    def run(self):
        while not self.over.is_set():
            self.seed += 1
            status = self.ask(self.seed)
            self.answers.append((time.monotonic(), status))
            self.over.wait(0.01)

    def since(self, begun, end=math.inf):
        """Return the statuses of what was answered after a time, and before another."""
        return [status for at, status in self.answers if begun < at < end]
