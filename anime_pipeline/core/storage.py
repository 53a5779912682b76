"""Files that survive: one atomic write for everything.

A write goes to a temporary file in the same folder, is flushed to disk and renamed over the target
(POSIX rename is atomic), then the folder itself is flushed. A reader sees the old or the new file.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from anime_pipeline.core.errors import UsageError

TEMPORARY_SUFFIX = ".partial"

# The umask can only be read by setting it (so: once, at import); without it mkstemp's 0600 would
# hide results from the user's group.
_UMASK = os.umask(0o022)
os.umask(_UMASK)


def atomic_write(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write a file so that a crash at any moment leaves the old file or the new one.

    Args:
        path: Target; its folder is made if missing.
        write: Called with a binary file object; whatever it writes becomes the file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=TEMPORARY_SUFFIX)
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_UMASK)
        os.replace(temporary, path)
    except BaseException as error:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        if isinstance(error, OSError) and str(error.filename or temporary) == temporary:
            # A full disk names no file by itself, and a failed rename the temporary one.
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise
    fsync_folder(path.parent)


def fsync_folder(folder: Path) -> None:
    """Flush a folder's entries, so that a rename in it survives power loss."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def fsync_tree(path: Path) -> None:
    """Flush a file, or a folder with all that lies below it."""
    for each in (path, *path.rglob("*")) if path.is_dir() else (path,):
        fsync_folder(each)


@contextlib.contextmanager
def folder_locked(folder: Path) -> Iterator[None]:
    """Hold a folder to oneself while a file in it is read, changed and written back."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)  # which lets go of the lock


def atomic_write_bytes(path: Path, content: bytes) -> None:
    """Write bytes atomically."""
    atomic_write(path, lambda file: file.write(content))


def atomic_write_text(path: Path, content: str) -> None:
    """Write UTF-8 text atomically; bytes of file names that are no UTF-8 are written escaped."""
    atomic_write_bytes(path, content.encode("utf-8", "backslashreplace"))


def atomic_write_json(path: Path, document: Any) -> None:
    """Write a JSON document atomically, indented for people."""
    try:
        text = json.dumps(document, indent=2, ensure_ascii=False)
        text.encode("utf-8")
    except UnicodeEncodeError:
        text = json.dumps(document, indent=2)  # names that are no UTF-8 must be read back exactly
    atomic_write_text(path, text + "\n")


def sweep_temporaries(folder: Path, older_than_s: float = 0.0) -> None:
    """Delete what killed writers left below `folder`.

    Args:
        folder: A folder whose lock is held, or a shared one.
        older_than_s: In a shared folder, how old a file must be to belong to no living writer.
    """
    for path in folder.rglob(f"*{TEMPORARY_SUFFIX}"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime >= older_than_s:
                path.unlink()


def expand_user(path: Path) -> Path:
    """Expand a leading ``~``.

    Raises:
        UsageError: If there is no such user.
    """
    try:
        return path.expanduser()
    except RuntimeError:
        raise UsageError(
            f"{path}: there is no such user's folder on this machine. Check the name after ~."
        ) from None


def sha256_of(path: Path) -> str:
    """Return the hex sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def cache_folder() -> Path:
    """Return the folder of what can be made again: $ANIME_PIPELINE_CACHE or the user's cache."""
    explicit = os.environ.get("ANIME_PIPELINE_CACHE")
    if explicit:
        return Path(explicit)
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "anime-pipeline"
