"""An evaluation as CSV, JSON, pictures and one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from anime_pipeline.core.storage import atomic_write_json, atomic_write_text
from anime_pipeline.images.codec import write_png
from anime_pipeline.reports.evaluation import EXPLANATIONS, Evaluation, Figure
from anime_pipeline.reports.page import image_uri, render_page

STEM = "evaluation"
KINDS = ("html", "json", "csv")


def write_evaluation(
    evaluation: Evaluation, out: Path, last_row: Mapping[str, Any] | None = None
) -> dict[str, Path]:
    """Write the report into `out`; returns the paths of page and tables.

    Args:
        evaluation: What was measured.
        out: Folder.
        last_row: The last measurements of the training run, if the weights are a run's.
    """
    paths = {kind: out / f"{STEM}.{kind}" for kind in KINDS}
    for name, (picture, caption) in evaluation.pictures.items():
        write_png(out / f"{name}.png", picture, {"Description": caption})
    frame = pd.DataFrame([asdict(figure) for figure in evaluation.figures])
    atomic_write_text(paths["csv"], frame.to_csv(index=False))
    atomic_write_json(paths["json"], evaluation.as_document())
    atomic_write_text(paths["html"], as_html(evaluation, last_row or {}))
    return paths


def as_html(evaluation: Evaluation, last_row: Mapping[str, Any]) -> str:
    """Return one page with everything inside."""
    sections = [
        {
            "name": name,
            "explanation": text,
            "rows": [cells(figure) for figure in evaluation.figures if figure.section == name],
        }
        for name, text in EXPLANATIONS.items()
    ]
    return render_page(
        "evaluation.html",
        facts=evaluation.facts,
        sections=[section for section in sections if section["rows"]],
        pictures={
            name: {"uri": image_uri(picture), "caption": caption}
            for name, (picture, caption) in evaluation.pictures.items()
        },
        discriminator=_discriminator(last_row),
    )


def cells(figure: Figure) -> dict[str, str]:
    """Return a figure as text, as tables show it."""
    error = "" if figure.error is None else f" ± {figure.error:.4f}"
    return {
        "name": figure.name,
        "value": _number(figure.value) + error,
        "best": _number(figure.best),
        "worst": _number(figure.worst),
        "n": f"{figure.n:,}",
        "protocol": figure.protocol,
    }


def _number(value: float | None) -> str:
    if value is None or value != value:  # no number
        return "–"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}"


def _discriminator(row: Mapping[str, Any]) -> dict[str, str] | None:
    names = {
        "train": "accuracy_real_train",
        "val": "accuracy_real_val",
        "fake": "accuracy_fake",
    }
    if not all(name in row for name in names.values()):
        return None
    return {short: f"{row[name]:.0%}" for short, name in names.items()}
