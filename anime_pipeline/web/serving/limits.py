"""How much one client may ask for, with the sliding window of the `limits` library."""

from __future__ import annotations

import ipaddress
import time

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from anime_pipeline.web.serving.problems import Problem
from anime_pipeline.web.serving.settings import Settings

IPV6_NETWORK = 64  # one customer has at least that many addresses


class ClientLimits:
    """Counts faces and uploads of each client over the last minute."""

    def __init__(self, settings: Settings) -> None:
        # Counters, which are forgotten in time: a list for each client would be kept for ever.
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._faces = _per_minute(settings.rate_limit)
        self._uploads = _per_minute(settings.upload_rate_limit)

    def count_faces(self, address: str | None, count: int) -> None:
        """Count faces that are about to be drawn.

        Raises:
            Problem: 429 if that is too many.
        """
        self._count(self._faces, "faces", address, count)

    def count_upload(self, address: str | None) -> None:
        """Count an upload; see `count_faces`."""
        self._count(self._uploads, "uploads", address, 1)

    def _count(
        self, item: RateLimitItemPerMinute | None, what: str, address: str | None, cost: int
    ) -> None:
        client = client_of(address)
        if item is None or client is None:
            return
        # A single request may be larger than the whole limit: it then uses it up.
        if self._limiter.hit(item, what, client, cost=min(cost, item.amount)):
            return
        reset, _ = self._limiter.get_window_stats(item, what, client)
        raise Problem(
            429,
            f"More than {item.amount} {what} in a minute. Wait a little.",
            retry_after_s=max(1.0, reset - time.time()),
        )


def client_of(address: str | None) -> str | None:
    """Return what stands for a client; None for one on this machine, which has no limit."""
    try:
        found = ipaddress.ip_address(address or "")
    except ValueError:
        return address or "unknown"
    if found.is_loopback:
        return None
    if found.version == 6:
        mapped = found.ipv4_mapped
        if mapped:
            return client_of(str(mapped))
        return str(ipaddress.ip_network((found, IPV6_NETWORK), strict=False))
    return str(found)


def _per_minute(amount: int) -> RateLimitItemPerMinute | None:
    return RateLimitItemPerMinute(amount) if amount else None
