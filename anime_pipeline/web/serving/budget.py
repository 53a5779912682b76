"""Bytes that may be in memory at once for what clients send or do not fetch."""

from __future__ import annotations

import threading
from collections import Counter


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
            client: Who for, see `limits.client_of`; None for one without a share of its own.
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
