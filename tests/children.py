"""Processes beside a test, and waiting for what they do: for states, never for a time."""

import subprocess
import sys
import time
from contextlib import contextmanager

# A limit for what is broken, not a measure of speed: TensorFlow alone may take minutes to be
# imported where ten programs share a processor.
PATIENCE_S = 600


@contextmanager
def child(*arguments, within=(), **options):
    """Run `python ARGUMENTS` in a process that ends, and whose pipes are closed, with the block.

    Left running by a failed assertion it would fail another test as well, whichever Python happens
    to collect the process object in: that warns, and warnings are errors.
    """
    command = [*within, sys.executable, *map(str, arguments)]
    with subprocess.Popen(command, text=True, **options) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(process, holds, pause_s=0.005):
    """Wait until something holds while a process runs; tells whether it did before its end."""
    deadline = time.monotonic() + PATIENCE_S
    while process.poll() is None:
        if holds():
            return True
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(pause_s)
    return False
