"""Signals that ask a command to end: all are answered as Ctrl-C is, and it exits with 130."""

import os
import signal
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any

from anime_pipeline.core.platform import signals_called

# SIGHUP: the terminal was closed. SIGTERM: `kill`, `timeout`, a machine that shuts down.
STOP_SIGNALS = signals_called("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT")

# `timeout` and some shells signal a process and its group at once, and both reach the same process:
# this soon, a second signal is no second request.
ECHO_S = 0.5


def leave_lost_terminal() -> None:
    """Let what is still said go nowhere where the terminal has been closed.

    Writing to it fails from then on, and a failure to say that the state is saved must not keep it
    from being saved.
    """
    for descriptor in (0, 1, 2):
        with suppress(OSError):
            # A closed terminal is a device still, and no terminal any more.
            if stat.S_ISCHR(os.fstat(descriptor).st_mode) and not os.isatty(descriptor):
                nowhere = os.open(os.devnull, os.O_RDWR)
                os.dup2(nowhere, descriptor)
                os.close(nowhere)


@contextmanager
def answering_stop_signals(
    answer: Callable[[int], object], replaced: Callable[[Any], bool]
) -> Iterator[None]:
    """Call a function at any of `STOP_SIGNALS`; not outside of the main thread, which gets them.

    Args:
        answer: Called with the signal's number.
        replaced: Tells of a handler that is there whether this one takes its place.
    """
    previous = {}
    if threading.current_thread() is threading.main_thread():
        found = {number: signal.getsignal(number) for number in STOP_SIGNALS}
        previous = {number: handler for number, handler in found.items() if replaced(handler)}
    for number in previous:
        signal.signal(number, lambda number, _: answer(number))
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def answering(answer: Callable[[int, bool], object]) -> AbstractContextManager[None]:
    """Call `answer(number, again)` at each of `STOP_SIGNALS`; echoes are no calls.

    What is ignored stays ignored: `nohup` and shells' background jobs rely on it.
    """
    asked_at: float | None = None

    def handle(number: int) -> None:
        nonlocal asked_at
        leave_lost_terminal()
        now, last = time.monotonic(), asked_at
        if last is None or now - last >= ECHO_S:
            asked_at = now
            answer(number, last is not None)

    return answering_stop_signals(handle, lambda h: callable(h) or h == signal.SIG_DFL)


@contextmanager
def keeping_handlers() -> Iterator[None]:
    """Put back what answers `STOP_SIGNALS` after a library's start, which puts in its own."""
    previous = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in previous.items():
            if handler is not None and threading.current_thread() is threading.main_thread():
                signal.signal(number, handler)


def again_in_python() -> None:
    """Take back signals for which a library has put in handlers of its own, in native code."""
    if threading.current_thread() is threading.main_thread():
        for number in STOP_SIGNALS:
            if callable(handler := signal.getsignal(number)):
                signal.signal(number, handler)


def stopping_as_ctrl_c() -> AbstractContextManager[None]:
    """Raise `KeyboardInterrupt` in the main thread at any of `STOP_SIGNALS`."""
    return answering(lambda number, _: signal.default_int_handler(number, None))


@contextmanager
def stop_requests() -> Iterator[Callable[[], bool]]:
    """Turn `STOP_SIGNALS` into a flag that is read between steps; a second one ends at once."""
    requested = threading.Event()

    def request(_: int, again: bool) -> None:
        if again:
            raise KeyboardInterrupt
        requested.set()
        os.write(2, b"\nStopping after this step and saving; once more to quit without.\n")

    with answering(request):
        yield requested.is_set
