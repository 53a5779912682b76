"""Reading pictures and tables wherever they lie: whole, of limited size, many at the same time."""

from __future__ import annotations

import errno
import io
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import IO

from anime_pipeline.core.errors import DataError, NotAFileError
from anime_pipeline.core.files import in_units, open_regular, read_regular
from anime_pipeline.core.machine import usable_cores
from anime_pipeline.data.sources import remote
from anime_pipeline.data.sources.places import Place, Remote

FETCHED_AT_ONCE = 16  # requests of one thread, where the store's package sends several at a time
FETCHING_THREADS = 8  # as these wait more than they decode
_FETCHED_BYTES = 2**26  # at once; one larger picture is fetched alone


def read(place: Place, most_bytes: int) -> bytes:
    """Read a picture or a table.

    Raises:
        NotAFileError: If it is larger, or no regular file.
        OSError: If it cannot be read.
    """
    if not isinstance(place, Remote):
        return read_regular(place, most_bytes)
    content = _fetch([place], most_bytes)[0] if place.is_far else _of_tar(place, most_bytes)
    if isinstance(content, OSError):
        raise content
    return content


def read_each(places: Sequence[Place], most_bytes: int) -> Iterator[bytes | OSError]:
    """Yield the content of pictures, or why one cannot be read; those of stores several at a time.

    Raises:
        DataError: If a store gives nothing at all of what is asked for.
    """
    waiting: list[Remote] = []
    expected = 0
    for place in places:
        if isinstance(place, Remote) and place.is_far:
            size = place.span[1] or 0
            if waiting and (len(waiting) == FETCHED_AT_ONCE or expected + size > _FETCHED_BYTES):
                yield from _fetch_several(waiting, most_bytes)
                waiting, expected = [], 0
            waiting.append(place)
            expected += size
            continue
        yield from _fetch_several(waiting, most_bytes)
        waiting, expected = [], 0
        try:
            yield read(place, most_bytes)
        except OSError as error:
            yield error
    yield from _fetch_several(waiting, most_bytes)


def openers(places: Sequence[Place], most_bytes: int) -> Iterator[Callable[[], IO[bytes]]]:
    """Yield for each picture what opens it to look at its header; it raises `OSError` if it cannot.

    Of a file on this machine no more is read than is asked for; others are fetched whole.
    """
    if places and isinstance(places[0], Remote):
        for content in read_each(places, most_bytes):
            yield partial(_as_file, content)
    else:
        for place in places:
            yield partial(open_place, place, most_bytes)


def open_place(place: Place, most_bytes: int) -> IO[bytes]:
    """Open a picture, as `read` reads it."""
    return open_regular(place) if isinstance(place, Path) else io.BytesIO(read(place, most_bytes))


def _as_file(content: bytes | OSError) -> IO[bytes]:
    if isinstance(content, OSError):
        raise content
    return io.BytesIO(content)


def threads_for(places: Sequence[Place], workers: int = 0) -> int:
    """Return how many threads read and decode pictures: more where they wait for a store."""
    ends = (places[0], places[-1]) if places else ()
    far = any(isinstance(place, Remote) and place.is_far for place in ends)
    return workers or max(usable_cores(), FETCHING_THREADS if far else 1)


def _fetch_several(places: Sequence[Remote], most_bytes: int) -> list[bytes | OSError]:
    if not places:
        return []
    found = _fetch(places, most_bytes)
    errors = [each for each in found if isinstance(each, remote.UnreadableError)]
    if len(found) > 1 and len(errors) == len(found):
        raise DataError(
            f"{places[0]} cannot be read ({errors[0].strerror}), nor can the {len(found) - 1} "
            "pictures behind it. Check the connection and the credentials, then run the same "
            "command again: it goes on where it was."
        )
    return found


def _fetch(places: Sequence[Remote], most_bytes: int) -> list[bytes | OSError]:
    found: list[bytes | OSError] = [b""] * len(places)
    spans: dict[int, tuple[str, int, int]] = {}
    for number, place in enumerate(places):
        start, size = place.span
        if size is not None and size > most_bytes:
            found[number] = _too_large(size, most_bytes)
        elif size != 0:
            end = start + (most_bytes + 1 if size is None else size)
            spans[number] = (place.tar or str(place), start, end)
    if spans:
        for number, content in zip(spans, remote.fetch(list(spans.values())), strict=True):
            found[number] = _checked(places[number], content, most_bytes)
    return found


def _checked(place: Remote, content: bytes | OSError, most_bytes: int) -> bytes | OSError:
    size = place.span[1]
    if isinstance(content, OSError) or len(content) == size:
        return content
    if size is None:
        too_large = len(content) > most_bytes
        return _too_large(len(content), most_bytes) if too_large else content
    reason = f"{len(content)} bytes came of {size}; it was changed, or the connection broke"
    return remote.UnreadableError(errno.EIO, reason, str(place))


def _of_tar(place: Remote, most_bytes: int) -> bytes | OSError:
    start, size = place.span
    if size is None or size > most_bytes:
        return _too_large(size or 0, most_bytes)
    with open_regular(Path(place.tar or "")) as file:
        file.seek(start)
        content = file.read(size)
    return _checked(place, content, most_bytes)


def _too_large(size: int, most_bytes: int) -> NotAFileError:
    return NotAFileError(errno.EFBIG, f"{in_units(size)}, where {in_units(most_bytes)} are read")
