"""Which request gets the next free thread: clients take turns, whatever connections they have."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator
from typing import Any

from waitress.task import ThreadedTaskDispatcher

from anime_pipeline.web.limits import client_of


class ByClient:
    """As much of a deque as waitress uses; what is taken next comes from the next client.

    A client with hundreds of connections would otherwise be served hundreds of times before
    somebody who asks once.
    """

    def __init__(self) -> None:
        self._clients: OrderedDict[str | None, deque[Any]] = OrderedDict()
        self._count = 0

    def append(self, task: Any) -> None:
        """Let a connection with a request wait."""
        address = task.addr[0] if getattr(task, "addr", None) else None
        self._clients.setdefault(client_of(address), deque()).append(task)
        self._count += 1

    def popleft(self) -> Any:
        """Take the oldest of the client whose turn it is, and let that client wait for the others.

        Raises:
            IndexError: If nothing waits.
        """
        if not self._count:
            raise IndexError("nothing waits")
        client, tasks = self._clients.popitem(last=False)
        task = tasks.popleft()
        if tasks:
            self._clients[client] = tasks
        self._count -= 1
        return task

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Any]:
        return (task for tasks in self._clients.values() for task in tasks)


class FairDispatcher(ThreadedTaskDispatcher):
    """Waitress' threads, with a fair queue before them."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = ByClient()
