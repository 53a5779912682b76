"""The benchmark's inputs as PNG files for other programs, and what those made of them."""

import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from anime_pipeline.core.errors import DataError, UsageError
from anime_pipeline.core.files import read_regular
from anime_pipeline.core.progress import Progress, counted, ignored
from anime_pipeline.core.storage import atomic_write_bytes
from anime_pipeline.images.codec import encode_png
from anime_pipeline.images.decoding.decoder import Decoder, read_rgb

NAMED = 5  # problems that an error spells out


def file_names(names: Sequence[str]) -> list[PurePosixPath]:
    """Return a path below any folder for each picture: its own, ending in .png.

    Pictures that differ in their ending alone keep it (`a.jpg.png`).

    Raises:
        UsageError: If two would still be called the same.
    """
    parts = [
        [part for part in PurePosixPath(name).parts if part not in ("/", "..")] for name in names
    ]
    inside = [PurePosixPath(*each) for each in parts]
    short = [path.with_suffix(".png") for path in inside]
    taken = Counter(short)
    paths = [
        name if taken[name] == 1 else path.with_name(f"{path.name}.png")
        for name, path in zip(short, inside, strict=True)
    ]
    if twice := [path for path, count in Counter(paths).items() if count > 1]:
        raise UsageError(
            f"Two pictures would both be called {twice[0]}. Rename one of the --data folders."
        )
    return paths


def write_inputs(
    folder: Path,
    names: Sequence[str],
    lr_images: np.ndarray,
    overwrite: bool = False,
    progress: Progress = ignored,
) -> None:
    """Write LR pictures as PNG files.

    Args:
        folder: Where to; made if missing.
        names: A name per picture.
        lr_images: uint8 [N, H, W, 3].
        overwrite: Replace files that hold something else.
        progress: Called with (done, total).

    Raises:
        UsageError: If a file is there that holds something else.
    """
    contents = dict(zip(file_names(names), map(encode_png, lr_images), strict=True))
    for path, content in contents.items():
        target = folder / path
        if not overwrite and os.path.lexists(target) and not _holds(target, content):
            raise UsageError(
                f"{target} is there and holds something else. Choose another --write-lr, or pass "
                "--overwrite."
            )
    for path, content in counted(list(contents.items()), progress):
        atomic_write_bytes(folder / path, content)


def _holds(path: Path, content: bytes) -> bool:
    try:
        return read_regular(path, len(content)) == content  # more is something else, unread
    except OSError:
        return False


def read_results(folder: Path, names: Sequence[str], size_px: int) -> np.ndarray:
    """Read another program's results.

    Args:
        folder: Holds a PNG file per picture, called like its input.
        names: A name per picture.
        size_px: Side that each must have.

    Returns:
        uint8 [N, size_px, size_px, 3], RGB; transparency is laid over white.

    Raises:
        DataError: If the folder or a file is missing, unreadable or of another size.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder. Name one that holds another program's results.")
    images, problems = [], []
    with Decoder() as decoder:
        for path in file_names(names):
            image, problem = _read(folder / path, size_px, decoder)
            if problem:
                problems.append(f"{path} ({problem})")
            images.append(image)
    if problems:
        named = "; ".join(problems[:NAMED])
        more = f"; and {len(problems) - NAMED} more" if len(problems) > NAMED else ""
        raise DataError(
            f"{folder}: {len(problems)} of {len(names)} results cannot be used: {named}{more}. "
            f"Expected a PNG file of {size_px}x{size_px} px for each picture, at the same place "
            "below the folder as its input. Make the inputs by --write-lr with the same --data, "
            "--weights, --side, --limit, --hr-size and --degradation, and enlarge them 4x."
        )
    return np.stack(images)


def _read(path: Path, size_px: int, decoder: Decoder) -> tuple[np.ndarray, str]:
    """Return a picture and what is wrong with it, if anything is."""
    nothing = np.empty(0, np.uint8)
    if not os.path.lexists(path):
        return nothing, "missing"
    try:
        image = read_rgb(path, decoder)
    except DataError as error:
        return nothing, str(error).removeprefix(f"{path}: ")
    height, width = image.shape[:2]
    return image, "" if height == width == size_px else f"{width}x{height} px"


def fingerprint(images: np.ndarray) -> str:
    """Return a hex sha256 of pictures' pixels."""
    return hashlib.sha256(np.ascontiguousarray(images).tobytes()).hexdigest()
