"""How long work speaks to people: by small callables of whoever asked for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

Say = Callable[[str], None]  # takes a message
# Takes what is being done, and gives a function that takes (done, total).
Show = Callable[[str], AbstractContextManager[Callable[[int, int], None]]]


@contextmanager
def unseen(*_: Any) -> Iterator[Callable[..., None]]:
    """Show nothing."""
    yield lambda *_: None
