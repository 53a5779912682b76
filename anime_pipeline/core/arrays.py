"""Arrays on disk: what damaged files may raise, and the check that keeps bad numbers out.

An `.npz` is a zip of `.npy` members, and both say how large they are before they are read. Neither
is believed: what a file claims is compared with what it may hold first.
"""

from __future__ import annotations

import io
import json
import math
import os
import tokenize
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from anime_pipeline.core.errors import PipelineError
from anime_pipeline.core.files import MAX_DOCUMENT_BYTES, in_units, open_regular

# What reading damaged bytes as a zip of arrays may raise.
UNREADABLE = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    EOFError,
    RuntimeError,
    MemoryError,  # a header that claims more than there is
    OverflowError,  # one that claims what no number holds
    SyntaxError,  # NumPy's headers are Python literals
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)

PIECE_BYTES = 2**20  # read at once; a zip's directory of that size names 20,000 members
# Of an array of numbers with up to 8 sides. NumPy reads it as a Python literal, which takes long
# where it is long.
LONGEST_HEADER = 512
MOST_MEMBERS = 20_000
METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}  # NumPy writes no others


@dataclass(frozen=True)
class Header:
    """What a member says of itself: shape and kind of its numbers, and where they begin."""

    shape: tuple[int, ...]
    dtype: np.dtype
    fortran: bool
    at: int

    @property
    def count(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)


class Arrays:
    """An open `.npz`: its headers are known, and nothing else was read.

    Attributes:
        path: Its file.
        headers: By name.
        inflates: Whether any member is compressed, and so may be far larger than the file.
    """

    def __init__(self, path: Path, archive: zipfile.ZipFile, compressed: bool) -> None:
        self.path = path
        self._archive = archive
        members = archive.infolist()
        if len(members) > MOST_MEMBERS:
            raise ValueError(f"it has {len(members):,} members, where a few hundred are expected")
        for member in members:
            if member.compress_type not in METHODS or (member.compress_type and not compressed):
                raise ValueError(f"{member.filename[:80]} is compressed in a way that is not used")
        self._members = {member.filename.removesuffix(".npy"): member for member in members}
        if len(self._members) < len(members):
            raise ValueError("two members have one name")
        self.inflates = any(member.compress_type for member in members)
        self.headers = {name: self._header(name) for name in self._members}

    def _header(self, name: str) -> Header:
        member = self._members[name]
        with self._archive.open(member) as file:
            version = np.lib.format.read_magic(file)
            start = io.BytesIO(file.read(LONGEST_HEADER))
        read = {(1, 0): np.lib.format.read_array_header_1_0}.get(
            version, np.lib.format.read_array_header_2_0
        )
        shape, fortran, dtype = read(start, max_header_size=LONGEST_HEADER)
        at = np.lib.format.MAGIC_LEN + start.tell()
        if dtype.kind not in "fiub" or not all(0 <= side < 2**40 for side in shape):
            raise ValueError(f"{name[:80]} is no array of numbers")
        claimed = math.prod(shape) * dtype.itemsize
        if claimed != member.file_size - at:
            raise ValueError(
                f"{name[:80]} claims {in_units(claimed)}, and its member is of "
                f"{in_units(member.file_size - at)}"
            )
        return Header(tuple(shape), dtype, fortran, at)

    def require_at_most(self, count: int, *besides: str) -> None:
        """Refuse a file that claims more than `count` numbers, members `besides` left out.

        Raises:
            ValueError: If it does.
        """
        claimed = sum(
            header.count * max(1, header.dtype.itemsize // 4)  # float64 takes twice as much to read
            for name, header in self.headers.items()
            if name not in besides
        )
        if claimed > count:
            raise ValueError(f"it claims {claimed:,} numbers, where no more than {count:,} can be")

    def read(self, *names: str) -> dict[str, np.ndarray]:
        """Read some arrays, or all."""
        return dict(self.read_each(names or self.headers))

    def read_each(self, names: Iterable[str]) -> Iterator[tuple[str, np.ndarray]]:
        """Yield some arrays one by one, with their names."""
        return ((name, self._array(name)) for name in names)

    def document(self, name: str) -> dict[str, Any]:
        """Read a member that holds bytes of JSON: an object that describes the others."""
        header = self.headers[name]
        if header.count * header.dtype.itemsize > MAX_DOCUMENT_BYTES:
            raise ValueError(f"{name[:80]} is too long to be a description")
        found = json.loads(self._array(name).tobytes())
        if not isinstance(found, dict):
            raise ValueError(f"{name[:80]} describes nothing")
        return found

    def _array(self, name: str) -> np.ndarray:
        header = self.headers[name]
        content = np.empty(header.count, header.dtype)
        target, done = content.view(np.uint8), 0
        with self._archive.open(self._members[name]) as file:
            file.read(header.at)
            while done < len(target):
                piece = file.read(min(PIECE_BYTES, len(target) - done))
                if not piece:
                    raise EOFError(f"{name[:80]} ends too early")
                target[done : done + len(piece)] = np.frombuffer(piece, np.uint8)
                done += len(piece)
            if file.read(1):  # to its end, where the checksum is compared
                raise ValueError(f"{name[:80]} is longer than it says")
        return content.reshape(header.shape, order="F" if header.fortran else "C")


class _InPieces(io.BufferedReader):
    """A file that refuses to be read in one large piece, such as a directory of a million names."""

    def read(self, size: int | None = -1) -> bytes:
        """Read at most `size` bytes, or to the end."""
        if size is None or size < 0:
            size = os.fstat(self.fileno()).st_size - self.tell()
        if size > PIECE_BYTES + 2**12:
            raise ValueError("its directory is larger than that of any file of arrays")
        return super().read(size)


@contextmanager
def open_arrays(path: Path, compressed: bool = True) -> Iterator[Arrays]:
    """Open an `.npz` and read its headers, whose claims are checked against its directory.

    Args:
        path: The file.
        compressed: Whether members may be compressed; whatever this package writes is not.

    Raises:
        UNREADABLE: If it is none, or does not agree with itself.
    """
    with open_regular(path) as plain:
        raw = io.FileIO(os.dup(plain.fileno()), "rb")
        with _InPieces(raw) as file, zipfile.ZipFile(file) as archive:
            yield Arrays(path, archive, compressed)


def check_finite(arrays: dict[str, np.ndarray]) -> None:
    """Refuse arrays that hold anything but finite numbers, so that no such file is ever written.

    Raises:
        PipelineError: Naming the first bad array.
    """
    for name, array in arrays.items():
        if array.dtype.kind not in "fiu" or not np.isfinite(array).all():
            raise PipelineError(
                f"{name} holds values that are no finite numbers, so nothing was written. If "
                "training diverged, the last saved state is whole: Start again with a smaller "
                "learning rate or another --loss."
            )
