"""Training runs as JSON documents: what a run folder says of itself, safe to send and to show."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from threading import Condition
from typing import Any, NamedTuple

from cachetools import LRUCache, cached

from anime_pipeline.core.errors import PipelineError, in_words
from anime_pipeline.core.runs import (
    METRICS_FILE,
    STAGES,
    RunSummary,
    last_values,
    list_runs,
    read_metrics,
    read_run,
)
from anime_pipeline.core.samples import list_samples, read_sample
from anime_pipeline.images.headers import open_header
from anime_pipeline.reports.view import Document, Log, details, digest, summary
from anime_pipeline.web.models.catalogue import version_of

WIDEST_PX = 640
DAMAGED = "damaged"
KEPT_LAST, KEPT_DIGESTS = 1000, 10  # a run's curves take a megabyte

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

    @property
    def title(self) -> str:
        """What pages call it, such as ``"dcgan/1-cpu"``."""
        return f"{self.stage}/{self.name}"


# Pages ask every few seconds.
@cached(LRUCache(KEPT_LAST), key=version_of, condition=Condition())
def _last(log: Path) -> dict[str, Any]:
    return last_values(read_metrics(log))


@cached(LRUCache(KEPT_DIGESTS), key=version_of, condition=Condition())
def _digest(log: Path) -> Log:
    return digest(read_metrics(log))


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


def read_document(found: FoundRun, full: bool = False) -> Document:
    """Return what a run says of itself; of a damaged one, what is wrong with it.

    Args:
        found: The run.
        full: With its settings, its curves and all its samples.
    """
    try:
        log = found.folder / METRICS_FILE
        run = read_run(found.folder, _last(log).copy())
        run = replace(run, warnings=[_named(found, line) for line in run.warnings])
        samples = list_samples(found.folder)
        if full:
            document = details(run, samples, _digest(log))
        else:
            document = summary(run, samples)
        return _clean(document | {"name": found.title, "stage": found.stage})
    except _UNREADABLE as error:
        text = str(in_words(error) or error)
        return _damaged(found, text, full)


def _damaged(found: FoundRun, text: str, full: bool) -> Document:
    nothing = RunSummary(found.folder, found.stage, "", {}, {}, 0, 0, DAMAGED, {}, [], 0)
    document = details(nothing, [], digest([])) if full else summary(nothing, [])
    told = {"title": "A run that cannot be read", "error": printable(_named(found, text))}
    return document | {"name": found.title} | told


def _named(found: FoundRun, text: str) -> str:
    """Call the run by its name: the server's own paths are nobody's business."""
    return text.replace(str(found.folder), found.title)


def _clean(document: Document) -> Document:
    """Return the document as a browser will read it: no NaN, no text that cannot be encoded."""
    text = json.dumps(document, allow_nan=False, ensure_ascii=False)
    cleaned: Document = json.loads(printable(text))
    return cleaned


def shown_size(folder: Path) -> tuple[int, int] | None:
    """Return the size to show the newest sample grid at: a whole multiple of its own, if small."""
    try:
        epochs = list_samples(folder)
        if not epochs:
            return None
        with open_header(io.BytesIO(read_sample(folder, epochs[-1])), ["PNG"]) as picture:
            times = max(1, WIDEST_PX // picture.width)
            return picture.width * times, picture.height * times
    except (OSError, ValueError, PipelineError):
        return None  # the page shows it as large as it comes
