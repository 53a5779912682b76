"""Looking at the headers of many files without being kept for minutes by one.

Their parsers are Python, chunk by chunk, so that Ctrl-C ends them; a limit of time suffices, and no
process of their own (`images.decoding`) need be asked for each of ten thousand files.
"""

from __future__ import annotations

import time
from typing import IO, Any, cast

from PIL import Image

from anime_pipeline.core.errors import DataError

HEADER_CPU_S = 10.0  # of one thread; good files take milliseconds, a GIF of 10,000 frames a second


class _Timed:
    """A file that can be read from for a limited time."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._until_s = time.thread_time() + HEADER_CPU_S

    def read(self, size: int = -1) -> bytes:
        if time.thread_time() > self._until_s:
            raise DataError(f"its header took more than {HEADER_CPU_S:g} s of processor time")
        return self._file.read(size)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def timed(file: IO[bytes]) -> IO[bytes]:
    """Return a file that a parser can read from for no more than `HEADER_CPU_S`.

    It then raises `DataError`.
    """
    return cast(IO[bytes], _Timed(file))


def open_header(file: IO[bytes], formats: list[str] | None = None) -> Image.Image:
    """Read a picture's header, by Pillow's `Image.open`, in limited time."""
    return Image.open(timed(file), formats=formats)
