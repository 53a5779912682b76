"""Serving an app until a signal comes, and stopping without breaking a promise."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from anime_pipeline.core.errors import UsageError
from anime_pipeline.core.platform import allow_open_files
from anime_pipeline.core.signals import answering
from anime_pipeline.web.serving.clients import FairThreads
from anime_pipeline.web.serving.connections import Server
from anime_pipeline.web.serving.shedding import Shedding

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


def serve(
    app: Shedding,
    listening: socket.socket,
    most_waiting: int,
    stop_work: Callable[[float], bool],
    on_ready: Callable[[], None],
) -> bool:
    """Answer requests until one of `STOP_SIGNALS`; then finish what was accepted and return.

    A second signal stops at once.

    Args:
        app: What answers.
        listening: See `listen`.
        most_waiting: Requests that may wait in the app, with a thread for each.
        stop_work: Has the app refuse new work and finish what waits within so many seconds; tells
            whether it could.
        on_ready: Called when requests are answered.

    Returns:
        Whether everything that was accepted has been answered.
    """
    threads = most_waiting + FREE_THREADS

    async def run() -> bool:
        executor = ThreadPoolExecutor(threads, thread_name_prefix="request")
        most = max(10, allow_open_files(CONNECTIONS + OTHER_FILES) - OTHER_FILES)
        server = Server(app, FairThreads(executor, threads), most)
        listening.setblocking(False)
        server.add_socket(listening)
        loop, told = asyncio.get_running_loop(), asyncio.Event()

        def stop(number: int, again: bool) -> None:
            if again:
                os._exit(128 + number)  # not by Python's own end: the models' thread is at work
            loop.call_soon_threadsafe(told.set)

        with answering(stop):
            on_ready()
            await told.wait()
            clean = await _stop(server, stop_work)
        # Only those that are idle: what is at work on lost requests may never end.
        executor.shutdown(wait=False)
        return clean

    return asyncio.run(run())


async def _stop(server: Server, stop_work: Callable[[float], bool]) -> bool:
    """End a server: no new connections, the accepted requests, then the others.

    Returns:
        Whether the models have done all that was accepted.
    """
    deadline = time.monotonic() + STOP_WITHIN_S
    server.stop()
    server.stopping = True
    # First what waits for a thread, then what waits for the models: from then on new work on open
    # connections is refused, or a busy server would never end.
    await _until(lambda: not server.threads.waiting, deadline)
    left_s = max(0.0, deadline - time.monotonic())
    clean = await asyncio.to_thread(stop_work, left_s)
    if not await _until(lambda: not server.busy, time.monotonic() + FLUSH_S):
        LOG.warning("Some clients did not fetch their answers within %g s.", FLUSH_S)
    server.close_all()
    return clean


async def _until(holds: Callable[[], bool], deadline: float) -> bool:
    while not holds():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.01)
    return True
