"""Keeping a few things that took long to load."""

from __future__ import annotations

import threading
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from typing import Any, Generic, TypeVar

Loaded = TypeVar("Loaded")


class LeastRecentlyUsed(Generic[Loaded]):
    """A few loaded things by key; the one not asked for longest makes room for a new one."""

    def __init__(self, kept: int) -> None:
        self._kept = kept
        self._items: OrderedDict[Any, Loaded] = OrderedDict()
        self._lock = threading.Lock()
        self._loading: defaultdict[Any, threading.Lock] = defaultdict(threading.Lock)

    def get(self, key: Any, load: Callable[[], Loaded]) -> Loaded:
        """Return what is kept under `key`, loaded first where it is new."""
        with self._lock:
            if key in self._items:
                self._items.move_to_end(key)
                return self._items[key]
            loading = self._loading[key]
        # Two requests for a new model must not load it twice, nor keep others from the known ones.
        with loading:
            with self._lock:
                if key in self._items:
                    return self._items[key]
            try:
                found = load()
            finally:
                with self._lock:
                    self._loading.pop(key, None)
            with self._lock:
                self._items[key] = found
                while len(self._items) > self._kept:
                    self._items.popitem(last=False)
            return found

    def peek(self, key: Any) -> Loaded | None:
        """Return what is kept under `key`, or None."""
        with self._lock:
            return self._items.get(key)
