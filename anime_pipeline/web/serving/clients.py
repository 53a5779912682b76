"""Who counts as one client, and what each may have: requests a minute, memory, threads in turn."""

from __future__ import annotations

import asyncio
import ipaddress
import threading
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from typing import TypeVar

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import RateLimiter, SlidingWindowCounterRateLimiter

from anime_pipeline.web.errors import Problem
from anime_pipeline.web.serving.shared import Shared

IPV6_NETWORK = 64  # one customer has at least that many addresses

Made = TypeVar("Made")


def client_of(address: str | None) -> str | None:
    """Return what stands for a client; None for one on this machine, which has no limit."""
    try:
        found = ipaddress.ip_address(address or "")
    except ValueError:
        return address or "unknown"
    if found.is_loopback:
        return None
    if found.version == 6:
        if found.ipv4_mapped:
            return client_of(str(found.ipv4_mapped))
        return str(ipaddress.ip_network((found, IPV6_NETWORK), strict=False))
    return str(found)


class RateLimits:
    """Counts what each client asks for over the last minute, by a sliding window."""

    def __init__(self, shared: Shared | None = None, **a_minute: int) -> None:
        """Begin to count.

        Args:
            shared: Where all replicas count together; None for this one alone.
            a_minute: How much of what is allowed, such as ``faces=1200``; 0 for any number.
        """
        self._shared = shared
        # Counters, which are forgotten in time: a list for each client would be kept for ever.
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._items = {
            what: RateLimitItemPerMinute(most) for what, most in a_minute.items() if most
        }

    def count(self, what: str, address: str | None, cost: int = 1) -> None:
        """Count something that a client is about to get.

        Raises:
            Problem: 429 if that is too much.
        """
        item, client = self._items.get(what), client_of(address)
        if item is None or client is None:
            return

        def wait_s(limiter: RateLimiter) -> float:
            """Count it; tells how long to wait if it was too much, else 0."""
            # A single request may be larger than the whole limit: it then uses it up.
            if limiter.hit(item, what, client, cost=min(cost, item.amount)):
                return 0.0
            reset, _ = limiter.get_window_stats(item, what, client)
            return max(1.0, reset - time.time())

        own, shared = partial(wait_s, self._limiter), self._shared
        seconds = shared.ask(partial(wait_s, shared.limiter), own) if shared else own()
        if seconds:
            detail = f"More than {item.amount} {what} in a minute. Wait a little."
            raise Problem(429, detail, retry_after_s=seconds)


class Budget:
    """Counts bytes against a limit, of which no client may have more than half."""

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self._held: Counter[str | None] = Counter()
        self._lock = threading.Lock()

    @property
    def held(self) -> int:
        """How many are taken."""
        with self._lock:
            return self._held.total()

    def held_by(self, client: str | None) -> int:
        """Return how many a client has."""
        with self._lock:
            return self._held[client]

    def take(self, count: int, client: str | None = None) -> bool:
        """Take some, if there are as many; tells whether that was so.

        Args:
            count: How many.
            client: Who for, see `client_of`; None for one without a share of its own.
        """
        with self._lock:
            if self._held.total() + count > self.most_bytes:
                return False
            if client is not None and self._held[client] + count > self.most_bytes // 2:
                return False
            self._held[client] += count
            return True

    def give_back(self, count: int, client: str | None = None) -> None:
        """Return what was taken."""
        with self._lock:
            self._held[client] -= count
            if not self._held[client]:
                del self._held[client]  # or every client would be remembered for ever


class FairThreads:
    """Threads that clients get by turns, whatever connections they have; for one event loop.

    A client with hundreds of connections would otherwise be served hundreds of times before
    somebody who asks once.
    """

    def __init__(self, executor: Executor, count: int) -> None:
        """Take the threads, and how many there are."""
        self._executor = executor
        self._free = count
        self._waiting: OrderedDict[str | None, deque[asyncio.Future[None]]] = OrderedDict()

    @property
    def waiting(self) -> int:
        """How many wait."""
        return sum(map(len, self._waiting.values()))

    async def run(self, client: str | None, work: Callable[[], Made]) -> Made:
        """Let a thread do some work when it is its client's turn, and return what that returns."""
        loop = asyncio.get_running_loop()
        if self._free:
            self._free -= 1
        else:
            turn = loop.create_future()
            self._waiting.setdefault(client, deque()).append(turn)
            await turn
        try:
            return await loop.run_in_executor(self._executor, work)
        finally:
            if not self._waiting:
                self._free += 1
            else:  # the thread is for the next client, which then waits for all others
                following, turns = self._waiting.popitem(last=False)
                turns.popleft().set_result(None)
                if turns:
                    self._waiting[following] = turns
