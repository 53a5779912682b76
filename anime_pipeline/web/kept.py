"""Keeping a few things that took long to load."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from cachetools import LRUCache, cached

Loaded = TypeVar("Loaded")


class LeastRecentlyUsed(Generic[Loaded]):
    """A few loaded things by key; the one not asked for longest makes room for a new one."""

    def __init__(self, kept: int) -> None:
        self._items: LRUCache[Any, Loaded] = LRUCache(kept)
        self._loaded = threading.Condition()
        # Two requests for a new model do not load it twice, nor keep others from the known ones.
        self._get = cached(self._items, key=lambda key, _: key, condition=self._loaded)(_load)

    def get(self, key: Any, load: Callable[[], Loaded]) -> Loaded:
        """Return what is kept under `key`, loaded first where it is new."""
        found: Loaded = self._get(key, load)
        return found

    def peek(self, key: Any) -> Loaded | None:
        """Return what is kept under `key`, or None."""
        with self._loaded:
            return self._items.get(key)


def _load(_: Any, load: Callable[[], Any]) -> Any:
    return load()
