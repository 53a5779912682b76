"""What replicas share in a Redis or Valkey; while it cannot be reached, each goes on by itself."""

from __future__ import annotations

import importlib
import logging
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

from limits import RateLimitItemPerMinute
from limits.storage import RedisStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from anime_pipeline.core.errors import PipelineError

LOG = logging.getLogger(__name__)

KEYS = "anime-pipeline"  # what all keys begin with
# Of each question, which stands between a client and its answer.
PATIENCE_S = 0.25
# After a loss one request in that time asks whether it is back; no other waits for it.
AGAIN_S = 5.0
START_S = 3.0  # in which it must be reached when the server starts

Told = TypeVar("Told")


class Shared:
    """A storage that all replicas ask.

    Attributes:
        limiter: Counts there.
        redis: Its client.
        reached: Whether it answered when it was last asked.
    """

    def __init__(self, url: str) -> None:
        """Connect, and see whether it does what is needed.

        Args:
            url: As `Settings.rate_limit_storage` has it.

        Raises:
            PipelineError: If it cannot be used; says why, without the password.
        """
        try:
            library = importlib.import_module("redis")
        except ImportError:
            raise PipelineError(
                f"The storage {without_password(url)} of --rate-limit-storage needs the package "
                "redis, which is not installed. Install it (pip install "
                "'anime-pipeline[replicas]'), or leave the option out."
            ) from None
        # By itself the client would try four times.
        once = library.retry.Retry(library.backoff.NoBackoff(), 0)
        pool = library.ConnectionPool.from_url(
            url, socket_timeout=PATIENCE_S, socket_connect_timeout=PATIENCE_S, retry=once
        )
        self.redis: Any = library.Redis(connection_pool=pool)
        storage = RedisStorage(url, connection_pool=pool, key_prefix=KEYS)
        self.limiter = SlidingWindowCounterRateLimiter(storage)
        self.reached = True
        self._error: type[Exception] = library.RedisError
        self._lock = threading.Lock()
        self._again = 0.0
        self._reach(url)

    def _reach(self, url: str) -> None:
        until = time.monotonic() + START_S
        while True:
            try:
                self.limiter.hit(RateLimitItemPerMinute(1), "start")
                return
            except self._error as error:
                if time.monotonic() > until:
                    raise PipelineError(
                        f"The storage {without_password(url)} of --rate-limit-storage cannot be "
                        f"used: {_one_line(error)}. Start it, correct the address, or leave the "
                        "option out."
                    ) from None
            time.sleep(PATIENCE_S)

    def ask(self, work: Callable[[], Told], otherwise: Callable[[], Told]) -> Told:
        """Return what `work` tells, which asks the storage; while that fails, of `otherwise`."""
        if not self._is_to_be_asked():
            return otherwise()
        try:
            told = work()
        except self._error as error:
            self._note(False, f"no longer: {_one_line(error)}. Each replica counts for itself")
            return otherwise()
        self._note(True, "again")
        return told

    def _is_to_be_asked(self) -> bool:
        with self._lock:
            now = time.monotonic()
            if not self.reached and now < self._again:
                return False
            if not self.reached:
                self._again = now + AGAIN_S
            return True

    def _note(self, reached: bool, words: str) -> None:
        """Note whether it answered, and log it if that has changed."""
        with self._lock:
            if reached == self.reached:
                return
            self.reached, self._again = reached, time.monotonic() + AGAIN_S
        LOG.warning("Rate limits are shared %s.", words)


def without_password(url: str) -> str:
    """Return as much of an address as anybody may read."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")
