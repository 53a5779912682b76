"""One cache entry: every usable picture of a list decoded, fitted and written to a single file.

The file is a `.npy` array of the pictures, [n, size, size, 3], that can be memory-mapped, followed
by the smaller arrays as `numpy.save` writes them and the CRC-32 of all that, four bytes, so that
nobody trains on what a disk or a stray write changed. It is written as decoding goes on, to a
temporary that is locked meanwhile and renamed when complete, so memory stays small and nothing is
ever half an entry; what a killed process left is swept by the next that builds.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import math
import os
import threading
import zlib
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from anime_pipeline.core.arrays import UNREADABLE
from anime_pipeline.core.config import Fit
from anime_pipeline.core.errors import DataError
from anime_pipeline.core.files import MAX_PICTURE_BYTES, open_regular
from anime_pipeline.core.storage import atomic_write, require_free, sweep_temporaries
from anime_pipeline.data.duplicates import THUMBNAIL_SHAPE, Progress, thumbnail
from anime_pipeline.data.parallel import in_order
from anime_pipeline.data.records import Records
from anime_pipeline.data.sources.places import Place
from anime_pipeline.data.sources.reading import read_each, threads_for
from anime_pipeline.images.codec import decode, fit_square
from anime_pipeline.images.files import Skipped
from anime_pipeline.images.plain import decode_plain
from anime_pipeline.images.rows import Joined, Pictures

_NPY_START = 10  # bytes before a `.npy` file's header, the last two of which give its length
_CHECKSUM_BYTES = 4
_CHECKED_AT_ONCE = 2**24

# Beside each picture: its thumbnail, the beginning of its hash, height and width, and its position.
_COLUMNS = ((np.uint8, THUMBNAIL_SHAPE), (np.uint64, ()), (np.int32, (2,)), (np.int64, ()))
_PICTURES_A_TASK = 16  # handing over one at a time would take as long as decoding it


@dataclass(frozen=True)
class Wanted:
    """How pictures are decoded: side of the squares in pixels, fit, and the least short side."""

    size: int
    fit: Fit
    min_side: int


@dataclass(frozen=True)
class Store:
    """Decoded pictures of a dataset.

    Attributes:
        images: uint8 [N, size, size, 3], RGB; memory-mapped, and of a large set several files.
        hashes: uint64 [N], leading bytes of each file's sha256.
        sizes: int32 [N, 2], height and width of each file before fitting.
        thumbnails: uint8 [N, 16, 16, 3], for finding near-duplicates.
        records: the picture behind each row.
        skipped: files that could not be used, with reasons.
    """

    images: Pictures
    hashes: np.ndarray
    sizes: np.ndarray
    thumbnails: Pictures
    records: Records
    skipped: list[Skipped]


@dataclass(frozen=True)
class Entry:
    """What a file of the cache holds: the arrays of a `Store`, and which pictures they are of.

    Attributes:
        kept: int64 [N], positions in the list of files that was decoded.
        transient: Whether what was skipped might be readable another time.
    """

    images: np.ndarray
    thumbnails: np.ndarray
    hashes: np.ndarray
    sizes: np.ndarray
    kept: np.ndarray
    skipped: list[Skipped]
    transient: bool


class _Decoded:
    """What became of a few files, in their order."""

    def __init__(self) -> None:
        self.images: list[np.ndarray] = []
        self.rows: list[tuple[Any, ...]] = []  # of each picture, as in `_COLUMNS`
        self.skipped: list[Skipped] = []
        self.transient = False

    def add(self, position: int, path: Place, content: bytes | OSError, wanted: Wanted) -> None:
        """Decode what was read of a picture, or note why it cannot be used."""
        try:
            if isinstance(content, OSError):
                raise content
            picture = decode_plain(content)
            picture = decode(content) if picture is None else picture
        except (OSError, DataError) as error:
            self.skipped.append(Skipped.because(path, error))
            # A link to nothing is known by the entry's key, and so is the file that appears there.
            self.transient |= isinstance(error, OSError) and error.errno != errno.ENOENT
            return
        height, width = picture.shape[:2]
        if min(height, width) < wanted.min_side:
            reason = f"{width}x{height}: short side below the {wanted.min_side} px needed"
            self.skipped.append(Skipped(str(path), reason))
            return
        self.images.append(fit_square(picture, wanted.size, wanted.fit))
        digest = int.from_bytes(hashlib.sha256(content).digest()[:8], "big")
        self.rows.append((thumbnail(picture), digest, (height, width), position))

    def extend(self, others: _Decoded) -> None:
        """Append everything but the pictures."""
        self.rows += others.rows
        self.skipped += others.skipped
        self.transient |= others.transient


def read_entry(path: Path, checked: bool = False) -> Entry | None:
    """Return what a file of the cache holds.

    Args:
        path: The file.
        checked: Whether its content is known to be what was written, so that not all of it has to
            be read now.

    Returns:
        Its content; None if it is missing, or any byte of it is not as it was written.
    """
    try:
        with open_regular(path) as file:
            np.lib.format.read_magic(file)  # or all of some giant would be summed up first
            if not checked and not _is_whole(file):
                return None
            file.seek(0)
            images, thumbnails = _mapped(file), _mapped(file)
            hashes, sizes, kept, notes = (np.load(file, allow_pickle=False) for _ in range(4))
        facts = json.loads(notes.tobytes())
        skipped = [Skipped(*item) for item in facts["skipped"]]
        if not len(images) == len(thumbnails) == len(hashes) == len(sizes) == len(kept):
            return None
        transient = bool(facts["transient"])
        return Entry(images, thumbnails, hashes, sizes, kept, skipped, transient)
    except UNREADABLE:
        return None


def store_of(entries: Sequence[Entry], records: Records) -> Store:
    """Return entries that follow each other as one store; `kept` counts through `records`."""
    held = [entry for entry in entries if len(entry.images)] or entries[:1]
    images, thumbnails = ([getattr(e, name) for e in held] for name in ("images", "thumbnails"))
    return Store(
        images[0] if len(held) == 1 else Joined(images),
        np.concatenate([entry.hashes for entry in held]),
        np.concatenate([entry.sizes for entry in held]),
        thumbnails[0] if len(held) == 1 else Joined(thumbnails),
        records.take(np.concatenate([entry.kept for entry in held])),
        [item for entry in entries for item in entry.skipped],
    )


def _is_whole(file: IO[bytes]) -> bool:
    """Compare the content with its checksum, at the speed of memory: gigabytes a second."""
    # Read, not mapped: what has been looked at of a mapped file counts as the process' memory.
    end = os.fstat(file.fileno()).st_size - _CHECKSUM_BYTES
    file.seek(0)
    body = _NPY_START + int.from_bytes(file.read(_NPY_START)[-2:], "little")
    if end < body:
        return False
    file.seek(body)
    checksum = 0
    for start in range(body, end, _CHECKED_AT_ONCE):
        checksum = zlib.crc32(file.read(min(_CHECKED_AT_ONCE, end - start)), checksum)
    expected = int.from_bytes(file.read(_CHECKSUM_BYTES), "little")
    file.seek(0)
    return zlib.crc32(file.read(body), checksum) == expected


class _Summing:
    """A file that is written to, and the CRC-32 of what was."""

    def __init__(self, file: IO[bytes], checksum: int) -> None:
        self.file = file
        self.checksum = checksum

    def write(self, content: bytes | memoryview) -> int:
        self.checksum = zlib.crc32(content, self.checksum)
        return self.file.write(content)


def _mapped(file: IO[bytes]) -> np.ndarray:
    """Map the array that begins here into memory and go on to its end."""
    np.lib.format.read_magic(file)
    shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    if not shape[0]:
        return np.zeros(shape, dtype)  # nothing cannot be mapped
    array = np.memmap(file, dtype, mode="r", offset=file.tell(), shape=shape)
    file.seek(array.offset + array.nbytes)
    return array


def build_entry(
    path: Path,
    pictures: Sequence[Place],
    wanted: Wanted,
    progress: Progress | None = None,
    workers: int = 0,
) -> None:
    """Decode on all cores and write the entry; its bytes do not depend on how many there are.

    Args:
        path: The entry's file; its folder is made if missing.
        pictures: What to decode, in order.
        wanted: How.
        progress: Called with (done, total).
        workers: Number of threads; 0: as many as this process may use cores, or more that wait.

    Raises:
        DataError: If a store cannot be reached any more.
        PipelineError: If the disk is too full.
    """
    row_bytes = wanted.size**2 * 3 + math.prod(THUMBNAIL_SHAPE)
    require_free(path.parent, len(pictures) * row_bytes, "the decoded pictures")
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep_temporaries(path.parent, below=False)
    atomic_write(path, lambda file: _write(file, pictures, wanted, progress, workers))


def _write(
    file: IO[bytes],
    pictures: Sequence[Place],
    wanted: Wanted,
    progress: Progress | None,
    workers: int,
) -> None:
    stopped = threading.Event()

    def decode_some(start: int) -> _Decoded:
        some = _Decoded()
        places = pictures[start : start + _PICTURES_A_TASK]
        contents = read_each(places, MAX_PICTURE_BYTES)
        for position, (place, content) in enumerate(zip(places, contents, strict=True), start):
            if stopped.is_set():
                break
            some.add(position, place, content, wanted)
        return some

    whole = _Decoded()
    image_shape = (wanted.size, wanted.size, 3)
    _write_header(file, (len(pictures), *image_shape))
    body = _Summing(file, 0)
    starts = range(0, len(pictures), _PICTURES_A_TASK)
    with in_order(decode_some, starts, threads_for(pictures, workers)) as results:
        try:
            for some in results:
                for image in some.images:
                    body.write(np.ascontiguousarray(image).data)
                whole.extend(some)
                if progress:
                    progress(len(whole.rows) + len(whole.skipped), len(pictures))
        finally:
            stopped.set()
    for place, (dtype, shape) in enumerate(_COLUMNS):
        column = np.array([row[place] for row in whole.rows], dtype)
        np.save(body, column.reshape(-1, *shape))  # which needs nothing of a file but `write`
    notes = json.dumps({"skipped": [*map(astuple, whole.skipped)], "transient": whole.transient})
    np.save(body, np.frombuffer(notes.encode(), np.uint8))
    # How many pictures there are is known only now, so the checksum takes the header last.
    header = io.BytesIO()
    _write_header(header, (len(whole.rows), *image_shape))
    checksum = zlib.crc32(header.getvalue(), body.checksum)
    file.write(checksum.to_bytes(_CHECKSUM_BYTES, "little"))
    file.seek(0)
    file.write(header.getvalue())


def _write_header(file: IO[bytes], shape: tuple[int, ...]) -> None:
    """Begin a `.npy` array; NumPy leaves room for any number of rows, so it can be written anew."""
    descr = np.lib.format.dtype_to_descr(np.dtype(np.uint8))
    header = {"descr": descr, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
