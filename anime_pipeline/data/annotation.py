"""Colours of hair and skin for pictures that have none, estimated from their pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from anime_pipeline.core.errors import DataError
from anime_pipeline.core.files import MAX_PICTURE_BYTES, read_regular
from anime_pipeline.data.characters import Colors
from anime_pipeline.data.dataset import Record
from anime_pipeline.data.estimate import estimate_colors
from anime_pipeline.data.parallel import in_order
from anime_pipeline.images.codec import decode
from anime_pipeline.images.files import Skipped

Progress = Callable[[int, int], None]


def estimate_file(path: Path) -> Colors | Skipped:
    """Estimate one picture's colours, or say why they cannot be."""
    try:
        return estimate_colors(decode(read_regular(path, MAX_PICTURE_BYTES)))
    except OSError as error:
        return Skipped(str(path), f"cannot be read ({error.strerror})")
    except DataError as error:
        return Skipped(str(path), str(error).removeprefix("image: "))


def estimate_missing(
    records: Sequence[Record], progress: Progress | None = None, workers: int = 0
) -> tuple[list[Record], list[Skipped]]:
    """Give every picture that has no colours those that are estimated; nothing is written.

    Args:
        records: Pictures, those with colours among them: they keep theirs.
        progress: Called with (done, total) of those without.
        workers: Threads; 0: as many as this process may use cores.

    Returns:
        The same pictures in the same order, and those whose colours cannot be told, with reasons.
    """
    bare = [place for place, record in enumerate(records) if record.colors is None]
    result, skipped = list(records), []
    paths = [records[place].path for place in bare]
    with in_order(estimate_file, paths, workers) as estimates:
        for done, (place, found) in enumerate(zip(bare, estimates, strict=True), start=1):
            if isinstance(found, Skipped):
                skipped.append(found)
            else:
                result[place] = replace(result[place], colors=found)
            if progress:
                progress(done, len(bare))
    return result, skipped
