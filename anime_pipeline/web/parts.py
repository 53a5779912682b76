"""Pictures that are cut into hundreds of thousands of parts, each of which costs a parser time.

A few bytes make a part, so that a file of allowed size could keep a thread busy for seconds before
anything is known about it.
"""

from __future__ import annotations

import io

MOST_READS = 50_000  # a tenth of a second; headers of good files take some hundred
MOST_CHUNKS = 10_000  # an encoder that writes 4 kB at a time makes 2,000 of the largest upload
PNG_BEGIN, PNG_FRAME = 8, 12  # bytes before the first chunk, and around each chunk's content


class TooManyPartsError(Exception):
    """A parser has read too often; none of those that it turns into an answer of its own."""


class FewReads(io.BytesIO):
    """A file in memory that can be read from a limited number of times."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self._left = MOST_READS

    def read(self, size: int | None = -1, /) -> bytes:
        """Read as any file does.

        Raises:
            TooManyPartsError: If that was done too often.
        """
        self._left -= 1
        if self._left < 0:
            raise TooManyPartsError
        return super().read(size)


def has_many_chunks(png: bytes) -> bool:
    """Tell whether a PNG file has more than `MOST_CHUNKS`, looking only at where they begin."""
    place, count = PNG_BEGIN, 0
    while place < len(png):
        count += 1
        if count > MOST_CHUNKS:
            return True
        place += PNG_FRAME + int.from_bytes(png[place : place + 4])
    return False
