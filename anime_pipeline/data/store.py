"""The array store: every usable picture decoded once, fitted and kept as one memory-mapped file.

The cache key covers each file's path, size and modification time and all settings, so a changed
folder is decoded anew. The array file is named after its content and the index, which names it, is
written last: two processes may build the same entry at once, and either index fits its array.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from anime_pipeline.core.config import Fit
from anime_pipeline.core.errors import DataError
from anime_pipeline.core.machine import usable_cores
from anime_pipeline.core.space import require_free
from anime_pipeline.core.storage import (
    atomic_write,
    atomic_write_json,
    cache_folder,
    sweep_temporaries,
)
from anime_pipeline.data.dataset import Dataset, Record
from anime_pipeline.data.duplicates import THUMBNAIL_PX, cached_groups, thumbnail
from anime_pipeline.data.splits import Split, split_by_content
from anime_pipeline.images.codec import decode, fit_square
from anime_pipeline.images.files import Skipped

# Raise when decoding or fitting changes, so that old entries are not used.
FORMAT_VERSION = 5

STALE_S = 86_400.0  # a temporary file this old belongs to a process that was killed

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Store:
    """Decoded pictures of a dataset.

    Attributes:
        images: uint8 [N, size, size, 3], RGB; memory-mapped, or a copy where stores were merged.
        hashes: uint64 [N], leading bytes of each file's sha256.
        sizes: int32 [N, 2], height and width of each file before fitting.
        thumbnails: uint8 [N, 16, 16, 3], for finding near-duplicates.
        records: the picture behind each row.
        skipped: files that could not be used, with reasons.
    """

    images: np.ndarray
    hashes: np.ndarray
    sizes: np.ndarray
    thumbnails: np.ndarray
    records: list[Record]
    skipped: list[Skipped]


def load_store(
    dataset: Dataset,
    size: int,
    fit: Fit = "crop",
    min_side: int = 1,
    progress: Progress | None = None,
) -> Store:
    """Return the dataset as arrays, from the cache where nothing has changed.

    Args:
        dataset: Pictures to decode.
        size: Side of the fitted squares in pixels.
        fit: How non-square pictures become square.
        min_side: Pictures with a shorter side than this are skipped, with the reason.
        progress: Called with (done, total) while decoding.

    Returns:
        The store; empty if no picture is usable, see `require_pictures`.
    """
    paths = [record.path for record in dataset.records]
    folder = cache_folder()
    index_path = folder / f"{_cache_key(paths, size, fit, min_side)}.json"
    entry = _read_entry(index_path, size)
    if entry is None:
        _build(paths, size, fit, min_side, index_path, progress)
        entry = _read_entry(index_path, size)
    if entry is None:
        raise DataError(f"The cache entry {index_path} vanished while it was read; try again.")
    index, rows = entry
    if index["transient"]:
        # Whatever could not be read this time is tried again the next time.
        index_path.unlink(missing_ok=True)
    skipped = [Skipped(**item) for item in index["skipped"]]
    kept = index["kept"]
    return Store(
        rows["image"],
        np.array(index["hashes"], np.uint64),
        np.array(index["sizes"], np.int32),
        rows["thumbnail"],
        [dataset.records[i] for i in kept],
        skipped,
    )


def _read_entry(index_path: Path, size: int) -> tuple[dict[str, Any], np.ndarray] | None:
    """Return a cache entry, or None if it is missing or not whole."""
    try:
        index: dict[str, Any] = json.loads(index_path.read_text(encoding="utf-8"))
        count = len(index["kept"])
        if not isinstance(index["transient"], bool) or len(index["hashes"]) != count:
            return None
        if not count:
            return index, np.zeros(0, _row_type(size))
        path = index_path.with_name(index["array"])
        return index, np.memmap(path, _row_type(size), mode="r", shape=(count,))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def split_store(store: Store, train_count: int = 0) -> Split:
    """Divide a store's pictures, near-duplicates together; see `splits.split_by_content`."""
    return split_by_content(store.hashes, cached_groups(store.thumbnails), train_count)


def _row_type(size: int) -> np.dtype[Any]:
    thumb = (THUMBNAIL_PX, THUMBNAIL_PX, 3)
    return np.dtype([("image", np.uint8, (size, size, 3)), ("thumbnail", np.uint8, thumb)])


def merge_stores(stores: list[Store]) -> Store:
    """Join several stores of the same picture size into one, in order."""
    if len(stores) == 1:
        return stores[0]
    return Store(
        np.concatenate([store.images for store in stores]),
        np.concatenate([store.hashes for store in stores]),
        np.concatenate([store.sizes for store in stores]),
        np.concatenate([store.thumbnails for store in stores]),
        [record for store in stores for record in store.records],
        [skip for store in stores for skip in store.skipped],
    )


def _cache_key(paths: list[Path], size: int, fit: str, min_side: int) -> str:
    digest = hashlib.sha256(f"{FORMAT_VERSION} {size} {fit} {min_side}".encode())
    for path in paths:
        try:
            status = path.stat()
            facts = f"{path.absolute()}\0{status.st_size}\0{status.st_mtime_ns}\n"
        except OSError:
            facts = f"{path.absolute()}\0gone\n"
        digest.update(facts.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:32]


@dataclass(frozen=True)
class _Decoded:
    row: bytes | None  # the fitted picture and its thumbnail, as in `_row_type`
    hash64: int = 0
    size: tuple[int, int] = (0, 0)
    reason: str = ""
    transient: bool = False


def _decode_one(path: Path, size: int, fit: Fit, min_side: int) -> _Decoded:
    try:
        content = path.read_bytes()
        picture = decode(content, "picture")
    except OSError as error:
        return _Decoded(None, reason=f"cannot be read ({error.strerror})", transient=True)
    except DataError as error:
        return _Decoded(None, reason=str(error).removeprefix("picture: "))
    height, width = picture.shape[:2]
    if min(height, width) < min_side:
        return _Decoded(None, reason=f"{width}x{height}: short side below the {min_side} px needed")
    hash64 = int.from_bytes(hashlib.sha256(content).digest()[:8], "big")
    row = fit_square(picture, size, fit).tobytes() + thumbnail(picture).tobytes()
    return _Decoded(row, hash64, (height, width))


def _build(
    paths: list[Path],
    size: int,
    fit: Fit,
    min_side: int,
    index_path: Path,
    progress: Progress | None,
) -> None:
    """Decode on all cores, writing rows one after another: memory stays small."""
    index: dict[str, Any] = {"kept": [], "hashes": [], "sizes": [], "skipped": []}
    digest = hashlib.sha256()
    transient = False

    def write(file: IO[bytes]) -> None:
        nonlocal transient
        with ThreadPoolExecutor(max_workers=usable_cores()) as pool:
            results = pool.map(lambda path: _decode_one(path, size, fit, min_side), paths)
            for position, (path, result) in enumerate(zip(paths, results, strict=True)):
                if result.row is None:
                    index["skipped"].append({"path": str(path), "reason": result.reason})
                    transient |= result.transient
                else:
                    file.write(result.row)
                    digest.update(result.row)
                    index["kept"].append(position)
                    index["hashes"].append(result.hash64)
                    index["sizes"].append(result.size)
                if progress:
                    progress(position + 1, len(paths))

    row_bytes = _row_type(size).itemsize
    require_free(index_path.parent, len(paths) * row_bytes, "the decoded pictures")
    sweep_temporaries(index_path.parent, older_than_s=STALE_S)
    building = index_path.with_name(f"{index_path.stem}-{os.getpid()}.building")
    try:
        atomic_write(building, write)
        index["array"] = f"{index_path.stem}-{digest.hexdigest()[:8]}.rgb"
        index["transient"] = transient
        os.replace(building, index_path.with_name(index["array"]))
    finally:
        building.unlink(missing_ok=True)
    atomic_write_json(index_path, index)


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
