"""How long work speaks to people: by small callables of whoever asked for it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeVar

Item = TypeVar("Item")
Say = Callable[[str], None]  # takes a message
Progress = Callable[[int, int], None]  # takes (done, total)
Show = Callable[[str], AbstractContextManager[Progress]]  # takes what is being done


def ignored(*_: object) -> None:
    """Take a message or a progress of which nobody wants to know."""


@contextmanager
def unseen(*_: Any) -> Iterator[Callable[..., None]]:
    """Show nothing."""
    yield ignored


def counted(items: Sequence[Item], progress: Progress) -> Iterator[Item]:
    """Yield items, and tell after each how many are done."""
    for done, item in enumerate(items, start=1):
        yield item
        progress(done, len(items))


def batches(count: int, size: int, progress: Progress = ignored) -> Iterator[slice]:
    """Yield the places of `count` items in batches, and tell after each how many are done."""
    for start in range(0, count, size):
        stop = min(start + size, count)
        yield slice(start, stop)
        progress(stop, count)
