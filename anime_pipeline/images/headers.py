"""Looking at the headers of many files without being kept for minutes by one.

Their parsers are Python, chunk by chunk, so that Ctrl-C ends them; a limit of time suffices, and no
process of their own (`images.decoding`) need be asked for each of ten thousand files.
"""

import os
import time
from collections.abc import Sequence
from typing import IO, Any, cast

from PIL import Image, features

from anime_pipeline.core.errors import DataError
from anime_pipeline.core.files import in_units

# The only formats that are tried. Of Pillow's others some start programs (EPS), and some decode
# while their header is read (ICO).
KNOWN = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "DIB", "TIFF", "PPM") + (
    ("AVIF",) if features.check("avif") else ()
)
# Read whole by their decoders, when they are opened. So large no picture is that we take.
MOST_WHOLE_BYTES = 2**28
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


def open_header(file: IO[bytes], formats: Sequence[str] = KNOWN) -> Image.Image:
    """Read a picture's header, by Pillow's `Image.open`, in limited time and memory.

    Raises:
        DataError: If it takes longer, or the file is too large to be looked at.
        UnidentifiedImageError: If it is in none of the formats.
    """
    start = file.read(12)
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if size > MOST_WHOLE_BYTES and (start[8:] == b"WEBP" or start[4:8] == b"ftyp"):
        raise DataError(f"it is {in_units(size)}, which no picture of this kind needs")
    return Image.open(timed(file), formats=list(formats))
