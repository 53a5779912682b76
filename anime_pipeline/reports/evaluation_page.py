"""An evaluation as CSV, JSON, Markdown, pictures and one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from anime_pipeline.core.measurements import (
    ATTRIBUTES,
    COPIES,
    LIKENESS,
    TRAINING,
    VARIETY,
    measurement,
    of_kind,
)
from anime_pipeline.images.codec import write_png
from anime_pipeline.reports.evaluate import Evaluation, Figure
from anime_pipeline.reports.page import image_uri, markdown_table, render_page, write_files

STEM = "evaluation"
EXPLANATIONS = {
    LIKENESS: "How far the drawn faces, as a set, are from real ones that were never trained on. "
    "KID and the Frechet distance are distances: smaller is better, and two halves of the real "
    "faces give the best that can be. Precision is the share of drawn faces that lie among real "
    "ones (are they good?), recall the share of real faces that lie among drawn ones (is every "
    "kind there?). Figures of one network or size compare with none of another, and only a line "
    "called FID is FID.",
    VARIETY: "How much faces differ from each other. Feature distance: 1 is as varied as real "
    "faces, near 0 is collapse. MS-SSIM is the likeness of random pairs: well above that of real "
    "pairs means that the faces repeat themselves.",
    COPIES: "How near a drawn face is to its nearest training face (mirrored ones included), "
    "beside real faces that were never trained on. A ratio near or above 1, and about 1% of close "
    "faces, is what not copying looks like.",
    ATTRIBUTES: "Whether faces show the attributes that they were asked for; colours in CIEDE2000 "
    "(1 is just noticeable). The measure is noisy: real faces against their own table give the "
    "best that can be measured, shuffled requests the worst. Skin should change with the hair no "
    "more than the measure does by itself. Of eyes, the share that a colour measure gives the word "
    "asked for.",
}


def write_evaluation(
    evaluation: Evaluation, out: Path, last_row: Mapping[str, Any] | None = None
) -> dict[str, Path]:
    """Write the report into `out`; returns the paths of page and tables.

    Args:
        evaluation: What was measured.
        out: Folder.
        last_row: The last measurements of the training run, if the weights are a run's.
    """
    for name, (picture, caption) in evaluation.pictures.items():
        write_png(out / f"{name}.png", picture, {"Description": caption})
    rows = pd.DataFrame([asdict(figure) for figure in evaluation.figures])
    html, markdown = as_html(evaluation, last_row or {}), as_markdown(evaluation)
    return write_files(out, STEM, html, evaluation.as_document(), rows, markdown)


def as_html(evaluation: Evaluation, last_row: Mapping[str, Any]) -> str:
    """Return one page with everything inside."""
    compared = side_by_side(evaluation)
    sections = [
        {
            "name": name,
            "explanation": text,
            "rows": [cells(f) for f in evaluation.figures if f.section == name and not f.network],
        }
        for name, text in EXPLANATIONS.items()
    ]
    accuracies = [one for one in of_kind(TRAINING) if one.is_share and one.key in last_row]
    return render_page(
        "evaluation.html",
        facts=evaluation.facts,
        sections=[s for s in sections if s["rows"] or (s["name"] == LIKENESS and compared)],
        likeness=compared,
        missing=evaluation.missing,
        pictures={
            name: {"uri": image_uri(picture), "caption": caption}
            for name, (picture, caption) in evaluation.pictures.items()
        },
        discriminator=[
            {"label": one.label, "value": one.text(last_row[one.key]), "meaning": one.meaning}
            for one in accuracies
        ],
    )


def cells(figure: Figure) -> dict[str, str]:
    """Return a figure as text, as tables show it."""
    error = "" if figure.error is None else f" ± {figure.error:.4f}"
    return {
        "name": figure.name,
        "head": measurement(figure.key).directed,
        "value": _number(figure, figure.value) + error,
        "best": _number(figure, figure.best),
        "worst": _number(figure, figure.worst),
        "n": f"{figure.n:,}",
        "protocol": figure.protocol,
    }


def _number(figure: Figure, value: float | None) -> str:
    if value is None or value != value:  # no number
        return "–"
    text = f"{value:.1f}" if abs(value) >= 10 else measurement(figure.key).text(value)
    return text.replace("-", "\u2212")


def side_by_side(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Return what each feature network says of each size, a row each, as tables show it."""
    rows: dict[tuple[str, int], dict[str, Any]] = {}
    for figure in evaluation.figures:
        if figure.network:
            new: dict[str, Any] = {"network": figure.network, "px": figure.px, "cells": []}
            row = rows.setdefault((figure.network, figure.px or 0), new)
            row["cells"].append(cells(figure))
            row["protocol"] = figure.protocol
            row["about"] = evaluation.remarks.get(figure.network, "")
    return sorted(rows.values(), key=lambda row: row["px"])


def as_markdown(evaluation: Evaluation) -> str:
    """Return the figures as Markdown tables."""
    facts = evaluation.facts
    lines = [f"# {facts['weights']}", "", f"{facts['generated']}, compared with {facts['real']}."]
    compared = side_by_side(evaluation)
    if compared:
        heads = [cell["head"] for cell in compared[0]["cells"]]
        rows = [
            [f"{row['network']}: {row['about']}", f"{row['px']} px"]
            + [f"{cell['value']} (real {cell['best']})" for cell in row["cells"]]
            for row in compared
        ]
        lines += ["", *markdown_table(["seen by", "faces", *heads], rows)]
    for name, reason in evaluation.missing.items():
        lines += ["", f"{name} was not asked: {reason}."]
    rest = [cells(figure) for figure in evaluation.figures if not figure.network]
    if rest:
        keys = ("name", "value", "best", "worst")
        rows = [[row[key] for key in keys] for row in rest]
        lines += ["", *markdown_table(("measure", "value", "real faces", "chance"), rows)]
    lines += ["", *(f"- {name}: {value}" for name, value in facts.items())]
    return "\n".join(lines) + "\n"
