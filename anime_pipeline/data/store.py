"""The array store: every usable picture decoded once, fitted and kept as one memory-mapped file.

The cache key covers each file's path, size and modification time and all settings, so a changed
folder is decoded anew, and so is one whose entry is damaged. Two processes may build the same entry
at once: they write the same bytes.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from anime_pipeline.core.config import Fit
from anime_pipeline.core.errors import DataError
from anime_pipeline.core.storage import cache_folder
from anime_pipeline.data.dataset import Dataset
from anime_pipeline.data.duplicates import Progress, cached_groups
from anime_pipeline.data.entry import Store as Store
from anime_pipeline.data.entry import Wanted, build_entry, read_entry
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
    everything = [record for dataset in datasets for record in dataset.records]
    paths = [record.path for record in everything]
    wanted = Wanted(size, fit, min_side)
    path = cache_folder() / f"pictures-{_cache_key(paths, wanted)}.npy"
    found = read_entry(path, everything)
    if found is None:
        if warn and path.exists():
            warn(f"Warning: the picture cache {path} is damaged; reading the pictures again.")
        build_entry(path, paths, wanted, progress, workers)
        found = read_entry(path, everything)
    if found is None:
        raise DataError(
            f"The cache entry {path} vanished, or its disk does not give back what was written; "
            "try again. If it comes back, set $ANIME_PIPELINE_CACHE to a folder on another disk."
        )
    store, transient = found
    if transient:
        # Whatever could not be read this time is tried again the next time.
        path.unlink(missing_ok=True)
    return store


def split_store(store: Store, train_count: int = 0) -> Split:
    """Divide a store's pictures, near-duplicates together; see `splits.split_by_content`."""
    return split_by_content(store.hashes, cached_groups(store.thumbnails), train_count)


def _cache_key(paths: list[Path], wanted: Wanted) -> str:
    facts = [f"{FORMAT_VERSION} {wanted.size} {wanted.fit} {wanted.min_side}"]
    here = os.getcwd()
    for path in paths:
        place = os.path.join(here, path)
        try:
            status = os.stat(place)
            facts.append(f"{place}\0{status.st_size}\0{status.st_mtime_ns}")
        except OSError:
            facts.append(f"{place}\0gone")
    listing = "\n".join(facts).encode("utf-8", "surrogateescape")
    return hashlib.sha256(listing).hexdigest()[:32]


def require_pictures(store: Store, roots: Sequence[Path]) -> Store:
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
