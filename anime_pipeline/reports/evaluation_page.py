"""An evaluation as CSV, JSON, Markdown, pictures and one self-contained HTML page."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from anime_pipeline.core.measurements import TRAINING, measurement, of_kind
from anime_pipeline.images.codec import write_png
from anime_pipeline.reports.evaluate import Evaluation, Figure
from anime_pipeline.reports.page import image_uri, render_page, write_files

STEM = "evaluation"


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
    accuracies = [one for one in of_kind(TRAINING) if one.is_share and one.key in last_row]
    return render_page(
        "evaluation.html",
        **_tables(evaluation),
        pictures={
            name: {"uri": image_uri(picture), "caption": caption}
            for name, (picture, caption) in evaluation.pictures.items()
        },
        discriminator=[
            {"label": one.label, "value": one.text(last_row[one.key]), "meaning": one.meaning}
            for one in accuracies
        ],
    )


def as_markdown(evaluation: Evaluation) -> str:
    """Return the figures as Markdown tables."""
    return render_page("evaluation.md", **_tables(evaluation))


def _tables(evaluation: Evaluation) -> dict[str, Any]:
    return {
        "facts": evaluation.facts,
        "missing": evaluation.missing,
        "likeness": side_by_side(evaluation),
        "others": [cells(figure) for figure in evaluation.figures if not figure.network],
    }


def cells(figure: Figure) -> dict[str, str]:
    """Return a figure as text, as tables show it."""
    error = "" if figure.error is None else f" ± {figure.error:.4f}"
    return {
        "section": figure.section,
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
