"""Ray's actors that share tasks, on this machine or on those of a cluster.

This is Ray Core, for Ray Data would give a lost actor's pictures to another by rules of its own, in
blocks, and say of none that it is begun anew; it needs pyarrow, too. Here each actor has one task
at a time, Ray itself repeats nothing, and whoever gets a task again is told so.
"""

from __future__ import annotations

import logging
import os
import re
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Collection, Iterator
from contextlib import ExitStack, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from typing import Any, Self

from anime_pipeline import __version__
from anime_pipeline.core import platform
from anime_pipeline.core.crew import ATTEMPTS, Answer, Member, Sharing, environment, to_send
from anime_pipeline.core.errors import PipelineError, UsageError
from anime_pipeline.core.machine import quiet_stderr
from anime_pipeline.core.signals import STOP_SIGNALS, keeping_handlers
from anime_pipeline.core.storage import marked

LOCAL = "local"
EXTRA = "pip install 'anime-pipeline[ray]'"
PROGRAM = "anime_pipeline.core.cluster"
# Nothing that is shared goes through Ray's store of objects; it wants 75 MiB at least.
STORE_BYTES = 80 * 2**20
# Names of sockets have 107 bytes at most, of which Ray's own part takes 75.
LONGEST_FOLDER = 32
ADDRESS = re.compile(r"\[?([^/\s\[\]]+)\]?:(\d{1,5})")
RAISED = re.compile(r"[\w.]*(Error|Exception): ")
NODE = re.compile(r"\bip=([\w.:]+)")
ANSWERS_WITHIN_S = 5.0
GONE_WITHIN_S = 10.0


@dataclass(frozen=True)
class Place:
    """What every node must see as the one that began does.

    Attributes:
        folder: The current folder, from which relative paths go.
        mark: A file that has just been put where the results go.
        version: Of this package.
    """

    folder: str
    mark: Path
    version: str = __version__


def not_installed() -> UsageError:
    """Return what is raised where the extra is missing."""
    return UsageError(
        f"Received --engine ray, and Ray is not installed. Install it ({EXTRA}), or leave the "
        "option out."
    )


class Actor(Member):
    """A member on some node."""

    def look(self, place: Place) -> Answer:
        """Go to the current folder of the one that began; an error, where this node differs."""
        platform.end_with_starter()  # not seconds later, while another does the task again
        node = f"Ray's node {socket.gethostname()}"
        try:
            if place.version != __version__:
                raise UsageError(
                    f"{node} has anime-pipeline {__version__}. Expected {place.version}, as here."
                )
            with suppress(OSError):  # seen by where it has not gone
                os.chdir(place.folder)
            if os.getcwd() != place.folder or not place.mark.exists():
                raise UsageError(
                    f"{node} does not see {Path(place.folder)} and {place.mark.parent} as this one "
                    "does. Give folders that all nodes see under the same paths, and call from one."
                )
        except Exception as error:  # sent to where it can be told to somebody
            return True, to_send(error)
        return False, None


class Cluster(Sharing):
    """Actors of Ray, which end with this process.

    Attributes:
        where: Where they are, in words; known within the context.
    """

    def __init__(
        self,
        factory: str,
        setup: Any,
        count: int,
        threads: int,
        address: str,
        results: Path,
    ) -> None:
        """Prepare; nothing is started before the context is entered.

        Args:
            factory: As `Crew` has it, and all to `threads`.
            setup: Paths in it are those that all nodes see.
            count: How many actors at most; of a cluster, as many as find room.
            threads: How many each may compute with, and how many cores Ray is to keep for it.
            address: HOST:PORT of a cluster, ``"auto"`` for the one of this machine, or ``"local"``
                for a Ray that is started here and ends with this process.
            results: The folder that tasks write to. Every node must see it, and the current one.

        Raises:
            UsageError: If Ray is not installed, or the address is none that it takes here.
        """
        try:
            import ray
        except ImportError:
            raise not_installed() from None
        if address not in (LOCAL, "auto") and not ADDRESS.fullmatch(address):
            raise UsageError(
                f"Received --ray-address {address}. Expected HOST:PORT of the cluster's head, or "
                "auto, on a machine of the cluster."
            )
        self._ray = ray
        self._first = (factory, setup, threads)
        self._count, self._threads, self._address = count, threads, address
        self._results = results
        self.where = ""
        self._open = ExitStack()
        self._actors: dict[int, Any] = {}  # by numbers, in the order of their start
        self._ready: set[int] = set()
        self._calls: dict[Any, int] = {}  # what is waited for, and of which actor
        self._failed = 0

    def __enter__(self) -> Self:
        with ExitStack() as opened:
            mark = opened.enter_context(marked(self._results))
            self._place = Place(os.getcwd(), mark.absolute())
            options: dict[str, Any] = {"address": self._address}
            if self._address == LOCAL:
                options |= self._local(opened)
            # Where Ray prints whatever ends an actor, and our own results would be.
            nowhere = opened.enter_context(open(os.devnull, "w", encoding="utf-8"))
            opened.enter_context(redirect_stdout(nowhere))
            opened.callback(self._ray.shutdown)
            begun = time.monotonic()
            try:
                self._knock()
                with keeping_handlers(), quiet_stderr():
                    self._ray.init(log_to_driver=False, logging_level=logging.CRITICAL, **options)
            except SystemExit:  # Ray's answer to SIGTERM
                raise KeyboardInterrupt from None
            except (OSError, RuntimeError, ValueError) as error:
                reason = str(error).strip().partition("\n")[0]
                raise PipelineError(
                    f"Ray at {self._address} cannot be used ({reason}). Check that it runs, with "
                    "the same versions of Ray and Python, and set RAY_AUTH_MODE=token where it "
                    "wants its token; or leave --engine out."
                ) from None
            where = f"joined {self._address}" if self._address != LOCAL else "started here"
            nodes = sum(node["Alive"] for node in self._ray.nodes())
            cores = self._ray.cluster_resources().get("CPU", 0)
            self.where = (
                f"Ray {self._ray.__version__} {where} in {time.monotonic() - begun:.0f} s: up to "
                f"{self._count} actors on {nodes} node{'s'[: nodes != 1]} of {cores:.0f} cores"
            )
            self._open = opened.pop_all()
        return self

    def _knock(self) -> None:
        """Raise an OSError where nobody listens: Ray would try for many minutes, deaf to Ctrl-C."""
        if found := ADDRESS.fullmatch(self._address):
            socket.create_connection((found[1], int(found[2])), ANSWERS_WITHIN_S).close()

    def _local(self, opened: ExitStack) -> dict[str, Any]:
        """Return the options of a Ray of our own, after which a process of ours cleans up."""
        base = tempfile.gettempdir()
        short = base if len(os.path.join(base, "ray-12345678")) <= LONGEST_FOLDER else "/tmp"  # noqa: S108
        folder = tempfile.mkdtemp(prefix="ray-", dir=short)
        command = [sys.executable, "-P", "-m", PROGRAM, folder]
        cleaner = platform.start_apart(command, environment())
        opened.callback(cleaner.communicate)  # it begins when nobody holds its pipe any more
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # they would be sent over the network
        return {
            "num_cpus": self._count * self._threads,
            "num_gpus": 0,
            "include_dashboard": False,
            "object_store_memory": STORE_BYTES,
            "_temp_dir": folder,
            "_node_ip_address": "127.0.0.1",  # for nobody else
        }

    def __exit__(self, *_: object) -> None:
        with self._open:
            for number in list(self._actors):
                self._dismiss(number)

    def _free(self, busy: Collection[int], wanted: int) -> int | None:
        while len(self._actors) < min(self._count, len(busy) + wanted):
            self._start()
        return next((number for number in sorted(self._ready) if number not in busy), None)

    def _start(self) -> None:
        number = max(self._actors, default=-1) + 1
        kind = self._ray.remote(Actor).options(
            num_cpus=self._threads,
            max_restarts=0,
            max_task_retries=0,
            scheduling_strategy="SPREAD",
        )
        self._actors[number] = kind.remote(*self._first)
        # One for which no node has room has no task yet that would wait with it.
        self._calls[self._actors[number].look.remote(self._place)] = number

    def _give(self, member: int, task: Any, repeated: bool) -> None:
        self._calls[self._actors[member].do.remote(task, repeated)] = member

    def _answers(self, busy: Collection[int]) -> Iterator[tuple[int, Answer | None]]:
        done, _ = self._ray.wait(list(self._calls), num_returns=1)
        for call in done:
            number = self._calls.pop(call)
            answer: Answer | None = None
            reason = ""
            try:
                answer = self._ray.get(call)
            except self._ray.exceptions.RayError as error:
                reason = reason_of(str(error))
                self._dismiss(number)
            if number in busy:
                yield number, answer
            elif answer is None:
                self._failed += 1
                if self._failed >= ATTEMPTS:
                    raise PipelineError(
                        f"Ray's actors end before they begin ({reason}). Check that each node has "
                        "anime-pipeline installed, and memory left."
                    )
            elif answer[0]:
                raise answer[1]
            else:
                self._ready.add(number)
                self._failed = 0

    def _dismiss(self, number: int) -> None:
        self._ready.discard(number)
        self._ray.kill(self._actors.pop(number))


def reason_of(text: str) -> str:
    """Return why Ray lost an actor: the error that its node ended with, or what Ray says first."""
    lines = text.strip().splitlines() or [""]
    if not RAISED.match(lines[-1]):
        return lines[0]
    node = NODE.search(text)
    return f"{lines[-1]}{', on node ' + node[1] if node else ''}"


def holders(folder: str) -> list[int]:
    """Return the processes that have a file open in a folder, as far as Linux says so."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended, or is somebody else's
            files = (os.readlink(each) for each in (process / "fd").iterdir())
            if any(file.startswith(f"{folder}/") for file in files):
                found.append(int(process.name))
    return found


def clean_up(folder: str) -> None:
    """When the process that started this one has ended, end what is left of its Ray.

    The kernel kills most of it with that process, but two of its helpers would try for a minute to
    tell someone.
    """
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    starter = os.getppid()
    sys.stdin.buffer.read()
    deadline = time.monotonic() + GONE_WITHIN_S
    while (found := set(holders(folder)) - {starter}) and time.monotonic() < deadline:
        for pid in found:
            platform.kill(pid)
        time.sleep(0.1)
    rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    clean_up(sys.argv[1])
