"""The process in which pictures are decoded: bytes to it, bytes from it, and its end."""

import os
import subprocess
import sys
import weakref
from collections.abc import Callable
from pathlib import Path

from anime_pipeline.core.platform import start_tethered

PROGRAM = "anime_pipeline.images.decoding.worker"
PACKED_BYTES = 2**20
END_WITHIN_S = 60.0  # once its pipes are closed
# One picture after another: arithmetic in threads would only be memory.
SETTINGS = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}

# Called with a pipe that is not ready and whether it is to be written to; returns once it is.
Wait = Callable[[int, bool], None]


class DecoderProcess:
    """A process that ends with its owner.

    It is a program of its own, so that it has nothing of the caller: no threads, no handlers of
    signals, no `__main__`.
    """

    def __init__(self) -> None:
        """Start it, and do not wait for it."""
        paths = [*filter(None, sys.path), str(Path(__file__).parents[3])]
        environment = {**os.environ, **SETTINGS, "PYTHONPATH": os.pathsep.join(paths)}
        # Not from the current folder, which may be the strangers'.
        command = [sys.executable, "-P", "-W", "ignore", "-m", PROGRAM]
        self._process, lifeline = start_tethered(command, environment)
        self.end = weakref.finalize(self, _end, self._process, lifeline)

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def code(self) -> int:
        """Return the exit code of a process that has closed its pipes."""
        try:
            return self._process.wait(END_WITHIN_S)
        except subprocess.TimeoutExpired:
            return 0

    def write(self, content: bytes, wait: Wait) -> None:
        """Send bytes."""
        pipe = self._process.stdin
        view = memoryview(content)
        while view and pipe:
            written = pipe.write(view[:PACKED_BYTES])
            if written is None:  # the pipe is full
                wait(pipe.fileno(), True)
            view = view[written or 0 :]

    def read(self, size: int, wait: Wait) -> bytearray:
        """Receive so many bytes.

        Raises:
            EOFError: If it ends before.
        """
        content = bytearray(size)
        pipe, view = self._process.stdout, memoryview(content)
        while view and pipe:
            got = pipe.readinto(view)  # type: ignore[attr-defined]
            if got is None:
                wait(pipe.fileno(), False)
            elif not got:
                raise EOFError
            view = view[got or 0 :]
        return content


def _end(process: subprocess.Popen[bytes], lifeline: int) -> None:
    process.kill()
    os.close(lifeline)
    for pipe in (process.stdin, process.stdout):
        if pipe:
            pipe.close()
    process.wait()
