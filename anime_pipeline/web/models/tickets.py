"""How far uploads are, under names that their senders chose; each replica tells it of all."""

from __future__ import annotations

import json
import threading

from cachetools import LRUCache

from anime_pipeline.web.errors import Problem
from anime_pipeline.web.models.jobs import LongJob, nothing
from anime_pipeline.web.serving.shared import KEYS, Shared

KEPT_TICKETS = 200
KEPT_S = 600  # in a shared storage, after something was last told


class Tickets:
    """Keeps the latest uploads by their names.

    Where replicas share a storage, a sender's questions may come to another one than its picture.
    It is told there what `tell` has noted last; that an upload is given up is noted for the one
    that is at work on it, which looks when it tells the next time.
    """

    def __init__(self, shared: Shared | None = None) -> None:
        self._shared = shared
        self._found: LRUCache[str, LongJob] = LRUCache(KEPT_TICKETS)
        self._lock = threading.Lock()

    def open(self, name: str | None) -> LongJob:
        """Begin an upload; without a name nobody can ask for it.

        Raises:
            Problem: 409 if the name is in use.
        """
        job = LongJob(nothing)
        if name is None:
            return job
        with self._lock:
            known = self._found.get(name)
        known = known or self._elsewhere(name)
        with self._lock:
            known = self._found.get(name, known)
            if known and known.state != "done":
                raise Problem(409, f"The ticket {name!r} is in use. Choose another.")
            self._found[name] = job
        if shared := self._shared:
            shared.ask(lambda: shared.redis.delete(_given_up(name)), lambda: None)
        self.tell(name, job)
        return job

    def get(self, name: str) -> LongJob:
        """Return an upload, or how far it was when another replica told of it last.

        Raises:
            Problem: 404 if it is unknown.
        """
        with self._lock:
            found = self._found.get(name)
        found = found or self._elsewhere(name)
        if found is None:
            raise Problem(404, f"No upload has the ticket {name[:64]!r}. Check its name.")
        return found

    def cancel(self, name: str) -> None:
        """Give an upload up.

        Raises:
            Problem: 404 if it is unknown.
        """
        self.get(name).future.cancel()
        shared = self._shared
        with self._lock:
            elsewhere = name not in self._found
        if shared and elsewhere:
            shared.ask(lambda: shared.redis.set(_given_up(name), 1, ex=KEPT_S), lambda: None)

    def tell(self, name: str | None, job: LongJob) -> None:
        """Let the other replicas know how far an upload is, and learn whether it is given up."""
        shared = self._shared
        if shared is None or name is None:
            return
        text = json.dumps({"state": job.state, "done": job.done, "total": job.total})

        def exchange() -> bool:
            both = shared.redis.pipeline(transaction=False)
            both.set(_key(name), text, ex=KEPT_S).get(_given_up(name))
            return both.execute()[1] is not None

        if shared.ask(exchange, lambda: False):
            job.future.cancel()

    def _elsewhere(self, name: str) -> LongJob | None:
        shared = self._shared
        text = shared and shared.ask(lambda: shared.redis.get(_key(name)), lambda: None)
        return LongJob(nothing, **json.loads(text)) if text else None


def _key(name: str) -> str:
    return f"{KEYS}:upload:{name}"


def _given_up(name: str) -> str:
    return f"{_key(name)}:given-up"
