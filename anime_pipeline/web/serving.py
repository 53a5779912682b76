"""Serving an app with waitress until a signal comes, and stopping without breaking a promise."""

from __future__ import annotations

import logging
import os
import resource
import signal
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

from flask import Flask
from waitress import wasyncore

from anime_pipeline import __version__
from anime_pipeline.core.errors import UsageError
from anime_pipeline.core.signals import ECHO_S, STOP_SIGNALS, leave_lost_terminal
from anime_pipeline.web.connections import make_server
from anime_pipeline.web.services import EXTENSION, Services
from anime_pipeline.web.settings import Settings

LOG = logging.getLogger(__name__)

# Beyond those that may wait for the models: they answer everything else, refusals too.
FREE_THREADS = 16
CONNECTIONS = 1000
OTHER_FILES = 40
BACKLOG = 1024
STOP_WITHIN_S = 60.0
FLUSH_S = 10.0


def listen(host: str, port: int) -> socket.socket:
    """Open the listening socket; port 0 takes a free one.

    Raises:
        UsageError: If it cannot be had.
    """
    try:
        [family, *_, address] = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family, backlog=BACKLOG)
    except (OSError, OverflowError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(
            f"Cannot listen on {host} port {port}: {reason}. Choose another --port or --host; "
            "with --port 0 a free port is found."
        ) from None


def own_address(family: socket.AddressFamily) -> str | None:
    """Return this machine's address in its network, or None if it has none; nothing is sent."""
    elsewhere = "2001:db8::1" if family == socket.AF_INET6 else "192.0.2.1"  # of documentation
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            # Of UDP this only chooses the way, and with that the own end of it.
            probe.connect((elsewhere, 9))
            address = str(probe.getsockname()[0])
    except OSError:
        return None
    return None if address in ("0.0.0.0", "::") else address  # noqa: S104


def serve(app: Flask, listening: socket.socket, on_ready: Callable[[], None]) -> bool:
    """Answer requests until one of `STOP_SIGNALS`; then finish what was accepted and return.

    A second signal stops at once.

    Args:
        app: See `web.app.create_app`.
        listening: See `listen`.
        on_ready: Called when requests are answered.

    Returns:
        Whether everything that was accepted has been answered.
    """
    services: Services = app.extensions[EXTENSION]
    # Each connection is an open file, and some systems begin with few.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS + OTHER_FILES
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    # Its warning about waiting requests is what a full server does all the time.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    server = make_server(
        app,
        listening,
        threads=threads_for(services.settings),
        ident=f"anime-pipeline/{__version__}",
        connection_limit=min(CONNECTIONS, max(10, soft - OTHER_FILES)),
        backlog=BACKLOG,
        # Bodies are held before the app sees them: no more than it would take.
        max_request_body_size=app.config["MAX_CONTENT_LENGTH"],
        # They are dealt with by the app, and believed only behind proxies that it was told of.
        clear_untrusted_proxy_headers=not services.settings.proxies,
    )
    stopping = _Stop(server, services)
    before = {
        number: handler
        for number in STOP_SIGNALS
        if (handler := signal.getsignal(number)) != signal.SIG_IGN  # as under nohup
    }
    asked_at = 0.0

    def stop(number: int, _: object) -> None:
        nonlocal asked_at
        leave_lost_terminal()
        if not stopping.is_alive():
            asked_at = time.monotonic()
            stopping.start()
        elif time.monotonic() - asked_at >= ECHO_S:
            os._exit(128 + number)  # not through Python's own end: the models' thread is at work

    for number in before:
        signal.signal(number, stop)
    try:
        on_ready()
        server.run()
        server.task_dispatcher.shutdown()
        wasyncore.close_all(stopping.left_open, ignore_all=True)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return stopping.clean


def threads_for(settings: Settings) -> int:
    """Return how many threads a server needs so that one is always free to refuse."""
    return settings.queue + FREE_THREADS


class _Stop(threading.Thread):
    """Ends a waitress server: no new connections, the accepted requests, then the loop."""

    def __init__(self, server: Any, services: Services) -> None:
        super().__init__(name="stop", daemon=True)
        self._server = server
        self._services = services
        self.clean = False
        self.left_open: dict[int, Any] = {}

    def run(self) -> None:
        """Do so; the loop's own state is touched only from within the loop."""
        deadline = time.monotonic() + STOP_WITHIN_S
        self._in_loop(lambda: wasyncore.dispatcher.close(self._server))
        # First what waits for a thread, then what waits for the models: from then on new work on
        # open connections is refused, or a busy server would never end.
        _wait_until(lambda: not self._server.task_dispatcher.queue, deadline)
        self.clean = self._services.worker.stop(max(0.0, deadline - time.monotonic()))
        # Nothing more is read, or what comes just before the end would get no answer.
        reads_no_more = threading.Event()
        self._in_loop(lambda: self._read_no_more(reads_no_more))
        reads_no_more.wait(FLUSH_S)
        if not _wait_until(lambda: not self._busy(), time.monotonic() + FLUSH_S):
            LOG.warning("Some clients did not fetch their answers within %g s.", FLUSH_S)
        self._in_loop(self._end_loop)

    def _read_no_more(self, done: threading.Event) -> None:
        self._server.reads = False
        done.set()

    def _end_loop(self) -> None:
        """Leave the loop nothing to look at, which ends it; an exception would not."""
        self.left_open = dict(self._server._map)
        self._server._map.clear()

    def _in_loop(self, call: Callable[[], None]) -> None:
        self._server.trigger.pull_trigger(call)

    def _busy(self) -> bool:
        channels = list(self._server.active_channels.values())
        return any(channel.requests or channel.total_outbufs_len for channel in channels)


def _wait_until(holds: Callable[[], bool], deadline: float) -> bool:
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
