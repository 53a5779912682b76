"""What others leave where our files are expected."""

import os
import socket
from pathlib import Path

MINE = "written by somebody, and not to be lost\n"


def put(kind: str, path: Path, target: Path | None = None) -> None:
    """Put something that is no regular file under a name."""
    if kind == "link":
        path.symlink_to(target)
    elif kind == "dangling":
        path.symlink_to(path.parent / "nowhere")
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "socket":
        here = os.getcwd()
        os.chdir(path.parent)  # a socket's address is short
        try:
            with socket.socket(socket.AF_UNIX) as listening:
                listening.bind(path.name)
        finally:
            os.chdir(here)
    else:
        path.symlink_to("/dev/zero")
