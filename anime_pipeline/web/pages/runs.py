"""Training runs: the pages below `/training`, their sample grids, and `/api/v1/runs`."""

from __future__ import annotations

from pathlib import Path

from flask import Blueprint, Response, abort, current_app, jsonify, render_template, url_for

from anime_pipeline.core.samples import list_samples, read_sample, sample_name
from anime_pipeline.reports.view import Document
from anime_pipeline.web.api.endpoints import JSON, Endpoints, unless_known
from anime_pipeline.web.api.responses import RunDetails, Runs
from anime_pipeline.web.pages.run_documents import (
    FoundRun,
    find_runs,
    printable,
    read_document,
    shown_size,
)

blueprint = Blueprint("runs", __name__)
ENDPOINTS = Endpoints()
_RUN = {"tag": "runs", "kept": True}


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
