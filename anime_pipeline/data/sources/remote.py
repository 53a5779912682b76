"""Object stores and whatever else fsspec opens: listed with the state of each object, and read.

The only module that knows fsspec, which is an extra: `pip install 'anime-pipeline[remote]'`, and
the package of the store, such as s3fs or gcsfs.
"""

from __future__ import annotations

import errno
import functools
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO, Any

from anime_pipeline.core.errors import UsageError

EXTRA = "pip install 'anime-pipeline[remote]'"

# What tells an object from another of the same name and size: the first that a store gives.
_STATES = (
    *("ETag", "etag", "md5Hash", "md5", "checksum", "generation", "crc32c", "blob_id"),
    *("version_id", "mtime", "LastModified", "last_modified", "updated", "modificationTime"),
    *("modify", "created"),
)
_BLOCK_BYTES = 2**22  # read at once while the headers of a tar are looked for
# A message may quote the request, and a request may be signed.
_SECRET = re.compile(r"\?\S+|(?<=//)[^/\s@]+@")


class UnreadableError(OSError):
    """What a store did not give, and why."""


def list_objects(address: str) -> tuple[list[tuple[str, Mapping[str, Any]]], list[OSError]]:
    """List what lies at and below an address.

    Returns:
        The path of each object below it, empty for one that is there itself, with what the store
        tells of it; and why folders could not be listed.

    Raises:
        UnreadableError: If the store cannot be reached or listed; says where and why.
        UsageError: If a package is missing.
    """
    errors: list[OSError] = []
    with _in_words(address):
        files, path = _opened(address)
        files.invalidate_cache()
        options = {} if _has_own_find(files) else {"on_error": errors.append}
        found = files.find(path, detail=True, **options)
        if not found:
            if errors:
                raise errors[0]
            files.info(path)  # tells an empty folder from none
        if path in found:
            found[path] = files.info(path)
    objects = [(name.removeprefix(path).strip("/"), info) for name, info in found.items()]
    return [each for each in objects if each[1].get("type") == "file"], errors


def list_folder(address: str) -> list[tuple[str, Mapping[str, Any]]]:
    """List the objects that lie in a folder, not those further below, as `list_objects` does."""
    with _in_words(address):
        files, path = _opened(address)
        found = files.ls(path, detail=True)
    return [(info["name"].rpartition("/")[2], info) for info in found if info.get("type") == "file"]


def look_up(address: str) -> Mapping[str, Any]:
    """Return what a store tells of one object.

    Raises:
        UnreadableError: If it is not there, or cannot be asked.
    """
    with _in_words(address):
        files, path = _opened(address)
        files.invalidate_cache()
        found: Mapping[str, Any] = files.info(path)
        return found


def state_of(info: Mapping[str, Any]) -> tuple[int | None, str]:
    """Return an object's size, if the store tells it, and a short text that changes with it."""
    size = info.get("size")
    state = next((f"{key} {info[key]}" for key in _STATES if info.get(key) is not None), "")
    known = int(size) if isinstance(size, int | float) and size >= 0 else None
    return known, hashlib.sha256(state.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def fetch(spans: Sequence[tuple[str, int, int]]) -> list[bytes | UnreadableError]:
    """Read parts of objects, at the same time where the store's package can.

    Args:
        spans: Addresses in one store, with the first byte and the one behind the last.

    Returns:
        What was read, or why it was not, in the same order.
    """
    first = spans[0][0]
    try:
        with _in_words(first):
            files, _ = _opened(first)
            paths = [files._strip_protocol(address) for address, *_ in spans]
            starts, ends = ([span[side] for span in spans] for side in (1, 2))
            found = files.cat_ranges(paths, starts, ends, on_error="return")
    except UnreadableError as error:
        return [error] * len(spans)
    pairs = zip(found, spans, strict=True)
    return [
        _unreadable(address, each) if isinstance(each, BaseException) else bytes(each)
        for each, (address, *_) in pairs
    ]


class Reader:
    """An object that is open to be looked around in; errors of its store are told in words."""

    def __init__(self, address: str, file: IO[bytes]) -> None:
        self._address, self._file = address, file

    def read(self, size: int) -> bytes:
        """Read on from where it is."""
        with _in_words(self._address):
            return self._file.read(size)

    def seek(self, place: int) -> int:
        """Go to a byte, counted from the start."""
        with _in_words(self._address):
            return self._file.seek(place)

    def tell(self) -> int:
        """Return where it is."""
        return self._file.tell()


@contextmanager
def opened(address: str) -> Iterator[Reader]:
    """Open an object to look around in it.

    Raises:
        UnreadableError: If it cannot be opened.
    """
    with _in_words(address):
        files, path = _opened(address)
        file = files.open(path, "rb", block_size=_BLOCK_BYTES, cache_type="readahead")
    with file:
        yield Reader(address, file)


@functools.lru_cache(maxsize=16)
def _filesystem(base: str) -> Any:
    try:
        from fsspec.core import url_to_fs
    except ModuleNotFoundError:
        raise UsageError(f"{base} needs the package fsspec. Install it: {EXTRA}.") from None
    try:
        return url_to_fs(base)[0]
    except ImportError as error:  # "Install s3fs to access S3"
        packages = re.findall(r"[Ii]nstall (\w+)", str(error))
        command = " ".join([EXTRA, *packages[:1]])
        raise UsageError(
            f"{base} cannot be opened: {error}. Install what it needs: {command}."
        ) from None
    except ValueError as error:  # of an unknown protocol
        raise UsageError(f"{base} cannot be opened: {error}. Check how it begins.") from None


def _opened(address: str) -> tuple[Any, str]:
    """Return the file system of an address and the path that it has there."""
    scheme, _, rest = address.partition("://")
    # By the store, not by the object: its key may hold anything, as what fsspec reads as a chain.
    files = _filesystem(f"{scheme}://{rest.partition('/')[0]}")
    return files, files._strip_protocol(address)


def _has_own_find(files: Any) -> bool:
    """Tell whether a store lists all at once; others go from folder to folder and omit errors."""
    from fsspec import AbstractFileSystem
    from fsspec.asyn import AsyncFileSystem

    if isinstance(files, AsyncFileSystem):
        return type(files)._find is not AsyncFileSystem._find
    return type(files).find is not AbstractFileSystem.find


@contextmanager
def _in_words(address: str) -> Iterator[None]:
    """Turn whatever a store's package raises, which may be anything, into one kind of error."""
    try:
        yield
    except (UsageError, UnreadableError):
        raise
    except Exception as error:
        raise _unreadable(address, error) from None


def _unreadable(address: str, error: BaseException) -> UnreadableError:
    lines = str(error).strip().splitlines() or [""]
    said = _SECRET.sub("", lines[0])[:200]
    if isinstance(error, FileNotFoundError):
        reason = "nothing is there"
    elif isinstance(error, PermissionError):
        reason = f"not permitted: {said}" if said else "not permitted"
    elif isinstance(error, TimeoutError):
        reason = "the store did not answer in time"
    else:
        reason = f"{type(error).__name__}: {said}"
    # Not ENOENT: a file that is gone is known by its set's key, and an object is not asked again.
    return UnreadableError(errno.EIO, reason, address)
