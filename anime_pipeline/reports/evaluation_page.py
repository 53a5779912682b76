"""An evaluation as CSV, JSON, Markdown, pictures and one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from anime_pipeline.core.storage import atomic_write_json, atomic_write_text
from anime_pipeline.images.codec import write_png
from anime_pipeline.reports.benchmark_tables import DOWN, UP
from anime_pipeline.reports.evaluation import EXPLANATIONS, LIKENESS, Evaluation, Figure
from anime_pipeline.reports.page import image_uri, render_page

STEM = "evaluation"
HEADS = {"KID": f"KID{DOWN}", "precision": f"Precision{UP}", "recall": f"Recall{UP}"}
KINDS = ("html", "json", "csv", "md")


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
    atomic_write_text(paths["md"], as_markdown(evaluation))
    return paths


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
        discriminator=_discriminator(last_row),
    )


def cells(figure: Figure) -> dict[str, str]:
    """Return a figure as text, as tables show it."""
    error = "" if figure.error is None else f" ± {figure.error:.4f}"
    digits = 4 if figure.network and figure.error is not None else 3
    return {
        "name": figure.name,
        "value": _number(figure.value, digits) + error,
        "best": _number(figure.best, digits),
        "worst": _number(figure.worst, digits),
        "n": f"{figure.n:,}",
        "protocol": figure.protocol,
    }


def side_by_side(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Return what each feature network says of each size, a row each, as tables show it."""
    rows: dict[tuple[str, int], dict[str, Any]] = {}
    for figure in evaluation.figures:
        if figure.network:
            key = (figure.network, figure.px or 0)
            row = rows.setdefault(key, {"network": figure.network, "px": figure.px, "cells": []})
            measure = figure.name.split("-")[0]
            row["cells"].append({"head": HEADS.get(measure, measure), **cells(figure)})
    for row in rows.values():
        row["about"] = evaluation.remarks.get(row["network"], "")
        row["protocol"] = row["cells"][-1]["protocol"]
    return sorted(rows.values(), key=lambda row: row["px"])


def as_markdown(evaluation: Evaluation) -> str:
    """Return the figures as Markdown tables."""
    facts = evaluation.facts
    lines = [f"# {facts['weights']}", "", f"{facts['generated']}, compared with {facts['real']}."]
    compared = side_by_side(evaluation)
    if compared:
        heads = [cell["head"] for cell in compared[0]["cells"]]
        lines += ["", *_markdown_row("seen by", "faces", *heads), _rule(len(heads) + 2)]
        for row in compared:
            values = [f"{cell['value']} (real {cell['best']})" for cell in row["cells"]]
            name = f"{row['network']}: {row['about']}"
            lines += _markdown_row(name, f"{row['px']} px", *values)
    for name, reason in evaluation.missing.items():
        lines += ["", f"{name} was not asked: {reason}."]
    rest = [cells(figure) for figure in evaluation.figures if not figure.network]
    if rest:
        lines += ["", *_markdown_row("measure", "value", "real faces", "chance"), _rule(4)]
        for row in rest:
            lines += _markdown_row(*(row[key] for key in ("name", "value", "best", "worst")))
    lines += ["", *(f"- {name}: {value}" for name, value in facts.items())]
    return "\n".join(lines) + "\n"


def _markdown_row(*texts: str) -> list[str]:
    return ["| " + " | ".join(text.replace("|", "\\|") for text in texts) + " |"]


def _rule(columns: int) -> str:
    return "|" + "---|" * columns


def _number(value: float | None, digits: int = 3) -> str:
    if value is None or value != value:  # no number
        return "–"
    text = f"{value:.1f}" if abs(value) >= 10 else f"{value:.{digits}f}"
    return text.replace("-", "\u2212")


def _discriminator(row: Mapping[str, Any]) -> dict[str, str] | None:
    names = {
        "train": "accuracy_real_train",
        "val": "accuracy_real_val",
        "fake": "accuracy_fake",
    }
    if not all(name in row for name in names.values()):
        return None
    return {short: f"{row[name]:.0%}" for short, name in names.items()}
