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
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Self, cast

from anime_pipeline.core import machine, platform
from anime_pipeline.core.errors import PipelineError, UsageError

# A process that is ended from outside may be unlucky once; a task that ends every one is to blame.
ATTEMPTS = 3
PROGRAM = "anime_pipeline.core.crew"


# Whether a task raised an error, and that or its result.
Answer = tuple[bool, Any]


class LostTaskError(PipelineError):
    """A task that several processes ended at, one after another."""


class Sharing(ABC):
    """Members that do tasks of one kind; to be used as a context.

    Each gets its task when it has done the one before, so that none waits for another.
    """

    def __enter__(self) -> Self:
        return self

    @abstractmethod
    def __exit__(self, *_: object) -> None:
        """End all members."""

    def run(self, tasks: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        """Yield each task's number and result, in the order in which they are done.

        A result is a `LostTaskError` where every process that was given the task has ended.

        Raises:
            PipelineError: As the task raised it, or whatever else it raised.
        """
        waiting = deque((number, 1) for number in range(len(tasks)))
        busy: dict[Any, tuple[int, int]] = {}
        while waiting or busy:
            while waiting and (member := self._free(busy, len(waiting))) is not None:
                number, attempt = waiting.popleft()
                busy[member] = (number, attempt)
                self._give(member, tasks[number], attempt > 1)
            for member, answer in self._answers(busy):
                number, attempt = busy.pop(member)
                if answer is None:
                    if attempt < ATTEMPTS:
                        waiting.appendleft((number, attempt + 1))
                    else:
                        yield number, LostTaskError(f"ended {ATTEMPTS} processes that tried it")
                    continue
                error, result = answer
                if error:
                    raise result
                yield number, result

    @abstractmethod
    def _free(self, busy: Collection[Any], wanted: int) -> Any:
        """Return a member that is not busy, or None; `wanted` of them could be used."""

    @abstractmethod
    def _give(self, member: Any, task: Any, repeated: bool) -> None:
        """Have a member begin a task."""

    @abstractmethod
    def _answers(self, busy: Collection[Any]) -> Iterable[tuple[Any, Answer | None]]:
        """Wait until members have done their tasks, or have ended (None)."""


class Crew(Sharing):
    """Processes of this machine, which end with this one."""

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

    def __exit__(self, *_: object) -> None:
        for pipe in list(self._members):
            self._dismiss(pipe)

    def _free(self, busy: Collection[Connection], wanted: int) -> Connection | None:
        if len(busy) >= self._count:
            return None
        return next((each for each in self._members if each not in busy), None) or self._start()

    def _give(self, member: Connection, task: Any, repeated: bool) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):  # seen as its end below
            member.send((task, repeated))

    def _answers(self, busy: Collection[Connection]) -> Iterator[tuple[Connection, Answer | None]]:
        for ready in cast(list[Connection], wait(list(busy))):
            try:
                answer = ready.recv()
            except (EOFError, OSError):
                self._dismiss(ready)
                answer = None
            yield ready, answer

    def _start(self) -> Connection:
        ours, theirs = (end.detach() for end in socket.socketpair())
        pipe = Connection(ours)
        # Not from the current folder, in which anything may lie.
        command = [sys.executable, "-P", "-m", PROGRAM, str(theirs)]
        try:
            self._members[pipe] = platform.Tethered(command, environment(), (theirs,))
        finally:
            os.close(theirs)
        with suppress(BrokenPipeError, ConnectionResetError):
            pipe.send(self._first)
        return pipe

    def _dismiss(self, pipe: Connection) -> None:
        pipe.close()
        self._members.pop(pipe).end()


def environment() -> dict[str, str]:
    """Return the variables with which another Python finds what this one does."""
    paths = [*filter(None, sys.path), str(Path(__file__).parents[2])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def work() -> None:
    """Be one of the processes: do what comes through the socket until there is no more."""
    platform.end_with_parent(int(sys.argv[2]))
    platform.end_with_starter()
    pipe = Connection(int(sys.argv[1]))
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        member = Member(*pipe.recv())
        while True:
            pipe.send(member.do(*pipe.recv()))


class Member:
    """What does tasks, in a process of its own."""

    def __init__(self, factory: str, setup: Any, threads: int) -> None:
        """Remember what `Crew` is given; nothing is loaded before the first task."""
        self._first = (factory, setup, threads)
        self._do: Callable[[Any, bool], Any] | None = None

    def do(self, task: Any, repeated: bool) -> Answer:
        """Do a task; what it raises becomes part of the answer."""
        try:
            if self._do is None:
                factory, setup, threads = self._first
                machine.limit_threads(threads)
                self._do = cast(Callable[[Any, bool], Any], pkgutil.resolve_name(factory)(setup))
            return False, self._do(task, repeated)
        except Exception as error:  # sent to where it can be told to somebody
            return True, to_send(error)


def to_send(error: Exception) -> Exception:
    """Return an error that can be sent; others' are told with where they were raised."""
    if isinstance(error, PipelineError | OSError):
        return error
    return RuntimeError("".join(traceback.format_exception(error)))


if __name__ == "__main__":
    work()
