"""Finding picture files: a sorted walk that reports what it passes over."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

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
    def because(cls, path: object, error: OSError | DataError) -> Self:
        """Return a picture that cannot be read, or not be decoded as ``"image"``."""
        if isinstance(error, OSError):
            return cls(str(path), f"cannot be read ({error.strerror})")
        return cls(str(path), str(error).removeprefix("image: "))


def walk(root: Path, skipped: list[Skipped]) -> Iterator[Path]:
    """Yield picture files below `root`, as `walk_folders` does."""
    for folder, names in walk_folders(root, skipped):
        for name in names:
            yield Path(folder, name)


def walk_folders(root: Path, skipped: list[Skipped]) -> Iterator[tuple[str, list[str]]]:
    """Yield folders with the names of their picture files, both in sorted order.

    Hidden files, link loops and folders without a picture are left out.

    Args:
        root: Folder to search, or a single file.
        skipped: Receives files that are neither pictures nor known companions.
    """
    if root.is_file():
        yield os.path.dirname(root), [root.name]
        return
    seen: set[str] = set()

    def unlisted(error: OSError) -> None:
        skipped.append(Skipped.because(Path(error.filename), error))

    for folder, inner, names in os.walk(root, onerror=unlisted, followlinks=True):
        place = os.path.realpath(folder)
        if place in seen:
            inner.clear()
            continue
        seen.add(place)
        inner[:] = sorted(name for name in inner if name[0] != ".")
        pictures = [
            name
            for name in sorted(names)
            if name[0] != "." and _is_picture(os.path.join(folder, name), skipped)
        ]
        if pictures:
            yield os.path.dirname(Path(folder, pictures[0])), pictures


def _is_picture(path: str, skipped: list[Skipped]) -> bool:
    suffix = os.path.splitext(path)[1].lower()
    reason = "" if suffix in IMAGE_SUFFIXES else NOT_A_PICTURE
    # Reading a pipe or a device would wait for ever; a dangling link is named later.
    if not reason and not os.path.isfile(path) and os.path.exists(path):
        reason = "not a regular file"
    if reason and suffix not in QUIET_SUFFIXES:
        skipped.append(Skipped(path, reason))
    return not reason
