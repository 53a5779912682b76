"""A benchmark as CSV, JSON, Markdown and one self-contained HTML page."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from anime_pipeline.core.storage import atomic_write_json, atomic_write_text
from anime_pipeline.reports.benchmark import HEADLINE, METRICS, Benchmark, Example
from anime_pipeline.reports.page import data_uri, image_uri, render_page

LABELS = {"psnr_rgb_db": "PSNR RGB (dB)", "psnr_y_db": "PSNR Y (dB)", "ssim": "SSIM"}
KINDS = ("csv", "json", "md", "html")
SHOWN = ("bicubic",)  # the baseline that stands beside ours in the pictures


def write_reports(benchmark: Benchmark, out: Path) -> dict[str, Path]:
    """Write `benchmark.csv`, `.json`, `.md` and `.html` into `out`; returns the paths."""
    paths = {kind: out / f"benchmark.{kind}" for kind in KINDS}
    atomic_write_text(paths["csv"], benchmark.per_image.to_csv(index=False))
    atomic_write_json(paths["json"], as_document(benchmark))
    atomic_write_text(paths["md"], as_markdown(benchmark))
    atomic_write_text(paths["html"], as_html(benchmark))
    return paths


def as_document(benchmark: Benchmark) -> dict[str, Any]:
    """Return the JSON form: facts, summary, and every picture's figures."""
    return {
        "facts": benchmark.facts,
        "summary": json.loads(benchmark.summary.to_json(orient="records")),
        "per_image": json.loads(benchmark.per_image.to_json(orient="records")),
    }


def table(benchmark: Benchmark) -> list[dict[str, Any]]:
    """Return the summary as text cells, the best figure of each column marked."""
    rows = []
    for degradation, group in benchmark.summary.groupby("degradation", sort=False):
        for _, row in group.iterrows():
            cells = []
            for metric in METRICS:
                digits = 4 if metric == "ssim" else 2
                half = row[f"{metric}_ci95"]
                interval = "" if np.isnan(half) else f" ± {half:.{digits}f}"
                cells.append(
                    {
                        "text": f"{row[metric]:.{digits}f}{interval}",
                        "best": row[metric] == group[metric].max(),
                    }
                )
            rows.append(
                {
                    "degradation": degradation,
                    "method": row["method"],
                    "n": int(row["n"]),
                    "cells": cells,
                }
            )
    return rows


def as_markdown(benchmark: Benchmark) -> str:
    """Return the summary as a Markdown table with its facts."""
    head = ["degradation", "method", "n", *(LABELS[metric] for metric in METRICS)]
    lines = ["# Super-resolution benchmark", ""]
    for name, value in benchmark.facts.items():
        lines.append(f"- {name}: {', '.join(value) if isinstance(value, list) else value}")
    lines += ["", "| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in table(benchmark):
        cells = [f"**{c['text']}**" if c["best"] else c["text"] for c in row["cells"]]
        lines.append(
            "| " + " | ".join([row["degradation"], row["method"], str(row["n"]), *cells]) + " |"
        )
    lines += ["", "Means over pictures ± half-width of the 95% interval.", ""]
    return "\n".join(lines)


def as_html(benchmark: Benchmark) -> str:
    """Return one page with everything inside: tables, pictures, histogram."""
    return render_page(
        "benchmark.html",
        facts=benchmark.facts,
        heads=[LABELS[metric] for metric in METRICS],
        rows=table(benchmark),
        subject=benchmark.subject,
        histogram=data_uri(_histogram(benchmark)),
        groups=[
            ("Best cases", [_figures(e, benchmark) for e in benchmark.best]),
            ("Worst cases", [_figures(e, benchmark) for e in benchmark.worst]),
        ],
    )


def _figures(example: Example, benchmark: Benchmark) -> dict[str, Any]:
    """Return the pictures of one row with their captions."""
    size = example.hr_image.shape[1::-1]
    blocky = cv2.resize(example.lr_image, size, interpolation=cv2.INTER_NEAREST)
    scores = benchmark.per_image[benchmark.per_image["image"] == example.name]
    scores = scores[scores["degradation"] == scores["degradation"].iloc[0]]
    by_method = dict(zip(scores["method"], scores[HEADLINE], strict=True))
    figures = [{"uri": image_uri(blocky), "caption": "input"}]
    for name in (*SHOWN, *benchmark.ours):
        caption = f"{name} {by_method[name]:.2f} dB"
        figures.append({"uri": image_uri(example.results[name]), "caption": caption})
    figures.append({"uri": image_uri(example.hr_image), "caption": "original"})
    return {"name": example.name, "figures": figures}


def _histogram(benchmark: Benchmark) -> bytes:
    """Draw how far the subject gains over bicubic, picture by picture."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = benchmark.per_image
    figure = Figure(figsize=(7, 2.8), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for degradation, group in rows.groupby("degradation", sort=False):
        wide = group.pivot(index="image", columns="method", values=HEADLINE)
        gain = (wide[benchmark.subject] - wide["bicubic"]).to_numpy()
        axes.hist(gain, bins=min(40, max(5, len(gain) // 4)), alpha=0.6, label=str(degradation))
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_xlabel(f"PSNR RGB gain of {benchmark.subject} over bicubic (dB)")
    axes.set_ylabel("pictures")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, title="degradation")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    return buffer.getvalue()
