"""Training runs in the browser: the pages below `/training`, their sample grids, `/api/v1/runs`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from flask import (
    Blueprint,
    Response,
    abort,
    current_app,
    render_template,
    request,
    url_for,
)
from flask import jsonify as as_json

from anime_pipeline.core.runs import RunSummary
from anime_pipeline.reports.curves import PANELS
from anime_pipeline.reports.training_words import (
    commands,
    duration,
    meaning,
    measurements,
    number,
    plain,
    verdict,
)
from anime_pipeline.web.pages.run_documents import (
    DAMAGED,
    Document,
    FoundRun,
    ReadRun,
    find_runs,
    printable,
    read_document,
    read_sample,
    sample_path,
    shown_size,
)

blueprint = Blueprint("runs", __name__)

PACE = ("Pictures a second", ("images_per_second",))

SMALLEST_KID_PX = 32

# What a card shows of a run: the first three that it has logged.
KEY_FIGURES = (
    "kid_val",
    "val_psnr_db",
    "val_psnr_bicubic_db",
    "diversity",
    "auc_real_fake",
    "accuracy_fake",
    "loss_g",
    "loss_pixel",
    "images_per_second",
)


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
    return _unchanging(Response(page, mimetype="text/html"))


@blueprint.get("/training/<stage>/<name>")
def run_page(stage: str, name: str) -> Response:
    """Show one run: its samples, curves, warnings and settings."""
    found = _wanted(stage, name)
    read = read_document(found, full=True)
    card = _card(found, read) | {"sample_size": shown_size(found.folder)}
    page = render_template("run.html", page="training", run=card, **_details(read))
    return _unchanging(Response(page, mimetype="text/html"))


@blueprint.get("/api/v1/runs")
def list_all() -> Response:
    """List all runs."""
    found, _ = find_runs(_checkpoints())
    documents = [_linked(each, read_document(each).document) for each in found]
    return _unchanging(as_json({"runs": documents}))


@blueprint.get("/api/v1/runs/<stage>/<name>")
def one(stage: str, name: str) -> Response:
    """Describe one run with its samples, curves and settings."""
    found = _wanted(stage, name)
    return _unchanging(as_json(_linked(found, read_document(found, full=True).document)))


@blueprint.get("/runs/<stage>/<name>/samples/<file>")
def sample(stage: str, name: str, file: str) -> Response:
    """Send a sample grid."""
    folder = _wanted(stage, name).folder
    if sample_path(folder, file) is None:
        abort(404, "There is no such sample of this run. Choose one that its page shows.")
    try:
        content = read_sample(folder, file)
    except OSError:  # removed or replaced between the look and the reading, or not for us
        abort(404, "This sample cannot be read. Choose another that the run's page shows.")
    return _unchanging(Response(content, mimetype="image/png"))


def _checkpoints() -> Path:
    return Path(current_app.config["CHECKPOINTS"])


def _wanted(stage: str, name: str) -> FoundRun:
    """Return the run of that name among those that are there: no path is made of the request."""
    for found in find_runs(_checkpoints())[0]:
        if (found.stage, found.name) == (stage, name):
            return found
    abort(404, "There is no training run of this name. The training page lists those there are.")


def _unchanging(response: Response) -> Response:
    """Let a browser that asks again every few seconds be told that nothing is new."""
    response.headers["Cache-Control"] = "no-cache"
    response.add_etag()
    response.make_conditional(request)
    return response


def _sample_url(found: FoundRun, epoch: int) -> str:
    file = f"epoch_{epoch:04d}.png"
    return url_for("runs.sample", stage=found.stage, name=found.name, file=file)


def _linked(found: FoundRun, document: Document) -> Document:
    """Give the epochs of samples the addresses of their pictures."""
    latest = document["latest_sample"]
    linked = document | {
        "latest_sample": None if latest is None else _sample_url(found, latest),
    }
    if "samples" in document:
        linked["samples"] = [
            {"epoch": epoch, "url": _sample_url(found, epoch)} for epoch in document["samples"]
        ]
    return linked


def _card(found: FoundRun, read: ReadRun) -> dict[str, Any]:
    """Return a run's document with what a page says of it in words."""
    document = _linked(found, read.document)
    left, total = document.get("seconds_left"), max(document["total_steps"], 1)
    return {"epoch": None, **document} | {
        "page": url_for("runs.run_page", stage=found.stage, name=found.name),
        "api": url_for("runs.one", stage=found.stage, name=found.name),
        "damaged": document["state"] == DAMAGED,
        "share": min(1.0, max(0.0, document["step"] / total)),
        "left": duration(left) if left and left >= 1 else None,
        "latest_words": _epoch_words(read.document["latest_sample"]),
        "figures": _figures(read),
        "warnings": [_warning(line) for line in document["warnings"]],
    }


def _epoch_words(epoch: int | None) -> str:
    if epoch is None:
        return ""
    return f"After epoch {epoch:,}" if epoch else "Soon after the start"


def _figures(read: ReadRun) -> list[tuple[str, str]]:
    document, run = read
    metrics = document["metrics"]
    names = [name for name in KEY_FIGURES if name in metrics][:3]
    return [
        (_figure_label(name, document["stage"], run), number(name, metrics[name])) for name in names
    ]


def _figure_label(name: str, stage: str, run: RunSummary | None) -> str:
    if name != "kid_val" or run is None:
        return meaning(name, stage)[0]
    # Other reports measure KID at 128 px, on other faces: by a figure alone they would be confused.
    size = run.config.get("image_size")
    size = max(SMALLEST_KID_PX, size) if isinstance(size, int) else SMALLEST_KID_PX
    return f"KID at {size} px, to compare runs"


def _warning(line: str) -> tuple[str, str, str]:
    """Return (when, kind, what) of a line of the warnings' file; a torn one is shown as it is."""
    when, _, rest = line.partition(": ")
    kind, _, text = rest.partition(": ")
    return (when, kind, text) if when.startswith("step ") and text else ("", "", line)


def _details(read: ReadRun) -> dict[str, Any]:
    document, run = read
    metrics, stage = document["metrics"], document["stage"]
    words = measurements(stage)
    return {
        "panels": [_panel(title, names, document) for title, names in (*PANELS, PACE)],
        "measured": [
            {"name": name, "label": label, "meaning": text, "value": number(name, metrics[name])}
            for name, (label, text) in words.items()
            if name in metrics
        ],
        "verdict": verdict(metrics),
        "settings": [(name, _setting(value)) for name, value in document["config"].items()],
        "commands": _commands(run) if run else [],
    }


def _commands(run: RunSummary) -> list[tuple[str, str]]:
    return [(purpose, printable(text)) for purpose, text in commands(run, run.state)]


def _panel(title: str, names: tuple[str, ...], document: Document) -> Document:
    return {
        "title": title,
        "series": [{"name": n, "label": meaning(n, document["stage"])[0]} for n in names],
        "share": "accuracy" in title.lower(),
        "empty": not any(name in document["metrics"] for name in names),
    }


def _setting(value: Any) -> str:
    nested = isinstance(value, dict) or (
        isinstance(value, list) and any(isinstance(part, dict | list) for part in value)
    )
    return json.dumps(value) if nested else plain(value)
