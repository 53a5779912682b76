"""Finding picture files: a sorted walk that reports what it passes over."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from anime_pipeline.core.errors import DataError

IMAGE_SUFFIXES = frozenset(
    (".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".avif", ".avifs")
    + (".bmp", ".gif", ".tif", ".tiff")
)

# Files that datasets carry beside pictures; passing over them is no news.
QUIET_SUFFIXES = frozenset({".csv", ".txt", ".json", ".md", ".npz", ".npy", ".html"})


NOT_A_PICTURE = "not a picture file"


@dataclass(frozen=True)
class Skipped:
    """A file that was not used, and why."""

    path: str
    reason: str

    @classmethod
    def because(cls, path: Path, error: OSError | DataError) -> Skipped:
        """Return a file that cannot be read, or not be decoded as ``"image"``."""
        if isinstance(error, OSError):
            return cls(str(path), f"cannot be read ({error.strerror})")
        return cls(str(path), str(error).removeprefix("image: "))


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
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        try:
            status = folder.stat()
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            with os.scandir(folder) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            skipped.append(Skipped.because(folder, error))
            continue
        inner: list[Path] = []
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if _is_folder(entry):
                inner.append(folder / entry.name)
            elif _is_picture(entry, skipped):
                yield folder / entry.name
        waiting += reversed(inner)  # the last is taken first


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _is_picture(entry: os.DirEntry[str], skipped: list[Skipped]) -> bool:
    """Tell by its name; the listing knows what kind of file it is without asking the disk again."""
    suffix = os.path.splitext(entry.name)[1].lower()
    if suffix not in IMAGE_SUFFIXES:
        if suffix not in QUIET_SUFFIXES:
            skipped.append(Skipped(entry.path, NOT_A_PICTURE))
        return False
    try:
        usable = entry.is_file() or not os.path.exists(entry)
    except OSError:
        usable = True
    # Reading a pipe or a device would wait for ever; a dangling link is named later.
    if not usable:
        skipped.append(Skipped(entry.path, "not a regular file"))
    return usable
