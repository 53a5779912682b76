"""Local processes that share tasks: each does one at a time, and all end with whoever began them.

Bulk work on one machine gains from several processes where one keeps its cores waiting, between
decoding, networks and encoding. Nothing is lost with a process: its task is given to another one.
"""

from __future__ import annotations

import os
import pkgutil
import socket
import sys
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, cast

from anime_pipeline.core import machine, platform
from anime_pipeline.core.errors import PipelineError, UsageError

# A process that is ended from outside may be unlucky once; a task that ends every one is to blame.
ATTEMPTS = 3
PROGRAM = "anime_pipeline.core.crew"


class LostTaskError(PipelineError):
    """A task that several processes ended at, one after another."""


class Crew:
    """Processes that do tasks of one kind; to be used as a context.

    Each gets its task when it has done the one before, so that none waits for another.
    """

    def __init__(self, factory: str, setup: Any, count: int, threads: int = 1) -> None:
        """Prepare; processes are started as they are needed.

        Args:
            factory: A function's name as ``package.module:name``. Called with `setup` once in each
                process, it returns the function that does a task: it takes a task, and whether
                somebody may have done it, or part of it, already.
            setup: Whatever it needs; sent to the processes, as tasks and results are.
            count: How many processes.
            threads: How many threads each may compute with.

        Raises:
            UsageError: If this system cannot end processes with the one that began them.
        """
        if not platform.ISOLATES:
            raise UsageError(
                f"Received --workers {count}. It needs Linux or macOS, where processes end with "
                "the one that began them. Leave it out."
            )
        self._first = (factory, setup, threads)
        self._count = count
        self._members: dict[Connection, platform.Tethered] = {}

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_: object) -> None:
        for pipe in list(self._members):
            self._dismiss(pipe)

    def run(self, tasks: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        """Yield each task's number and result, in the order in which they are done.

        A result is a `LostTaskError` where every process that was given the task has ended.

        Raises:
            PipelineError: As the task raised it, or whatever else it raised.
        """
        waiting = deque((number, 1) for number in range(len(tasks)))
        busy: dict[Connection, tuple[int, int]] = {}
        while waiting or busy:
            while waiting and len(busy) < self._count:
                number, attempt = waiting.popleft()
                pipe = next((each for each in self._members if each not in busy), None)
                pipe = pipe or self._start()
                busy[pipe] = (number, attempt)
                with suppress(BrokenPipeError, ConnectionResetError):  # seen as its end below
                    pipe.send((tasks[number], attempt > 1))
            for ready in cast(list[Connection], wait(list(busy))):
                number, attempt = busy.pop(ready)
                try:
                    error, result = ready.recv()
                except (EOFError, OSError):
                    self._dismiss(ready)
                    if attempt < ATTEMPTS:
                        waiting.appendleft((number, attempt + 1))
                    else:
                        yield number, LostTaskError(f"ended {ATTEMPTS} processes that tried it")
                    continue
                if error:
                    raise result
                yield number, result

    def _start(self) -> Connection:
        ours, theirs = (end.detach() for end in socket.socketpair())
        pipe = Connection(ours)
        paths = [*filter(None, sys.path), str(Path(__file__).parents[2])]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
        # Not from the current folder, in which anything may lie.
        command = [sys.executable, "-P", "-m", PROGRAM, str(theirs)]
        try:
            self._members[pipe] = platform.Tethered(command, environment, (theirs,))
        finally:
            os.close(theirs)
        with suppress(BrokenPipeError, ConnectionResetError):
            pipe.send(self._first)
        return pipe

    def _dismiss(self, pipe: Connection) -> None:
        pipe.close()
        self._members.pop(pipe).end()


def work() -> None:
    """Be one of the processes: do what comes through the socket until there is no more."""
    platform.end_with_parent(int(sys.argv[2]))
    platform.end_with_starter()
    pipe = Connection(int(sys.argv[1]))
    do: Callable[[Any, bool], Any] | None = None
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        factory, setup, threads = pipe.recv()
        while True:
            task, repeated = pipe.recv()
            try:
                do = do or _made(factory, setup, threads)
                answer = (False, do(task, repeated))
            except Exception as error:  # sent to where it can be told to somebody
                answer = (True, _to_send(error))
            pipe.send(answer)


def _made(factory: str, setup: Any, threads: int) -> Callable[[Any, bool], Any]:
    machine.limit_threads(threads)
    do: Callable[[Any, bool], Any] = pkgutil.resolve_name(factory)(setup)
    return do


def _to_send(error: Exception) -> Exception:
    """Return an error that can be sent; others' are told with where they were raised."""
    if isinstance(error, PipelineError | OSError):
        return error
    return RuntimeError("".join(traceback.format_exception(error)))


if __name__ == "__main__":
    work()
