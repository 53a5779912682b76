"""Files that survive: one atomic write for everything.

A write goes to a temporary file in the same folder, is flushed to disk and renamed over the target
(POSIX rename is atomic), then the folder itself is flushed. A reader sees the old or the new file.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import secrets
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from anime_pipeline.core import platform
from anime_pipeline.core.errors import PipelineError, UsageError
from anime_pipeline.core.files import in_units, open_regular

CACHE_VARIABLE = "ANIME_PIPELINE_CACHE"
TEMPORARY_PREFIX, TEMPORARY_SUFFIX = ".anime-pipeline-", ".partial"
_TEMPORARIES = f"{TEMPORARY_PREFIX}*{TEMPORARY_SUFFIX}"
_TEMPORARY = re.compile(  # with the writer's process and a number of its own
    re.escape(TEMPORARY_PREFIX) + r"\d+-[0-9a-f]{12}" + re.escape(TEMPORARY_SUFFIX)
)
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | platform.O_NOFOLLOW | platform.O_CLOEXEC
_NEW_FILE |= platform.O_BINARY
_SWEPT: set[tuple[int, int]] = set()  # folders, by device and inode


def atomic_write(path: Path, write: Callable[[IO[bytes]], object], *, replace: bool = True) -> None:
    """Write a file so that a crash at any moment leaves the old file or the new one.

    Args:
        path: Target; its folder is made if missing. A link there is replaced, not followed.
        write: Called with a binary file object; whatever it writes becomes the file.
        replace: Whether a file that is there by the time all is written gives way.

    Raises:
        FileExistsError: If one is there and must not.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep_once(path.parent)
    temporary = _temporary(path.parent)
    try:
        with _held(temporary) as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
            platform.give_usual_mode(file.fileno())
            if platform.RENAMES_OPEN_FILES:
                _give_name(temporary, path, replace)
        if not platform.RENAMES_OPEN_FILES:
            _give_name(temporary, path, replace)
    except BaseException as error:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        if isinstance(error, OSError) and str(error.filename or temporary) == str(temporary):
            # A full disk names no file by itself, and a failed rename the temporary one.
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise
    platform.flush_to_disk(path.parent)


@contextlib.contextmanager
def marked(folder: Path) -> Iterator[Path]:
    """Put an empty file into a folder for a while, by which others can tell that they see the same.

    Whoever sweeps temporary files takes it away if this process has been killed.

    Yields:
        The file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(folder)
    try:
        with _held(temporary):
            yield temporary
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


def _temporary(folder: Path) -> Path:
    name = f"{TEMPORARY_PREFIX}{os.getpid()}-{secrets.token_hex(6)}{TEMPORARY_SUFFIX}"
    return folder / name


def _held(temporary: Path) -> IO[bytes]:
    """Make a file that is locked while it is open: nobody takes it for a killed writer's."""
    while True:
        file = os.fdopen(os.open(temporary, _NEW_FILE, 0o600), "wb")
        with contextlib.suppress(OSError):  # a file system without locks, where nothing is swept
            platform.lock(file.fileno())
        if os.fstat(file.fileno()).st_nlink:
            return file
        file.close()  # swept between its making and its locking


def _give_name(temporary: Path, path: Path, replace: bool) -> None:
    if replace:
        os.replace(temporary, path)
        return
    try:
        os.link(temporary, path)  # unlike a rename, it fails where something is there
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
            raise
        with folder_locked(path.parent):  # a file system without hard links
            if os.path.lexists(path):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
            os.replace(temporary, path)
    else:
        os.unlink(temporary)


def refuse_link(folder: Path) -> None:
    """Refuse a link in place of a folder that a run writes into.

    A run folder may come from anybody, and a link within it would lead writing and deleting out of
    it. Links that a user names, such as ``checkpoints`` to another disk, are nobody else's.

    Raises:
        UsageError: If one is there.
    """
    if folder.is_symlink():
        raise UsageError(
            f"{folder} is a symbolic link. Expected a folder, as nothing is written or deleted "
            "through links within a run: Put the folder itself there, or link the whole "
            "--checkpoints."
        )


@contextlib.contextmanager
def folder_locked(folder: Path, wait: bool = True) -> Iterator[None]:
    """Hold a folder to oneself while a file in it is read, changed and written back.

    Raises:
        OSError: If somebody else holds it, and that is not to be waited for.
    """
    descriptor = platform.open_folder(folder)
    try:
        platform.lock(descriptor, wait=wait)
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


def sweep_temporaries(folder: Path, below: bool = True) -> None:
    """Delete what killed writers left in `folder`: files that bear our mark and that nobody holds.

    Others' files, whatever they end in, and those that a living process writes are left alone.

    Args:
        folder: Any folder; what cannot be looked at is passed over.
        below: Whether to look into its sub-folders, too.
    """
    found = folder.rglob(_TEMPORARIES) if below else folder.glob(_TEMPORARIES)
    with contextlib.suppress(OSError):
        for path in found:
            if _TEMPORARY.fullmatch(path.name):
                with contextlib.suppress(OSError), open_regular(path, follow=False) as file:
                    platform.lock(file.fileno(), wait=False)
                    if not platform.RENAMES_OPEN_FILES:
                        file.close()
                    path.unlink()


def _sweep_once(folder: Path) -> None:
    """Sweep a folder before this process's first write to it."""
    try:
        status = folder.stat()
    except OSError:
        return  # writing will say what is wrong
    if (status.st_dev, status.st_ino) not in _SWEPT:
        _SWEPT.add((status.st_dev, status.st_ino))
        sweep_temporaries(folder, below=False)


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
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def require_free(folder: Path, needed_bytes: int, purpose: str) -> None:
    """Refuse to begin work that the disk cannot hold.

    Args:
        folder: Where the files will go; it need not exist yet.
        needed_bytes: What they will take, estimated from above.
        purpose: What they are, for the message.

    Raises:
        PipelineError: If less than that is free.
    """
    existing = folder.absolute()
    while not existing.exists():
        existing = existing.parent
    free_bytes = shutil.disk_usage(existing).free
    if free_bytes < needed_bytes:
        raise PipelineError(
            f"Not enough disk space for {purpose}: {in_units(needed_bytes)} needed in {folder}, "
            f"{in_units(free_bytes)} free. Make room, or name a folder on another disk."
        )


def cache_folder() -> Path:
    """Return the folder of what can be made again: $ANIME_PIPELINE_CACHE or the user's cache.

    Where that cannot be written to (a read-only home, or none at all), it is a folder in the
    system's temporary one that nobody else may write to.

    Raises:
        UsageError: If there is no such place either.
    """
    explicit = os.environ.get(CACHE_VARIABLE)
    if explicit:
        return Path(explicit)
    with contextlib.suppress(OSError, RuntimeError):  # a user without a home
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "anime-pipeline"
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK | os.X_OK):
            return folder
    folder = Path(tempfile.gettempdir()) / f"anime-pipeline-{platform.user_number()}"
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o700)
    with contextlib.suppress(OSError):
        status = folder.lstat()
        # Anybody may have made a folder of that name, to have us read what they put in it.
        private = stat.S_ISDIR(status.st_mode) and platform.is_private(status)
        if private and os.access(folder, os.W_OK | os.X_OK):
            return folder
    raise UsageError(
        f"Neither the user's cache folder nor {folder} can be written to. Set ${CACHE_VARIABLE} to "
        "a folder that can."
    )
