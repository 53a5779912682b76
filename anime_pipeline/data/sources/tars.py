"""Tars of pictures as WebDataset writes them: which members there are, and what is said of them.

A tar is never unpacked. Its headers are read once, by the standard library's `tarfile`, and what
was found is kept in the cache for as long as the tar is as it was; pictures are then read where
they lie. The members `a.png` and `a.json` are one sample.
"""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import IO, Any

from anime_pipeline.core.arrays import UNREADABLE
from anime_pipeline.core.errors import DataError
from anime_pipeline.core.files import MAX_DOCUMENT_BYTES, MAX_LIST_BYTES, open_regular, read_regular
from anime_pipeline.core.storage import atomic_write_json, cache_folder
from anime_pipeline.data.characters import COLOR_COLUMNS, Colors, Tags, colours_of, tag_of
from anime_pipeline.data.sources import remote
from anime_pipeline.data.sources.places import Place, Remote, without_facts
from anime_pipeline.data.words import WORDS
from anime_pipeline.images.files import IMAGE_SUFFIXES, QUIET_SUFFIXES

SUFFIX = ".tar"
_PICTURE, _DOCUMENT = "pictures", "JSON files"
_KEYS_NAMED = 20
_VERSION = 1  # raise when other things are found in the same tar
_HEADER_BYTES = 2**13  # of one header that holds a long name or PAX records; names end at 4096
_QUIET = QUIET_SUFFIXES | {".cls", ".caption", ".id", ".key"}
_PARTS = {"hair": COLOR_COLUMNS[:3], "skin": COLOR_COLUMNS[3:]}


@dataclass
class Index:
    """What a tar holds.

    Attributes:
        folder: The tar and its state, as `Records` name it.
        pictures: Name, first byte and size of each, in the tar's order.
        colours: Hair and skin by the pictures' names, six levels 0..255.
        tags: What is true of them, by their names.
        problems: What cannot be used of the samples' JSON.
        unused: Keys of it that mean nothing here, with how many samples have them.
        passed_over: How many members are not used and no usual companions, by kind.
    """

    folder: str
    pictures: list[tuple[str, int, int]] = field(default_factory=list)
    colours: dict[str, list[int]] = field(default_factory=dict)
    tags: dict[str, list[str]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    unused: dict[str, int] = field(default_factory=dict)
    passed_over: dict[str, int] = field(default_factory=dict)

    def labels(self) -> tuple[dict[str, Colors], Tags]:
        """Return colours and tags by the pictures' names."""
        colours = {n: Colors(tuple(c[:3]), tuple(c[3:])) for n, c in self.colours.items()}  # type: ignore[arg-type]
        return colours, {name: frozenset(tags) for name, tags in self.tags.items()}


def index_tar(tar: Place) -> Index:
    """Return what a tar holds, from the cache where the tar is as it was.

    Raises:
        DataError: If it cannot be read, is no tar, or is cut off or damaged; says where.
    """
    try:
        folder, size = _state(tar)
        digest = hashlib.sha256(f"{_VERSION} {folder}".encode("utf-8", "surrogateescape"))
        kept = cache_folder() / f"tar-{digest.hexdigest()[:32]}.json"
        found = _read_kept(kept, folder)
        if found is None:
            with _opened(tar) as file:
                found = _scan(folder, _Headers(file, size))
            atomic_write_json(kept, asdict(found))
    except OSError as error:
        raise DataError(
            f"{tar} cannot be read ({error.strerror}). Check that it is there."
        ) from None
    except (tarfile.TarError, ValueError, IndexError, OverflowError, RecursionError) as error:
        raise DataError(
            f"{tar} is no tar, or is cut off or damaged: {error}. Make it or copy it again, or "
            "leave it out."
        ) from None
    return found


def _state(tar: Place) -> tuple[str, int | None]:
    """Return a tar with its state, as `Records` name a folder, and its size."""
    if isinstance(tar, Remote):
        return f"{tar}\0{tar.entry.partition(chr(0))[2]}", tar.span[1]
    status = tar.stat()
    return f"{tar.absolute()}\0{status.st_size}:{status.st_mtime_ns}", status.st_size


@contextmanager
def _opened(tar: Place) -> Iterator[IO[bytes] | remote.Reader]:
    if isinstance(tar, Remote):
        with remote.opened(str(tar)) as reader:
            yield reader
    else:
        with open_regular(tar) as file:
            yield file


def _read_kept(path: Any, folder: str) -> Index | None:
    try:
        found = Index(**json.loads(read_regular(path, MAX_LIST_BYTES)))
        found.pictures = [(str(name), int(at), int(size)) for name, at, size in found.pictures]
        found.labels()
    except (*UNREADABLE, RecursionError):
        return None
    return found if found.folder == folder else None


class _Headers:
    """A tar that is read header by header: in small pieces, and no longer than it can be."""

    def __init__(self, file: IO[bytes] | remote.Reader, size: int | None) -> None:
        self._file = file
        # A header takes three reads at most; one that leads back would be read for ever.
        self._left = 1000 + (2**40 if size is None else size) // 128

    def read(self, size: int) -> bytes:
        self._left -= 1
        if self._left < 0:
            raise tarfile.ReadError("its headers lead in circles")
        if not 0 <= size <= _HEADER_BYTES:
            raise tarfile.ReadError(f"a header of {size} bytes")
        return self._file.read(size)

    def read_member(self, offset: int, size: int) -> bytes:
        self._file.seek(offset)
        return self._file.read(size)

    def seek(self, place: int) -> int:
        return self._file.seek(place)

    def tell(self) -> int:
        return self._file.tell()


def _scan(folder: str, file: _Headers) -> Index:
    found, passed_over = Index(folder), Counter[str]()
    documents: dict[str, bytes] = {}
    names: set[str] = set()
    with tarfile.open(fileobj=file, mode="r:") as tar:  # type: ignore[call-overload]
        for member in iter(tar.next, None):
            tar.members = []  # which would keep all that were read
            kind, name = _kind(member)
            if kind == _PICTURE and name in names:
                passed_over["of a name that is there twice"] += 1
            elif kind == _PICTURE:
                names.add(name)
                found.pictures.append((name, member.offset_data, member.size))
            elif kind == _DOCUMENT and member.size <= MAX_DOCUMENT_BYTES:
                content = file.read_member(member.offset_data, member.size)
                documents[os.path.splitext(name)[0]] = content
            elif kind:
                passed_over[kind] += 1
        end = tar.offset
    file.seek(end)
    mark = file.read(tarfile.BLOCKSIZE)
    if len(mark) < tarfile.BLOCKSIZE or any(mark):
        raise tarfile.ReadError(f"no end mark at byte {end}")
    _add_labels(found, documents)
    found.passed_over = dict(passed_over)
    return found


def _kind(member: tarfile.TarInfo) -> tuple[str, str]:
    """Return what a member is, empty if nothing to tell, and its name without a leading ``./``."""
    parts = [part for part in member.name.split("/") if part not in ("", ".")]
    name = "/".join(parts)
    if member.isdir():
        return "", name
    if not member.isreg() or member.issparse():
        return "links, devices or with holes", name
    if not parts or ".." in parts or "\0" in name:
        return "of a name that leads elsewhere", name
    suffix = os.path.splitext(name)[1].lower()
    if parts[-1][0] == "." or suffix in _QUIET - {".json"}:
        return "", name
    if suffix == ".json":
        return _DOCUMENT, name
    return (_PICTURE if suffix in IMAGE_SUFFIXES else "other files"), name


def _add_labels(found: Index, documents: dict[str, bytes]) -> None:
    unused = Counter[str]()
    for name, _, _ in found.pictures:
        content = documents.get(os.path.splitext(name)[0])
        if content is None:
            continue
        where = f"{without_facts(found.folder)}/{os.path.splitext(name)[0]}.json"
        try:
            document = json.loads(content)
        except (ValueError, RecursionError):
            document = None
        if not isinstance(document, dict):
            found.problems.append(f"{where}: no JSON object")
            continue
        values = {key.casefold(): value for key, value in document.items()}
        tags = _take_tags(values)
        if tags is not None:
            found.tags[name] = tags
        levels = _take_levels(values)
        if levels:
            colours = colours_of(levels)
            if colours:
                found.colours[name] = [*colours.hair, *colours.skin]
            else:
                found.problems.append(f"{where}: hair and skin must be three integers 0..255 each")
        unused.update(values.keys())
    found.unused = dict(unused.most_common(_KEYS_NAMED))


def _take_levels(values: dict[str, Any]) -> list[str]:
    """Take hair and skin out of a sample's values: three numbers each, or a key for each number."""
    taken: list[Any] = []
    for part, columns in _PARTS.items():
        if isinstance(values.get(part), list):
            taken += values.pop(part)
        else:
            taken += [values.pop(column) for column in columns if column in values]
    return [str(level) for level in taken]


def _take_tags(values: dict[str, Any]) -> list[str] | None:
    """Take words out of a sample's values: those of `tags.csv`, and a list of whole tags."""
    kinds = [kind for kind in ("hair", *WORDS) if isinstance(values.get(kind), str)]
    tags = {tag_of(word, kind) for kind in kinds if (word := values.pop(kind).strip())}
    listed = values.get("tags")
    is_list = isinstance(listed, list) and all(isinstance(each, str) for each in listed)
    if is_list:
        tags.update(values.pop("tags"))
    return sorted(tags) if kinds or is_list else None
