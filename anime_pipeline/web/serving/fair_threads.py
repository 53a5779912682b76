"""Which request gets the next free thread: clients take turns, whatever connections they have."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

Item = TypeVar("Item")


class ByClient(Generic[Item]):
    """A queue in which what is taken next comes from the next client.

    A client with hundreds of connections would otherwise be served hundreds of times before
    somebody who asks once.
    """

    def __init__(self) -> None:
        self._clients: OrderedDict[str | None, deque[Item]] = OrderedDict()

    def append(self, client: str | None, item: Item) -> None:
        """Let something of a client wait."""
        self._clients.setdefault(client, deque()).append(item)

    def popleft(self) -> Item:
        """Take the oldest of the client whose turn it is, and let that client wait for the others.

        Raises:
            KeyError: If nothing waits.
        """
        client, items = self._clients.popitem(last=False)
        item = items.popleft()
        if items:
            self._clients[client] = items
        return item

    def __len__(self) -> int:
        return sum(map(len, self._clients.values()))


class FairThreads:
    """A number of threads that clients get by turns; for one event loop."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._waiting: ByClient[asyncio.Future[None]] = ByClient()

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    @asynccontextmanager
    async def turn(self, client: str | None) -> AsyncIterator[None]:
        """Wait for a thread, and have it until the block ends."""
        if self._free:
            self._free -= 1
        else:
            waiter = asyncio.get_running_loop().create_future()
            self._waiting.append(client, waiter)
            await waiter
        try:
            yield
        finally:
            if len(self._waiting):
                self._waiting.popleft().set_result(None)
            else:
                self._free += 1
