"""Training runs as JSON documents: what a run folder says of itself, safe to send and to show."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple, TypeVar

from anime_pipeline.core.errors import PipelineError, in_words
from anime_pipeline.core.files import open_inside, read_at_most
from anime_pipeline.core.runs import (
    METRICS_FILE,
    STAGES,
    RunSummary,
    last_values,
    list_runs,
    read_metrics,
    read_run,
)
from anime_pipeline.images.headers import open_header
from anime_pipeline.web.kept import LeastRecentlyUsed

SAMPLES_FOLDER = "samples"
MOST_POINTS = 500
WIDEST_PX = 640
MAX_SAMPLE_BYTES = 2**26
DAMAGED = "damaged"
KEPT_LAST, KEPT_CURVES = 1000, 10  # a run's curves take a megabyte

_SAMPLE = re.compile(r"epoch_([0-9]{4,9})\.png")
# What a folder that somebody else wrote can make reading and encoding raise.
_UNREADABLE = (
    PipelineError,
    OSError,
    ValueError,
    TypeError,
    OverflowError,
    RecursionError,
    KeyError,
)

Kept = TypeVar("Kept")
Document = dict[str, Any]
Curves = dict[str, list[list[float]]]


class FoundRun(NamedTuple):
    """A run folder under the name that clients know it by.

    Attributes:
        stage: ``"dcgan"`` or ``"srgan"``.
        name: The folder's name, printable.
        folder: Where it is.
    """

    stage: str
    name: str
    folder: Path


class ReadRun(NamedTuple):
    """A run that was read: its document, and its summary unless it is damaged."""

    document: Document
    summary: RunSummary | None


_LAST: LeastRecentlyUsed[dict[str, Any]] = LeastRecentlyUsed(KEPT_LAST)
_CURVES: LeastRecentlyUsed[Curves] = LeastRecentlyUsed(KEPT_CURVES)


def _from_log(
    kept: LeastRecentlyUsed[Kept], path: Path, read: Callable[[list[dict[str, Any]]], Kept]
) -> Kept:
    """Read a metrics log, unless it is as it was the last time: pages ask every few seconds.

    Args:
        kept: What was read before; not to be changed.
        path: The log.
        read: What is wanted of its rows.
    """
    try:
        found = path.lstat()
    except OSError:  # none yet; what else is wrong will show in what is read besides
        return read([])
    version = (path, found.st_mtime_ns, found.st_size, found.st_ino)
    return kept.get(version, lambda: read(read_metrics(path)))


def find_runs(checkpoints: Path) -> tuple[list[FoundRun], list[str]]:
    """Return the runs of all stages, newest first, and in words what could not be looked into."""
    found, troubles = [], []
    for stage in STAGES:
        try:
            folders = list_runs(checkpoints / stage)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            troubles.append(f"Runs of {stage} are left out: {reason}. Check the folder's rights.")
            continue
        found += [FoundRun(stage, printable(path.name), path) for path in reversed(folders)]
    return found, troubles


def printable(text: str) -> str:
    """Return text that can be encoded: a name that is no UTF-8 keeps its readable part."""
    return text.encode("utf-8", "replace").decode("utf-8")


def read_document(found: FoundRun, full: bool = False) -> ReadRun:
    """Return what a run says of itself; of a damaged one, what is wrong with it.

    Args:
        found: The run.
        full: With its settings, its curves and all its samples.
    """
    try:
        log = found.folder / METRICS_FILE
        last = _from_log(_LAST, log, last_values)
        run = read_run(found.folder, last.copy())
        document = _summary(found, run)
        if full:
            logged = _from_log(_CURVES, log, curves)
            document |= {"samples": samples(found.folder), "curves": logged}
            document["config"] = run.config
        return ReadRun(_clean(document), run)
    except _UNREADABLE as error:
        text = str(in_words(error) or error)
        return ReadRun(_damaged(found, text, full), None)


def _damaged(found: FoundRun, text: str, full: bool) -> Document:
    error = printable(_named(found, text))
    document: Document = {
        **_names(found),
        "title": "A run that cannot be read",
        "preset": "",
        "state": DAMAGED,
        "step": 0,
        "total_steps": 0,
        "warnings": [],
        "latest_sample": None,
        "metrics": {},
        "error": error,
    }
    return document | ({"samples": [], "curves": {}, "config": {}} if full else {})


def _named(found: FoundRun, text: str) -> str:
    """Call the run by its name: the server's own paths are nobody's business."""
    return text.replace(str(found.folder), f"{found.stage}/{found.name}")


def _names(found: FoundRun) -> Document:
    return {"name": f"{found.stage}/{found.name}", "stage": found.stage}


def _summary(found: FoundRun, run: RunSummary) -> Document:
    grids = samples(found.folder)
    document = {
        **_names(found),
        "title": _title(run),
        "preset": run.preset,
        "state": run.state,
        "step": max(0, int(run.step)),
        "total_steps": max(0, run.total_steps),
        "warnings": [_named(found, line) for line in run.warnings if line.strip()],
        "latest_sample": grids[-1] if grids else None,
        "metrics": _numbers(run.metrics),
    }
    epoch, seconds = run.metrics.get("epoch"), _seconds_left(run)
    # What is not known is left out.
    if isinstance(epoch, int) and epoch >= 0:
        document["epoch"] = int(epoch)
    if seconds is not None:
        document["seconds_left"] = seconds
    return document


def _title(run: RunSummary) -> str:
    if run.stage == "dcgan":
        size = run.config.get("image_size", "?")
        return f"Learning to draw faces of {size} × {size} pixels"
    return f"Learning to enlarge faces {run.config.get('scale', 4)} times"


def _seconds_left(run: RunSummary) -> float | None:
    """Return how long the rest takes at the last pace, or None where that cannot be told."""
    pace = run.metrics.get("images_per_second", 0)
    if run.state != "training" or pace <= 0:
        return None
    images = int(run.config.get("batch_size", 0)) * int(run.config.get("d_steps", 1))
    return max(0, run.total_steps - run.step) * images / pace


def _numbers(row: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what Python takes for a number and JSON does not."""
    return {name: value for name, value in row.items() if not isinstance(value, bool)}


def _clean(document: Document) -> Document:
    """Return the document as a browser will read it: no NaN, no text that cannot be encoded."""
    text = json.dumps(document, allow_nan=False, ensure_ascii=False)
    cleaned: Document = json.loads(printable(text))
    return cleaned


def samples(folder: Path) -> list[int]:
    """Return the epochs that a sample grid is there of, in order."""
    return sorted(epoch for epoch, _ in _grids(folder))


def sample_path(folder: Path, file: str) -> Path | None:
    """Return the sample grid of that very file name, or None."""
    return next((path for _, path in _grids(folder) if path.name == file), None)


def shown_size(folder: Path) -> tuple[int, int] | None:
    """Return the size to show the newest sample grid at: a whole multiple of its own, if small."""
    try:
        newest = max(_grids(folder), default=None)
        if newest is None:
            return None
        with open_sample(folder, newest[1].name) as file, open_header(file, ["PNG"]) as picture:
            times = max(1, WIDEST_PX // picture.width)
            return picture.width * times, picture.height * times
    except (OSError, ValueError, PipelineError):
        return None  # the page shows it as large as it comes


def open_sample(folder: Path, file: str) -> IO[bytes]:
    """Open a sample grid; no link is followed, neither it nor the folder it lies in.

    Raises:
        OSError: If it cannot be opened, or is no regular file of this run.
    """
    return open_inside(folder, SAMPLES_FOLDER, file)


def read_sample(folder: Path, file: str) -> bytes:
    """Read a sample grid, see `open_sample`."""
    with open_sample(folder, file) as opened:
        return read_at_most(opened, MAX_SAMPLE_BYTES, Path(SAMPLES_FOLDER, file))


def _grids(folder: Path) -> Iterator[tuple[int, Path]]:
    place = folder / SAMPLES_FOLDER
    if place.is_symlink() or not place.is_dir():
        return
    for path in place.iterdir():
        match = _SAMPLE.fullmatch(path.name)
        # A link could lead to a file that is no sample of this run.
        if match and path.is_file() and not path.is_symlink():
            yield int(match[1]), path


def curves(rows: Sequence[Mapping[str, Any]]) -> Curves:
    """Return [step, value] pairs of everything that was logged, at most 500 of each."""
    found: Curves = {}
    for row in rows:
        for name, value in _numbers(row).items():
            if name not in ("step", "epoch"):
                found.setdefault(name, []).append([int(row["step"]), value])
    return {name: thinned(points) for name, points in found.items()}


def thinned(points: list[list[float]], most: int = MOST_POINTS) -> list[list[float]]:
    """Keep the first, the last, and of each stretch between its lowest and highest point."""
    if len(points) <= most:
        return points
    stretches = (most - 2) // 2
    inner = points[1:-1]
    kept = [points[0]]
    for index in range(stretches):
        start, stop = (len(inner) * k // stretches for k in (index, index + 1))
        stretch = inner[start:stop]
        low = min(range(len(stretch)), key=lambda k: stretch[k][1])
        high = max(range(len(stretch)), key=lambda k: stretch[k][1])
        kept += [stretch[k] for k in sorted({low, high})]
    return [*kept, points[-1]]
