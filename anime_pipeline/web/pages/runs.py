"""Training runs: what their folders say, the pages below `/training`, `/api/v1/runs`, samples."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from threading import Condition
from typing import Any, NamedTuple

from cachetools import LRUCache, cached
from flask import Blueprint, Response, abort, current_app, jsonify, render_template, url_for

from anime_pipeline.core import runs as run_folders
from anime_pipeline.core.errors import PipelineError, in_words
from anime_pipeline.core.samples import list_samples, read_sample, sample_name
from anime_pipeline.images.headers import open_header
from anime_pipeline.reports.view import Document, Log, details, digest, summary
from anime_pipeline.web.api.endpoints import JSON, Endpoints, unless_known
from anime_pipeline.web.api.responses import RunDetails, Runs
from anime_pipeline.web.models.catalogue import version_of

blueprint = Blueprint("runs", __name__)
ENDPOINTS = Endpoints()
_RUN = {"tag": "runs", "kept": True}

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
    return run_folders.last_values(run_folders.read_metrics(log))


@cached(LRUCache(KEPT_DIGESTS), key=version_of, condition=Condition())
def _digest(log: Path) -> Log:
    return digest(run_folders.read_metrics(log))


def find_runs(checkpoints: Path) -> tuple[list[FoundRun], list[str]]:
    """Return the runs of all stages, newest first, and in words what could not be looked into."""
    found, troubles = [], []
    for stage in run_folders.STAGES:
        try:
            folders = run_folders.list_runs(checkpoints / stage)
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
        log = found.folder / run_folders.METRICS_FILE
        run = run_folders.read_run(found.folder, _last(log).copy())
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
    nothing = run_folders.RunSummary(
        found.folder, found.stage, "", {}, {}, 0, 0, DAMAGED, {}, [], 0
    )
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


@blueprint.get("/training")
def training() -> Response:
    """Show all runs; those that train now come first."""
    found, troubles = find_runs(_checkpoints())
    cards = sorted(
        (_card(each, read_document(each)) for each in found),
        key=lambda card: card["state"] != "training",
    )
    # Its last name alone: where it lies is nobody's business.
    folder = printable(_checkpoints().resolve().name)
    page = render_template(
        "training.html", page="training", cards=cards, troubles=troubles, folder=folder
    )
    return unless_known(page)


@blueprint.get("/training/<stage>/<name>")
def run_page(stage: str, name: str) -> Response:
    """Show one run: its samples, curves, warnings and settings."""
    found = _wanted(stage, name)
    card = _card(found, read_document(found, full=True)) | {"sample_size": shown_size(found.folder)}
    return unless_known(render_template("run.html", page="training", run=card))


@ENDPOINTS.add("GET", "/runs", name="runs", answers={JSON: Runs}, **_RUN)
def list_runs() -> Response:
    """List all runs."""
    found, _ = find_runs(_checkpoints())
    return unless_known(jsonify(runs=[_linked(each, read_document(each)) for each in found]))


@ENDPOINTS.add(
    "GET", "/runs/<stage>/<name>", name="run", answers={JSON: RunDetails}, problems=(404,), **_RUN
)
def run_details(stage: str, name: str) -> Response:
    """Describe one run with its samples, curves and settings."""
    found = _wanted(stage, name)
    document = _linked(found, read_document(found, full=True))
    del document["commands"]  # they name folders of this machine
    return unless_known(jsonify(document))


@blueprint.get("/runs/<stage>/<name>/samples/<file>")
def sample(stage: str, name: str, file: str) -> Response:
    """Send a sample grid."""
    folder = _wanted(stage, name).folder
    epoch = {sample_name(epoch): epoch for epoch in list_samples(folder)}.get(file)
    if epoch is None:
        abort(404, "There is no such sample of this run. Choose one that its page shows.")
    try:
        content = read_sample(folder, epoch)
    except OSError:  # removed or replaced between the look and the reading, or not for us
        abort(404, "This sample cannot be read. Choose another that the run's page shows.")
    return unless_known(Response(content, mimetype="image/png"))


def _checkpoints() -> Path:
    return Path(current_app.config["CHECKPOINTS"])


def _wanted(stage: str, name: str) -> FoundRun:
    """Return the run of that name among those that are there: no path is made of the request."""
    for found in find_runs(_checkpoints())[0]:
        if (found.stage, found.name) == (stage, name):
            return found
    abort(404, "There is no training run of this name. The training page lists those there are.")


def _linked(found: FoundRun, document: Document) -> Document:
    """Give the epochs of samples the addresses of their pictures."""

    def url(epoch: int) -> str:
        return url_for("runs.sample", stage=found.stage, name=found.name, file=sample_name(epoch))

    latest = document["latest_sample"]
    linked = document | {"latest_sample": None if latest is None else url(latest)}
    if "samples" in document:
        linked["samples"] = [{"epoch": each, "url": url(each)} for each in document["samples"]]
    return linked


def _card(found: FoundRun, document: Document) -> Document:
    """Return a run's document with the addresses of its pages."""
    return {"epoch": None, "time_left": None, **_linked(found, document)} | {
        "page": url_for("runs.run_page", stage=found.stage, name=found.name),
        "api": url_for("api.run_details", stage=found.stage, name=found.name),
    }
