"""Finding picture files: a sorted walk that reports what it passes over."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff"})

# Files that datasets carry beside pictures; passing over them is no news.
QUIET_SUFFIXES = frozenset({".csv", ".txt", ".json", ".md", ".npz", ".npy", ".html"})


NOT_A_PICTURE = "not a picture file"


@dataclass(frozen=True)
class Skipped:
    """A file that was not used, and why."""

    path: str
    reason: str


def walk(root: Path, skipped: list[Skipped]) -> Iterator[Path]:
    """Yield picture files below `root` in sorted order; hidden files and link loops are left out.

    Args:
        root: Folder to search, or a single file.
        skipped: Receives files that are neither pictures nor known companions.
    """
    if root.is_file():
        yield root
        return
    seen: set[tuple[int, int]] = set()

    def unreadable(error: OSError) -> None:
        skipped.append(Skipped(str(error.filename), f"cannot be read ({error.strerror})"))

    for folder, folders, names in os.walk(root, followlinks=True, onerror=unreadable):
        status = os.stat(folder)
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            suffix = os.path.splitext(name)[1].lower()
            if name.startswith("."):
                continue
            if suffix in IMAGE_SUFFIXES:
                path = Path(folder, name)
                # Reading a pipe or a device would wait for ever; a dangling link is named later.
                if path.exists() and not path.is_file():
                    skipped.append(Skipped(str(path), "not a regular file"))
                else:
                    yield path
            elif suffix not in QUIET_SUFFIXES:
                skipped.append(Skipped(str(Path(folder, name)), NOT_A_PICTURE))
