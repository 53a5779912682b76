"""Memory that is free goes back to the system, where the C library is glibc (see its mallopt)."""

from __future__ import annotations

import contextlib
import ctypes

# Of malloc.h.
M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8
LARGE_BYTES, ARENAS = 1_000_000, 2


def give_memory_back() -> None:
    """Let large pieces of memory go back when they are free.

    Glibc would begin to keep pieces of up to 32 MB once it has seen some freed, in an arena for
    each of many threads: 1,050 MB in place of 600 after the same hundreds of uploads.
    """
    with contextlib.suppress(OSError, AttributeError, TypeError):  # another C library, or Windows
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_MMAP_THRESHOLD, LARGE_BYTES)
        mallopt(M_ARENA_MAX, ARENAS)
