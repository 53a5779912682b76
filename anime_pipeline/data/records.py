"""The pictures of a set as columns: where they lie and what is known of them, in a few arrays.

An object for each picture, with a path, colours and tags of its own, takes about 2.5 KB: 7 GB for
three million. Columns take some 60 bytes and are asked as a whole. NumPy holds them, as names of
files need not be UTF-8, which the strings of Arrow and of NumPy itself have to be.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, overload

import numpy as np

from anime_pipeline.data.characters import Colors
from anime_pipeline.data.sources.places import Place, divided, located

_UNKNOWN = -1  # as the number of tags, where nobody has said


@dataclass(frozen=True)
class Record:
    """One picture and what is known of it."""

    path: Place
    colors: Colors | None = None
    tags: frozenset[str] | None = None  # what is true of it; None where nobody has said


@dataclass(frozen=True)
class Ragged:
    """Rows of different lengths: all their numbers, and where each row begins and how long it is.

    A length may be `_UNKNOWN`, which is a row that is not there. A choice of rows shares `numbers`.
    """

    numbers: np.ndarray
    start: np.ndarray  # int64 [N]
    length: np.ndarray  # int32 [N]

    def __getitem__(self, row: int) -> np.ndarray:
        return self.numbers[self.start[row] : self.start[row] + self.length[row]]

    def take(self, rows: np.ndarray | slice) -> Ragged:
        """Return a choice of rows."""
        return Ragged(self.numbers, self.start[rows], self.length[rows])

    def has(self, number: int) -> np.ndarray:
        """Return which rows hold a number, bool [N]."""
        before = np.cumsum(self.numbers == number, dtype=np.int32)
        before = np.concatenate([np.zeros(1, np.int32), before])
        return before[self.start + np.maximum(self.length, 0)] > before[self.start]

    @classmethod
    def joined(cls, parts: Sequence[Ragged]) -> Ragged:
        """Return the rows of several, one after another."""
        shifts = np.cumsum([0, *(len(part.numbers) for part in parts[:-1])])
        starts = [part.start + shift for part, shift in zip(parts, shifts, strict=True)]
        numbers = np.concatenate([part.numbers for part in parts])
        return cls(numbers, np.concatenate(starts), np.concatenate([p.length for p in parts]))


@dataclass(frozen=True, eq=False)
class Records(Sequence[Record]):
    """Pictures in an order, read as a sequence of `Record`, each made when it is asked for.

    Attributes:
        folders: Where pictures lie, each folder once, see `data.sources.places`.
        folder: int32 [N], in which of them each lies.
        names: Bytes of their names there.
        colours: uint8 [N, 2, 3], hair and skin as RGB; 0 where they are unknown.
        has_colours: bool [N].
        tag_names: Tags that are true of any picture of the set that these were taken from.
        tags: Which of them are true of each.
    """

    folders: list[str]
    folder: np.ndarray
    names: Ragged
    colours: np.ndarray
    has_colours: np.ndarray
    tag_names: list[str]
    tags: Ragged

    def __len__(self) -> int:
        return len(self.folder)

    @overload
    def __getitem__(self, key: int) -> Record: ...
    @overload
    def __getitem__(self, key: slice) -> Records: ...
    def __getitem__(self, key: int | slice) -> Record | Records:
        if isinstance(key, slice):
            return self.take(key)
        colours = tags = None
        if self.has_colours[key]:
            colours = Colors(*map(tuple, self.colours[key].tolist()))
        if self.tags.length[key] != _UNKNOWN:
            tags = frozenset(self.tag_names[number] for number in self.tags[key].tolist())
        return Record(self.path(key), colours, tags)

    def __iter__(self) -> Iterator[Record]:
        return map(self.__getitem__, range(len(self)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        pairs = zip(self, other, strict=False)
        return len(self) == len(other) and all(ours == theirs for ours, theirs in pairs)

    @property
    def has_tags(self) -> np.ndarray:
        """Of which pictures anybody has said what is true, bool [N]."""
        return np.asarray(self.tags.length != _UNKNOWN)

    @property
    def paths(self) -> Paths:
        """All files, each path made when it is asked for."""
        return Paths(self)

    def path(self, row: int) -> Place:
        """Return where one picture is."""
        return located(self.folders[self.folder[row]], os.fsdecode(self.names[row].tobytes()))

    def places(self, folders: Sequence[str] | None = None) -> Iterator[str]:
        """Yield the files as texts; `folders` replace their folders, one each."""
        folders = self.folders if folders is None else folders
        for row, folder in enumerate(self.folder.tolist()):
            yield os.path.join(folders[folder], os.fsdecode(self.names[row].tobytes()))

    def take(self, rows: np.ndarray | Sequence[int] | slice) -> Records:
        """Return a choice of the pictures: rows, a mask of all, or a slice."""
        if not isinstance(rows, slice):
            rows = np.asarray(rows)
            rows = rows if rows.size else slice(0)
        return replace(
            self,
            folder=self.folder[rows],
            names=self.names.take(rows),
            colours=self.colours[rows],
            has_colours=self.has_colours[rows],
            tags=self.tags.take(rows),
        )

    def has(self, tag: str) -> np.ndarray:
        """Return of which pictures a tag is known to be true, bool [N]."""
        if tag not in self.tag_names:
            return np.zeros(len(self), bool)
        return self.tags.has(self.tag_names.index(tag))

    def all_tags(self) -> frozenset[str]:
        """Return every tag that is true of one of these pictures."""
        return frozenset(tag for tag in self.tag_names if self.has(tag).any())

    def with_colours(self, rows: Sequence[int], found: Sequence[Colors]) -> Records:
        """Return the same pictures, those in `rows` with other colours."""
        colours, known = self.colours.copy(), self.has_colours.copy()
        if len(rows):
            colours[rows] = [(each.hair, each.skin) for each in found]
            known[rows] = True
        return replace(self, colours=colours, has_colours=known)

    @classmethod
    def joined(cls, parts: Sequence[Records]) -> Records:
        """Return the pictures of several sets, one after another."""
        if len(parts) == 1:
            return parts[0]
        folders: list[str] = []
        numbers: dict[str, int] = {}
        rows, tags = [np.empty(0, np.int32)], [Ragged(*np.empty((3, 0), np.int32))]
        for part in parts:
            rows.append(part.folder + np.int32(len(folders)))
            folders += part.folders
            new = [numbers.setdefault(name, len(numbers)) for name in part.tag_names]
            tags.append(replace(part.tags, numbers=np.array(new, np.int32)[part.tags.numbers]))
        return cls(
            folders,
            np.concatenate(rows),
            Ragged.joined([_NO_NAMES, *(part.names for part in parts)]),
            np.concatenate([_NO_COLOURS, *(part.colours for part in parts)]),
            np.concatenate([np.empty(0, bool), *(part.has_colours for part in parts)]),
            list(numbers),
            Ragged.joined(tags),
        )


_NO_NAMES = Ragged(np.empty(0, np.uint8), *np.empty((2, 0), np.int32))
_NO_COLOURS = np.empty((0, 2, 3), np.uint8)


class Paths(Sequence[Place]):
    """The files of `Records`."""

    def __init__(self, records: Records) -> None:
        self._records = records

    def __len__(self) -> int:
        return len(self._records)

    @overload
    def __getitem__(self, key: int) -> Place: ...
    @overload
    def __getitem__(self, key: slice) -> Paths: ...
    def __getitem__(self, key: int | slice) -> Place | Paths:
        return Paths(self._records[key]) if isinstance(key, slice) else self._records.path(key)


class Builder:
    """Takes in the pictures of a set, in order, for the price of their bytes."""

    def __init__(self) -> None:
        self._folders: dict[str, int] = {}
        self._tag_numbers: dict[str, int] = {}
        self._folder, self._colours, self._known = array("i"), bytearray(), bytearray()
        self._names, self._lengths = bytearray(), array("i")
        self._tags, self._counts = array("i"), array("i")

    def add(
        self,
        folder: str,
        name: str,
        colors: Colors | None = None,
        tags: Iterable[str] | None = None,
    ) -> None:
        """Add a picture; colours and tags are None where they are unknown."""
        self._folder.append(self._folders.setdefault(folder, len(self._folders)))
        encoded = os.fsencode(name)
        self._names += encoded
        self._lengths.append(len(encoded))
        self._colours += bytes((*colors.hair, *colors.skin)) if colors else bytes(6)
        self._known.append(colors is not None)
        numbers = [self._tag_numbers.setdefault(t, len(self._tag_numbers)) for t in tags or ()]
        self._tags.extend(numbers)
        self._counts.append(_UNKNOWN if tags is None else len(numbers))

    def build(self) -> Records:
        """Return what was added."""
        return Records(
            list(self._folders),
            np.array(self._folder, np.int32),
            _ragged(np.frombuffer(bytes(self._names), np.uint8), self._lengths),
            np.frombuffer(bytes(self._colours), np.uint8).reshape(-1, 2, 3),
            np.frombuffer(bytes(self._known), bool),
            list(self._tag_numbers),
            _ragged(np.array(self._tags, np.int32), self._counts),
        )


def _ragged(numbers: np.ndarray, lengths: array[int]) -> Ragged:
    length = np.array(lengths, np.int32)
    there = np.maximum(length, 0)
    return Ragged(numbers, np.cumsum(there, dtype=np.int64) - there, length)


def as_records(records: Sequence[Any]) -> Records:
    """Return pictures as columns, whatever holds them."""
    if isinstance(records, Records):
        return records
    builder = Builder()
    for record in records:
        builder.add(*divided(record.path), record.colors, record.tags)
    return builder.build()
