"""The array store: every usable picture decoded once, fitted and kept in memory-mapped files.

The cache key covers all settings and each file's path, size and modification time (of an object the
state that its store tells, of a tar's member its place and the tar's state), so a changed folder is
decoded anew, and so is one whose entry is damaged. Two processes may build the same entry at once:
they write the same bytes. Large sets are kept in blocks, see `data.blocks`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from anime_pipeline.core.config import Fit
from anime_pipeline.core.errors import DataError
from anime_pipeline.core.storage import cache_folder
from anime_pipeline.data import blocks
from anime_pipeline.data.dataset import Dataset
from anime_pipeline.data.duplicates import Progress, cached_groups
from anime_pipeline.data.entry import Store as Store
from anime_pipeline.data.entry import Wanted, build_entry, read_entry, store_of
from anime_pipeline.data.records import Records
from anime_pipeline.data.sources.places import Root
from anime_pipeline.data.splits import Split, split_by_content

# Raise when decoding or fitting changes, so that old entries are not used.
FORMAT_VERSION = 7


def load_store(
    datasets: Dataset | Sequence[Dataset],
    size: int,
    fit: Fit = "crop",
    min_side: int = 1,
    progress: Progress | None = None,
    workers: int = 0,
    warn: Callable[[str], None] | None = None,
) -> Store:
    """Return datasets as arrays, from the cache where nothing has changed.

    Args:
        datasets: Pictures to decode; several become one entry of the cache, in order, because
            arrays in one file can stay there, and arrays in several would be copied to memory.
        size: Side of the fitted squares in pixels.
        fit: How non-square pictures become square.
        min_side: Pictures with a shorter side than this are skipped, with the reason.
        progress: Called with (done, total) while decoding.
        workers: Decoding threads; 0: as many as this process may use cores.
        warn: Told where the cache is damaged and the pictures are decoded anew.

    Returns:
        The store; empty if no picture is usable, see `require_pictures`.

    Raises:
        DataError: If another process deletes the entry while it is read, or the disk does not give
            back what was written.
    """
    datasets = [datasets] if isinstance(datasets, Dataset) else datasets
    records = Records.joined([dataset.records for dataset in datasets])
    wanted = Wanted(size, fit, min_side)
    key = cache_key(records, wanted)
    single, folder = entry_paths(key)
    if len(records) > blocks.SINGLE or (not single.exists() and folder.is_dir()):
        return blocks.load(folder, records, wanted, progress, workers, warn)
    found = read_entry(single)
    if found is None:
        if warn and single.exists():
            warn(f"Warning: the picture cache {single} is damaged; reading the pictures again.")
        build_entry(single, records.paths, wanted, progress, workers)
        found = read_entry(single)
    if found is None:
        raise DataError(
            f"The cache entry {single} vanished, or its disk does not give back what was written; "
            "try again. If it comes back, set $ANIME_PIPELINE_CACHE to a folder on another disk."
        )
    if found.transient:
        # Whatever could not be read this time is tried again the next time.
        single.unlink(missing_ok=True)
    return store_of([found], records)


@dataclass(frozen=True)
class Prepared:
    """What there is of a set's cache after some of it was built.

    Attributes:
        place: Its file or its folder.
        files: How many pictures it is to hold, if all can be used.
        blocks: In how many blocks.
        built: Those that were built now.
        missing: Those that are not there.
        store: The pictures, if nothing is missing.
    """

    place: Path
    files: int
    blocks: int
    built: list[int]
    missing: list[int]
    store: Store | None

    def missing_shards(self, shards: int) -> list[int]:
        """Return the shards, counted from 1, that the missing blocks belong to."""
        return sorted({number % shards + 1 for number in self.missing})


def prepare_store(
    datasets: Sequence[Dataset],
    wanted: Wanted,
    shard: int = 1,
    shards: int = 1,
    progress: Progress | None = None,
    workers: int = 0,
    warn: Callable[[str], None] | None = None,
) -> Prepared:
    """Build a shard of a set's cache in blocks; with the last of all shards, open the whole.

    Args:
        datasets: Pictures to decode, as in `load_store`.
        wanted: How.
        shard: Which part, from 1.
        shards: Of how many.
        progress: Called with (done, total) while decoding.
        workers: Decoding threads; 0: as many as this process may use cores.
        warn: Told of damaged blocks, which are built anew.

    Raises:
        DataError: If what was written is not given back.
        PipelineError: If the disk is too full.
    """
    records = Records.joined([dataset.records for dataset in datasets])
    single, folder = entry_paths(cache_key(records, wanted))
    layout = blocks.Blocks(folder, records, wanted)
    total = len(layout.starts)
    if single.exists() and not folder.is_dir() and len(records) <= blocks.SINGLE:
        store = load_store(datasets, wanted.size, wanted.fit, wanted.min_side, progress, workers)
        return Prepared(single, len(records), 1, [], [], store)
    absent = set(layout.missing())
    mine = [number for number in layout.of_shard(shard, shards) if number in absent]
    layout.build(mine, progress, workers)
    missing = layout.missing()
    whole = None if missing else blocks.load(folder, records, wanted, progress, workers, warn)
    return Prepared(folder, len(records), total, mine, missing, whole)


def entry_paths(key: str) -> tuple[Path, Path]:
    """Return where the pictures of a key are kept: in one file, or in a folder of blocks."""
    path = cache_folder() / f"pictures-{key}"
    return path.with_suffix(".npy"), path


def split_store(store: Store, train_count: int = 0) -> Split:
    """Divide a store's pictures, near-duplicates together; see `splits.split_by_content`."""
    return split_by_content(store.hashes, cached_groups(store.thumbnails), train_count)


def cache_key(records: Records, wanted: Wanted) -> str:
    """Return what an entry is found by: a hash of its files' places, sizes and times."""
    facts = f"{FORMAT_VERSION} {wanted.size} {wanted.fit} {wanted.min_side}"
    digest = hashlib.sha256(facts.encode())
    here = os.getcwd()
    for path in records.places():
        if "\0" in path:  # what it is known by is in the text
            digest.update(b"\n" + path.encode("utf-8", "surrogateescape"))
            continue
        place = os.path.join(here, path)
        try:
            status = os.stat(place)
            fact = f"{place}\0{status.st_size}\0{status.st_mtime_ns}"
        except OSError:
            fact = f"{place}\0gone"
        digest.update(b"\n" + fact.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:32]


def require_pictures(store: Store, roots: Sequence[Root]) -> Store:
    """Return the store if it holds a picture.

    Raises:
        DataError: If it does not; says what was searched and why pictures were refused.
    """
    if len(store.images):
        return store
    skipped = store.skipped
    shown = "; ".join(f"{item.path}: {item.reason}" for item in skipped[:5])
    more = f" (and {len(skipped) - 5} more)" if len(skipped) > 5 else ""
    raise DataError(
        f"0 usable pictures in {', '.join(map(str, roots))}: {len(skipped)} picture file(s) found, "
        f"all refused. {shown}{more}. Give other pictures, or a smaller size where the command has "
        "one (--hr-size)."
    )
