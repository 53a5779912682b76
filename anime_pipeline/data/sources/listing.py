"""What lies below what names a set: pictures by folder and name, or tars of them."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anime_pipeline.core.errors import DataError, UsageError
from anime_pipeline.core.storage import expand_user
from anime_pipeline.data.parallel import in_order
from anime_pipeline.data.sources import remote
from anime_pipeline.data.sources.braces import expand_braces
from anime_pipeline.data.sources.places import Place, Remote, Root, Url, is_url
from anime_pipeline.data.sources.reading import threads_for
from anime_pipeline.data.sources.tars import SUFFIX, Index, index_tar
from anime_pipeline.images.files import (
    IMAGE_SUFFIXES,
    NOT_A_PICTURE,
    QUIET_SUFFIXES,
    Skipped,
    walk_folders,
)

MOST_TARS = 100_000
_TABLE_SUFFIXES = (".csv", ".txt")


@dataclass
class Listing:
    """The pictures or the tars below a root.

    Attributes:
        root: Where they are.
        pictures: Folders, and the names of the pictures in each, as `Records` hold them.
        tars: Those that were named or are there instead of pictures.
        entries: Returns the names of the tables in a folder, and maybe of other files.
        skipped: Files that are neither.
    """

    root: Root
    pictures: list[tuple[str, list[str]]]
    tars: list[Place]
    entries: Callable[[str], list[str]] = os.listdir
    skipped: list[Skipped] = field(default_factory=list)

    def index_tars(self) -> list[Index]:
        """Return what the tars hold.

        Raises:
            DataError: If one is not whole; says which.
        """
        with in_order(index_tar, self.tars, threads_for(self.tars)) as found:
            return list(found)


def list_root(root: Root) -> Listing:
    """List what lies below a root; nothing of it is read.

    Raises:
        DataError: If nothing is there, or it cannot be listed.
        UsageError: If a package is missing.
    """
    try:
        if isinstance(root, Url):
            return _list_address(root)
        return _list_path(expand_user(root))
    except remote.UnreadableError as error:
        raise DataError(
            f"{error.filename} cannot be listed: {error.strerror}. Check the address and the "
            "credentials."
        ) from None


def _list_path(root: Path) -> Listing:
    if not root.exists():
        if named := _in_braces(root):
            return Listing(root, [], [Path(text) for text in named])
        raise DataError(
            f"No folder at {root} (searched from {Path.cwd()}). Name the folder that holds "
            f"your faces, or draw a practice set first: anime-pipeline sample-data {root}"
        )
    if root.suffix == SUFFIX and root.is_file():
        return Listing(root, [], [root])
    skipped: list[Skipped] = []
    pictures = list(walk_folders(root, skipped))
    tars: list[Place] = []
    if not pictures:
        tars = [Path(item.path) for item in skipped if _is_tar(item)]
        skipped = [item for item in skipped if not _is_tar(item)]
    return Listing(root, pictures, tars, skipped=skipped)


def _is_tar(item: Skipped) -> bool:
    return item.reason == NOT_A_PICTURE and item.path.lower().endswith(SUFFIX)


def _list_address(root: Url) -> Listing:
    if named := _in_braces(root):
        with in_order(_looked_up, named, threads_for([Remote(str(root), "")])) as places:
            return Listing(root, [], list(places))
    objects, errors = remote.list_objects(str(root))
    skipped = [Skipped(str(each.filename or root), str(each.strerror or each)) for each in errors]
    kinds: dict[str, list[Remote]] = {kind: [] for kind in ("picture", "tar", "table", "other", "")}
    for path, info in sorted(objects, key=lambda each: _walked(each[0])):
        hidden = path and any(part[:1] in ("", ".") for part in path.split("/"))
        if not hidden and "\0" not in path:
            place = _stored(f"{root}/{path}" if path else str(root), info)
            kinds[_kind(place.suffix.lower())].append(place)
    passed_over = kinds["other"] + (kinds["tar"] if kinds["picture"] else [])
    skipped += [Skipped(str(place), NOT_A_PICTURE) for place in passed_over]
    tables = _by_folder(kinds["table"])

    def entries(folder: str) -> list[str]:
        if f"{folder}/".startswith(f"{root}/"):
            return tables.get(folder, [])
        return [_stored(f"{folder}/{n}", i).entry for n, i in remote.list_folder(folder)]

    pictures = list(_by_folder(kinds["picture"]).items())
    tars: list[Place] = [] if pictures else [*kinds["tar"]]
    return Listing(root, pictures, tars, entries, skipped)


def _kind(suffix: str) -> str:
    if suffix in IMAGE_SUFFIXES:
        return "picture"
    if suffix in (SUFFIX, *_TABLE_SUFFIXES):
        return "tar" if suffix == SUFFIX else "table"
    return "" if suffix in QUIET_SUFFIXES else "other"


def _by_folder(places: Sequence[Remote]) -> dict[str, list[str]]:
    folders: dict[str, list[str]] = {}
    for place in places:
        folders.setdefault(place.folder, []).append(place.entry)
    return folders


def _walked(path: str) -> tuple[list[str], str]:
    """Return what sorts objects as `images.files.walk_folders` sorts files."""
    *folders, name = path.split("/")
    return folders, name


def _stored(address: str, info: Mapping[str, Any]) -> Remote:
    return Remote.stored(address, *remote.state_of(info))


def _looked_up(address: str) -> Place:
    return _stored(address, remote.look_up(address))


def _in_braces(root: Root) -> list[str]:
    """Return the tars that a list in braces names; nothing if the root is none.

    Raises:
        UsageError: If it names something else.
        DataError: If one is not there.
    """
    text = str(root)
    if "{" not in text:
        return []
    named = expand_braces(text, MOST_TARS)
    others = [each for each in named if not each.endswith(SUFFIX)]
    if others:
        raise UsageError(f"{text} names {others[0]}. Expected a list of {SUFFIX} files in braces.")
    absent = [each for each in named if not is_url(each) and not os.path.exists(each)]
    if absent:
        raise DataError(
            f"{text} names {absent[0]}, and {os.strerror(errno.ENOENT).lower()}. Check it."
        )
    return named
