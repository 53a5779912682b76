"""What Linux and macOS offer and Windows does not: every such call and flag stands in this file.

Where something is absent:

- flags of `os.open` are 0: what stands at a path is looked at before it is opened, and after;
- locks are those of Windows' C library, on one byte behind any content, and none is shared;
- folders are neither opened nor flushed, and are locked by a hidden file in them;
- a file is closed before it is renamed, see `RENAMES_OPEN_FILES`;
- signals are those that there are;
- pictures are decoded by whoever wants them, without a limit of time or memory, see `ISOLATES`;
- nobody tells how much memory was used at most.

The package filelock cannot stand in for `lock`: it locks no file that is open already, as a
temporary one being written is, no folder, and nothing for several readers who may not write.
"""

import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

try:
    import fcntl
    import resource
except ImportError:
    POSIX = False
else:
    POSIX = True

O_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
O_NONBLOCK = getattr(os, "O_NONBLOCK", 0)
O_DIRECTORY = getattr(os, "O_DIRECTORY", 0)
O_CLOEXEC = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOINHERIT", 0)
O_BINARY = getattr(os, "O_BINARY", 0)

OPENS_WITHIN_FOLDERS = {os.open, os.stat} <= os.supports_dir_fd
RENAMES_OPEN_FILES = POSIX
ISOLATES = POSIX and hasattr(select, "poll") and hasattr(signal, "setitimer")

_PR_SET_PDEATHSIG = 1
_FOLDER_LOCK = ".anime-pipeline.lock"
_LOCKED_BYTE, _LOCK_AGAIN_S = 2**30, 0.05

# The umask can only be read by setting it (so: once, at import).
_UMASK = os.umask(0o022)
os.umask(_UMASK)


def signals_called(*names: str) -> tuple[signal.Signals, ...]:
    """Return the signals of these names, as far as this system has them."""
    return tuple(signal.Signals[name] for name in names if hasattr(signal, name))


def lock(descriptor: int, *, shared: bool = False, wait: bool = True) -> None:
    """Lock an open file until it is closed, or its process has ended in any way.

    Args:
        descriptor: The file; for a shared lock it need not be open for writing.
        shared: Whether others may hold a shared lock at the same time.
        wait: Whether to wait for others.

    Raises:
        BlockingIOError: If another process holds it, and there is to be no waiting.
        OSError: If its file system knows no locks.
    """
    if POSIX:
        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        fcntl.flock(descriptor, kind if wait else kind | fcntl.LOCK_NB)
        return
    place = os.lseek(descriptor, 0, os.SEEK_CUR)
    try:
        while not _lock_byte(descriptor):
            if not wait:
                raise BlockingIOError
            time.sleep(_LOCK_AGAIN_S)
    finally:
        os.lseek(descriptor, place, os.SEEK_SET)


def _lock_byte(descriptor: int) -> bool:
    """Lock as Windows does; False where another process does so."""
    if sys.platform == "win32":
        import msvcrt

        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
    return True


def open_folder(folder: Path) -> int:
    """Open a folder to lock it; a hidden file in it where no folder can be opened."""
    if POSIX:
        return os.open(folder, os.O_RDONLY)
    return os.open(folder / _FOLDER_LOCK, os.O_RDWR | os.O_CREAT | O_CLOEXEC)


def flush_to_disk(path: Path) -> None:
    """Flush a file, or a folder's entries, so that a rename in it survives power loss."""
    if POSIX:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def give_usual_mode(descriptor: int) -> None:
    """Give a file that was made for its owner alone the permissions of any new file."""
    if POSIX:
        os.fchmod(descriptor, 0o666 & ~_UMASK)


def user_number() -> int:
    """Return the user's number; 0 for everybody where there are none."""
    return os.getuid() if POSIX else 0


def is_private(status: os.stat_result) -> bool:
    """Tell whether a folder is this user's, and nobody else may write to it."""
    # Elsewhere each user has a temporary folder of their own.
    return not POSIX or (status.st_uid == os.getuid() and not status.st_mode & 0o022)


def memory_bytes() -> int | None:
    """Return how much memory this machine has."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def peak_memory_bytes() -> int | None:
    """Return the most memory that this process has held."""
    if not POSIX:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def held_bytes(*, reserved: bool = False) -> int | None:
    """Return how much memory this process holds, or has reserved, now; Linux alone tells."""
    try:
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[0 if reserved else 1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, AttributeError):
        return None


def allow_open_files(wanted: int) -> int:
    """Let this process have so many files open, and return how many it may, up to that."""
    if not POSIX:
        return wanted
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return min(soft, wanted)


def end_with_parent(lifeline: int) -> None:
    """Let the kernel end this process when nobody holds the other end of a pipe any more.

    It hears no signal of the terminal: whoever is asked to stop, stops it. It leaves no core dump.
    """
    for number in signals_called("SIGINT", "SIGHUP", "SIGQUIT"):
        signal.signal(number, signal.SIG_IGN)
    for number in (signal.SIGIO, signal.SIGPROF):
        signal.signal(number, signal.SIG_DFL)  # which is to end
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGIO, signal.SIGPROF})
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
    flags = fcntl.fcntl(lifeline, fcntl.F_GETFL)
    fcntl.fcntl(lifeline, fcntl.F_SETFL, flags | os.O_ASYNC | os.O_NONBLOCK)
    with suppress(BlockingIOError):
        if not os.read(lifeline, 1):  # it ended before the signal was asked for
            os._exit(1)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def limit_processor_time(seconds: float) -> None:
    """End this process by SIGPROF after so much more processor time; 0 lifts the limit."""
    signal.setitimer(signal.ITIMER_PROF, seconds)


def limit_reserved_memory(most_bytes: int | None) -> None:
    """Let this process reserve no more memory than that; None lifts the limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    most = resource.RLIM_INFINITY if most_bytes is None else most_bytes
    if hard != resource.RLIM_INFINITY and (most == resource.RLIM_INFINITY or most > hard):
        most = hard
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))


def start_tethered(
    command: list[str], environment: dict[str, str]
) -> tuple[subprocess.Popen[bytes], int]:
    """Start a program whose last argument is a pipe to be given to `end_with_parent`.

    Returns:
        The process, in a group of its own so that no signal of the terminal reaches it, whose
        pipes never block; and the end of that pipe that is to be kept open while it is needed.
    """
    held, lifeline = os.pipe()
    try:
        process = subprocess.Popen(  # noqa: S603
            [*command, str(held)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            pass_fds=(held,),
            process_group=0,
            env=environment,
        )
    except BaseException:
        os.close(lifeline)
        raise
    finally:
        os.close(held)
    for pipe in (process.stdin, process.stdout):
        if pipe:
            os.set_blocking(pipe.fileno(), False)
    return process, lifeline


def start_apart(command: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """Start a program that reads from a pipe of this process and hears no signal of its terminal.

    Args:
        command: The program, with its arguments.
        environment: All of its variables.
    """
    return subprocess.Popen(  # noqa: S603
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        process_group=0,
        env=environment,
    )


def kill(pid: int) -> None:
    """End a process at once, if it has not ended by itself."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def end_with_starter() -> None:
    """Have the kernel kill this process with the one that started it, where it is Linux."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


class Tethered:
    """A program that ends with this process, as `end_with_parent` of its last argument does."""

    def __init__(
        self, command: list[str], environment: dict[str, str], keep: tuple[int, ...]
    ) -> None:
        """Start it, in a group of its own so that no signal of the terminal reaches it.

        Args:
            command: The program; a pipe's number is added as its last argument.
            environment: All of its variables.
            keep: Other open files that it inherits.
        """
        held, self._lifeline = os.pipe()
        try:
            self._process = subprocess.Popen(  # noqa: S603
                [*command, str(held)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(held, *keep),
                process_group=0,
                env=environment,
            )
        except BaseException:
            os.close(self._lifeline)
            raise
        finally:
            os.close(held)

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    def end(self) -> None:
        """End it at once, if it has not ended, and wait for that."""
        os.close(self._lifeline)
        self._process.kill()
        self._process.wait()


def is_ready(descriptor: int, to_write: bool, within_s: float) -> bool:
    """Wait until a pipe can be written to or read from; False if it cannot within some time."""
    poller = select.poll()
    poller.register(descriptor, select.POLLOUT if to_write else select.POLLIN)
    return bool(poller.poll(1000 * within_s))
