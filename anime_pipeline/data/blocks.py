"""A large set's pictures in blocks, each a file of its own: built in any order, by several at once.

A block is an entry as `data.entry` writes it, of some thousand files that follow each other in the
list. It is there as a whole or not at all, so a kill loses the one that was being written, and
shards on several machines with one disk build different ones. Once all are there and were read back
as they were written, an index says so, and the pictures are used where they lie.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from anime_pipeline.core.errors import DataError
from anime_pipeline.core.files import MAX_DOCUMENT_BYTES, read_regular
from anime_pipeline.core.storage import atomic_write_json
from anime_pipeline.data.duplicates import Progress
from anime_pipeline.data.entry import Entry, Store, Wanted, build_entry, read_entry, store_of
from anime_pipeline.data.records import Records

SINGLE = 2**15  # pictures up to which a set is one file, unless it was prepared in blocks
LEAST = 1024  # pictures a block: a second's work, and what a kill may lose
MOST_BLOCKS = 128  # each is held open twice while it is mapped
INDEX = "index.json"


class Blocks:
    """The blocks of one list of files.

    Attributes:
        folder: Where they are.
        starts: The position of each block's first file.
    """

    def __init__(self, folder: Path, records: Records, wanted: Wanted) -> None:
        """Lay out blocks; nothing is read or written."""
        self.folder, self._records, self._wanted = folder, records, wanted
        self._size = max(LEAST, -(-len(records) // MOST_BLOCKS))
        self.starts = range(0, len(records), self._size)

    def path(self, number: int) -> Path:
        """Return the file of a block."""
        return self.folder / f"{number:03d}-of-{len(self.starts):03d}.npy"

    def missing(self) -> list[int]:
        """Return the blocks that are not there."""
        return [n for n in range(len(self.starts)) if not self.path(n).exists()]

    def of_shard(self, shard: int, shards: int) -> range:
        """Return the blocks that a shard, counted from 1, is to build."""
        return range(shard - 1, len(self.starts), shards)

    def build(
        self, numbers: Sequence[int], progress: Progress | None = None, workers: int = 0
    ) -> None:
        """Build blocks, one after another; those that are there by their turn are left alone.

        Args:
            numbers: Which.
            progress: Called with (done, total) files of these blocks.
            workers: Decoding threads; 0: as many as this process may use cores.

        Raises:
            PipelineError: If the disk is too full.
        """
        lengths = [len(self._records[s : s + self._size]) for s in self.starts]
        total, before = sum(lengths[number] for number in numbers), 0
        for number in numbers:

            def advance(done: int, _: int, before: int = before) -> None:
                if progress:
                    progress(before + done, total)

            start = self.starts[number]
            paths = self._records[start : start + self._size].paths
            if not self.path(number).exists():
                build_entry(self.path(number), paths, self._wanted, advance, workers)
            before += lengths[number]

    def read(self) -> tuple[list[Entry], list[int]]:
        """Return the blocks that are whole, and the numbers of those that are not or not there.

        A block is read in full once, when all are there; from then on its size and time must be
        those that the index knows.
        """
        known = self._known()
        entries, damaged, facts = [], [], {}
        for number, start in enumerate(self.starts):
            path = self.path(number)
            fact = _fact(path)
            entry = read_entry(path, checked=fact is not None and known.get(path.name) == fact)
            if entry is None:
                damaged.append(number)
            else:
                entries.append(replace(entry, kept=entry.kept + start))
                facts[path.name] = fact
        if not damaged and facts != known:
            about = asdict(self._wanted) | {"files": len(self._records)}
            atomic_write_json(self.folder / INDEX, about | {"blocks": facts})
        return entries, damaged

    def _known(self) -> dict[str, Any]:
        try:
            document = json.loads(read_regular(self.folder / INDEX, MAX_DOCUMENT_BYTES))
            known = document["blocks"]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return {}
        return known if isinstance(known, dict) else {}

    def forget_transient(self, entries: Sequence[Entry]) -> None:
        """Delete blocks with files that may be readable another time: they are tried again then."""
        for number, entry in enumerate(entries):
            if entry.transient:
                self.path(number).unlink(missing_ok=True)


def _fact(path: Path) -> list[int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns]


def load(
    folder: Path,
    records: Records,
    wanted: Wanted,
    progress: Progress | None,
    workers: int,
    warn: Callable[[str], None] | None,
) -> Store:
    """Return a set that is kept in blocks, after building those that are missing or damaged.

    Args:
        folder: Of the blocks.
        records: The files.
        wanted: How they are decoded.
        progress: Called with (done, total) while decoding.
        workers: Decoding threads; 0: as many as this process may use cores.
        warn: Told of damaged blocks.

    Raises:
        DataError: If blocks vanish, or the disk does not give back what was written.
    """
    blocks = Blocks(folder, records, wanted)
    blocks.build(blocks.missing(), progress, workers)
    entries, damaged = blocks.read()
    if damaged:
        for number in damaged:
            if warn:
                path = blocks.path(number)
                warn(f"Warning: the picture cache {path} is damaged; reading its pictures again.")
            blocks.path(number).unlink(missing_ok=True)
        blocks.build(damaged, progress, workers)
        entries, damaged = blocks.read()
    if damaged:
        raise DataError(
            f"Blocks of the cache in {folder} vanished, or its disk does not give back what was "
            "written; try again. If it comes back, set $ANIME_PIPELINE_CACHE to a folder on "
            "another disk."
        )
    blocks.forget_transient(entries)
    return store_of(entries, records)
