"""Starting a server beside a program, and finding its address: for tests, tools and benchmarks."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from anime_pipeline.core.errors import PipelineError

_ADDRESS = re.compile(r"Faces at (https?://\S+?)/(?=\s)")  # as `serve` tells it


@contextmanager
def running(
    folder: Path, *options: str, python_options: Sequence[str] = ()
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run `anime-pipeline serve` on a free port; it is killed in the end.

    Args:
        folder: Where it is started.
        options: Further options of `serve`.
        python_options: Of the interpreter.

    Returns:
        The process, whose stderr can be read, and its address without a slash at the end.

    Raises:
        PipelineError: If it ends before it is ready.

    Example:
        >>> with running(Path("."), "--queue", "4") as (process, url):
        ...     urlopen(f"{url}/api/v1/generate?seed=7")
    """
    command = [sys.executable, *python_options, "-m", "anime_pipeline", "serve", "--port", "0"]
    process = subprocess.Popen(
        [*command, *options],
        cwd=folder,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "200"},  # or the address could be broken in two
    )
    try:
        yield process, _address(process)
    finally:
        process.kill()
        if process.stderr:
            process.stderr.close()
        process.wait()


def _address(process: subprocess.Popen[str]) -> str:
    said = ""
    for line in process.stderr or ():
        found = _ADDRESS.search(line)
        if found:
            return found[1]
        said += line
    raise PipelineError(
        f"The server ended before it was ready. Check what it said: {said.strip() or 'nothing'}."
    )
