"""The sample grids of a run folder, which may have come from anybody: no link is followed."""

import re
from pathlib import Path

from anime_pipeline.core.files import open_inside, read_at_most
from anime_pipeline.core.runs import SAMPLES_FOLDER

MAX_SAMPLE_BYTES = 2**26

_NAME = re.compile(r"epoch_([0-9]{4,9})\.png")


def sample_name(epoch: int) -> str:
    """Return the file name of the grid after an epoch; 0 is the one soon after the start."""
    return f"epoch_{epoch:04d}.png"


def list_samples(folder: Path) -> list[int]:
    """Return the epochs of which a run has a sample grid, in order."""
    place = folder / SAMPLES_FOLDER
    if place.is_symlink() or not place.is_dir():
        return []
    return sorted(
        int(match[1])
        for path in place.iterdir()
        if (match := _NAME.fullmatch(path.name)) and path.name == sample_name(int(match[1]))
        # A link could lead to a file that is no sample of this run.
        if path.is_file() and not path.is_symlink()
    )


def read_sample(folder: Path, epoch: int) -> bytes:
    """Return the PNG file of a sample grid.

    Raises:
        OSError: If it is missing, too large, no regular file or not within the run's folder.
    """
    with open_inside(folder, SAMPLES_FOLDER, sample_name(epoch)) as file:
        return read_at_most(file, MAX_SAMPLE_BYTES)


def epoch_words(epoch: int) -> str:
    """Return in words when a sample grid was made."""
    return f"After epoch {epoch:,}" if epoch else "Soon after the start"
