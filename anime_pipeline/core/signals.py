"""Signals that ask a command to end: all are answered as Ctrl-C is, and it exits with 130."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

# SIGHUP: the terminal was closed. SIGTERM: `kill`, `timeout`, a machine that shuts down.
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)

# `timeout` and some shells signal a process and its group at once, and both reach the same process:
# this soon, a second signal is no second wish.
ECHO_S = 0.5


@contextmanager
def stopping_as_ctrl_c() -> Iterator[None]:
    """Raise `KeyboardInterrupt` in the main thread at any of `STOP_SIGNALS`.

    What is ignored stays ignored: `nohup` and shells' background jobs rely on it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = {
        number: handler
        for number in STOP_SIGNALS
        if (handler := signal.getsignal(number)) in (signal.SIG_DFL, signal.default_int_handler)
    }
    asked_at = -ECHO_S

    def stop(number: int, frame: object) -> None:
        nonlocal asked_at
        last, asked_at = asked_at, time.monotonic()
        if asked_at - last >= ECHO_S:
            raise KeyboardInterrupt

    for number in previous:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
