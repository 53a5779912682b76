"""Work on all cores whose results come in order, a few at a time, so that memory stays small.

Threads are enough where OpenCV and NumPy do the work: both free Python's lock, and processes would
have to start, import both anew and be stopped.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from anime_pipeline.core.machine import usable_cores

Item = TypeVar("Item")
Result = TypeVar("Result")

_AHEAD = 2  # tasks a worker, under way or done and waiting for their turn


@contextmanager
def in_order(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int = 0
) -> Iterator[Iterator[Result]]:
    """Give the results of `function` for all items, in the items' order.

    Leaving the context drops what has not begun and waits for the rest; not at Ctrl-C, as a file
    may keep a decoder for minutes, and Python cannot end a thread.

    Args:
        function: Called in worker threads.
        items: Taken as needed.
        workers: Number of threads; 0: as many as this process may use cores.
    """
    workers = workers or usable_cores()
    pool = ThreadPoolExecutor(workers)
    wait = True

    def results() -> Iterator[Result]:
        waiting: deque[Future[Result]] = deque()
        for item in items:
            if len(waiting) == _AHEAD * workers:
                yield waiting.popleft().result()
            waiting.append(pool.submit(function, item))
        while waiting:
            yield waiting.popleft().result()

    try:
        yield results()
    except KeyboardInterrupt:
        wait = False
        raise
    finally:
        pool.shutdown(wait=wait, cancel_futures=True)
