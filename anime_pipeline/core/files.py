"""Opening files that others may have put there: regular ones only, of a known size.

A pipe, a device or a socket under a file's name would keep a program waiting for ever, and a
symbolic link would lead it out of the folder that it was told to work in.
"""

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path
from typing import IO

from anime_pipeline.core import platform
from anime_pipeline.core.errors import NotAFileError

MAX_PICTURE_BYTES = 2**30  # the largest picture taken, at 8 bytes a pixel, without compression
MAX_DOCUMENT_BYTES = 2**20  # of a configuration, or of what a run warned of
MAX_LIST_BYTES = 2**29  # of a manifest: a million faces take half of it

_READ = os.O_RDONLY | platform.O_NONBLOCK | platform.O_CLOEXEC | platform.O_BINARY
_WRITE = _READ | os.O_RDWR | os.O_CREAT | platform.O_NOFOLLOW
_FOLDER = os.O_RDONLY | platform.O_DIRECTORY | platform.O_CLOEXEC

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
_A_LINK = "not a regular file but a symbolic link"


def open_regular(path: Path, follow: bool = True) -> BufferedReader:
    """Open a file to read, without ever waiting for one that is none.

    Args:
        path: The file.
        follow: Whether a symbolic link may lead to it.

    Raises:
        NotAFileError: If something else is there, saying what.
        OSError: If it cannot be opened.
    """
    # Before it is opened too: opening alone sets some devices in motion.
    _require_regular(path.stat() if follow else path.lstat(), path)
    flags = _READ if follow else _READ | platform.O_NOFOLLOW
    return os.fdopen(_open(path, flags), "rb")


def open_inside(folder: Path, *parts: str) -> BufferedReader:
    """Open a file below a folder to read; below the folder no link is followed, wherever it leads.

    Raises:
        NotAFileError: If it is a link or no regular file, saying what.
        OSError: If it cannot be opened.
    """
    place = folder
    if not platform.OPENS_WITHIN_FOLDERS:
        for name in parts[:-1]:
            place /= name
            _require_no_link(place.lstat(), place)
        return open_regular(place / parts[-1], follow=False)
    within = os.open(folder, _FOLDER)
    try:
        for name in parts[:-1]:
            place /= name
            _require_no_link(os.stat(name, dir_fd=within, follow_symlinks=False), place)
            inner = os.open(name, _FOLDER | platform.O_NOFOLLOW, dir_fd=within)
            os.close(within)
            within = inner
        place /= parts[-1]
        _require_regular(os.stat(parts[-1], dir_fd=within, follow_symlinks=False), place)
        return os.fdopen(_open(place, _READ | platform.O_NOFOLLOW, within), "rb")
    finally:
        os.close(within)


def read_regular(path: Path, most_bytes: int, follow: bool = True) -> bytes:
    """Read a whole file of limited size.

    Raises:
        NotAFileError: If it is no regular file, or larger.
        OSError: If it cannot be read.
    """
    with open_regular(path, follow) as file:
        return read_at_most(file, most_bytes)


def read_at_most(file: IO[bytes], most_bytes: int) -> bytes:
    """Read an open file to its end, refusing one that is larger before reading any of it."""
    size = os.fstat(file.fileno()).st_size
    _require_at_most(size, most_bytes)
    # Python sets aside as many bytes as are asked for, so what it says it holds, and one more.
    content = file.read(size + 1)
    if len(content) > size:  # it grows, or is of a kind that tells no size
        content += file.read(most_bytes + 1 - len(content))
    _require_at_most(len(content), most_bytes)
    return content


def _require_at_most(size: int, most_bytes: int) -> None:
    if size > most_bytes:
        raise NotAFileError(errno.EFBIG, f"{in_units(size)}, where {in_units(most_bytes)} are read")


def append_line(path: Path, line: str) -> None:
    """Add a line to a log and flush it to disk; a link in its place is refused.

    Raises:
        NotAFileError: If something else than a regular file is there.
    """
    with os.fdopen(_open(path, _WRITE | os.O_APPEND), "ab") as file:
        file.write(line.encode("utf-8", "backslashreplace") + b"\n")
        file.flush()
        os.fsync(file.fileno())


def open_lock(path: Path) -> IO[bytes]:
    """Open a file to be locked, made if missing; nothing is ever written to it.

    Raises:
        NotAFileError: If something else than a regular file is there.
    """
    return os.fdopen(_open(path, _WRITE), "r+b")


def require_regular_if_there(path: Path) -> None:
    """Refuse a link, a pipe or a folder where a file of ours is read and written anew.

    Raises:
        NotAFileError: Saying what is there.
    """
    if os.path.lexists(path):
        _require_regular(path.lstat(), path)


def what_is_wrong(path: Path) -> str | None:
    """Say in a few words why a path cannot be read as a picture, or return None; nothing is opened.

    For walks over folders: one file that is none is passed over and named, see `NotAFileError`.
    """
    try:
        status = path.stat()
        _require_regular(status, path)
        _require_at_most(status.st_size, MAX_PICTURE_BYTES)
    except NotAFileError as error:
        return str(error.strerror)
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return None


def in_units(count: int) -> str:
    """Return a number of bytes as people write it."""
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"


def _open(path: Path, flags: int, within: int | None = None) -> int:
    """Open a regular file, and tell a link that must not be followed from a circle of links."""
    try:
        descriptor = os.open(path.name if within is not None else path, flags, 0o666, dir_fd=within)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK) and flags & platform.O_NOFOLLOW:
            raise NotAFileError(error.errno, _A_LINK, str(path)) from None
        if error.errno in (errno.ENXIO, errno.EISDIR):  # a socket, a pipe without a reader
            raise NotAFileError(error.errno, "not a regular file", str(path)) from None
        error.filename = str(path)
        raise
    try:  # again: it may be another thing than the one looked at before
        _require_regular(os.fstat(descriptor), path)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _require_no_link(status: os.stat_result, path: Path) -> None:
    if stat.S_ISLNK(status.st_mode):
        raise NotAFileError(errno.ELOOP, _A_LINK, str(path))


def _require_regular(status: os.stat_result, path: Path) -> None:
    mode = status.st_mode
    if not stat.S_ISREG(mode):
        kind = _KINDS.get(stat.S_IFMT(mode), "something unknown")
        number = errno.EISDIR if stat.S_ISDIR(mode) else errno.EINVAL
        raise NotAFileError(number, f"not a regular file but {kind}", str(path))
