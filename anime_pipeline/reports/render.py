"""A benchmark as CSV, JSON, Markdown and one self-contained HTML page."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from anime_pipeline.core.storage import atomic_write_json, atomic_write_text
from anime_pipeline.reports.benchmark import Benchmark, Example
from anime_pipeline.reports.benchmark_metrics import PSNR_RGB
from anime_pipeline.reports.benchmark_pictures import (
    FULL_LEVELS,
    error_map,
    error_scale,
    hardest_window,
)
from anime_pipeline.reports.benchmark_statistics import REFERENCE
from anime_pipeline.reports.benchmark_tables import (
    EXPLANATION,
    PAIRED_EXPLANATION,
    directed,
    headline,
    heads,
    pair_rows,
    protocols,
    summary_rows,
)
from anime_pipeline.reports.page import data_uri, image_uri, render_page

KINDS = ("csv", "json", "md", "html")


def write_reports(benchmark: Benchmark, out: Path) -> dict[str, Path]:
    """Write `benchmark.csv`, `.json`, `.md` and `.html` into `out`; returns the paths."""
    paths = {kind: out / f"benchmark.{kind}" for kind in KINDS}
    atomic_write_text(paths["csv"], benchmark.per_image.to_csv(index=False))
    atomic_write_json(paths["json"], as_document(benchmark))
    atomic_write_text(paths["md"], as_markdown(benchmark))
    atomic_write_text(paths["html"], as_html(benchmark))
    return paths


def as_document(benchmark: Benchmark) -> dict[str, Any]:
    """Return the JSON form: facts, what the figures mean, means, pairs, every picture's figures."""
    return {
        "facts": benchmark.facts,
        "machine": benchmark.machine,
        "metrics": {
            metric.key: {
                "label": metric.label,
                "better": "higher" if metric.higher_is_better else "lower",
                "protocol": metric.protocol,
            }
            for metric in benchmark.metrics
        },
        "summary": _records(benchmark.summary),
        "paired": _records(benchmark.paired),
        "per_image": _records(benchmark.per_image),
    }


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return list(json.loads(table.to_json(orient="records", double_precision=15)))


def as_markdown(benchmark: Benchmark) -> str:
    """Return the tables in Markdown, with what a reader must know."""
    lines = ["# Super-resolution benchmark", ""]
    for name, value in {**benchmark.facts, **benchmark.machine}.items():
        lines.append(f"- {name}: {', '.join(value) if isinstance(value, list) else value}")
    keys = ["degradation", "method", "n"]
    lines += ["", "## Results", "", *_table([*keys, *heads(benchmark)], keys, benchmark)]
    lines += ["", EXPLANATION, ""]
    lines += [f"- {name}: {text}" for name, text in protocols(benchmark).items()]
    keys = ["degradation", "method", "reference", "n"]
    names = ["degradation", "method", "minus", "n", *map(directed, headline(benchmark))]
    lines += ["", "## Picture by picture", "", *_table(names, keys, benchmark, paired=True)]
    return "\n".join([*lines, "", PAIRED_EXPLANATION, ""])


def _table(
    names: list[str], keys: list[str], benchmark: Benchmark, paired: bool = False
) -> list[str]:
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    for row in pair_rows(benchmark) if paired else summary_rows(benchmark):
        cells = [str(row[key]).replace("|", "\\|") for key in keys]
        for cell in row["cells"]:
            text = f"{cell['value']} {cell['interval']}".strip()
            text = f"**{text}**" if cell["best"] else text
            cells.append(f"{text} ({cell['share']})" if paired else text)
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def as_html(benchmark: Benchmark) -> str:
    """Return one page with everything inside: tables, pictures, histogram."""
    return render_page(
        "benchmark.html",
        facts={**benchmark.facts, **benchmark.machine},
        heads=heads(benchmark),
        rows=summary_rows(benchmark),
        explanation=EXPLANATION,
        protocols=protocols(benchmark),
        pair_heads=[directed(metric) for metric in headline(benchmark)],
        pairs=pair_rows(benchmark),
        paired_explanation=PAIRED_EXPLANATION,
        subject=benchmark.subject,
        degradation=benchmark.summary["degradation"].iloc[0],
        histogram=data_uri(_histogram(benchmark)),
        scale={"uri": image_uri(error_scale()), "most": FULL_LEVELS},
        groups=[
            ("Where it gains most", [_figures(e, benchmark) for e in benchmark.best]),
            ("Where it gains least", [_figures(e, benchmark) for e in benchmark.worst]),
        ],
    )


def _figures(example: Example, benchmark: Benchmark) -> dict[str, Any]:
    """Return an example's columns: whole picture, window and error of each method shown."""
    hr_image = example.hr_image
    height, width = hr_image.shape[:2]
    window = hardest_window(hr_image, example.results[REFERENCE])
    blocky = cv2.resize(example.lr_image, (width, height), interpolation=cv2.INTER_NEAREST)
    columns = [_column("input", f"{width // 4}×{height // 4} px", blocky, window.cut(blocky))]
    for name in dict.fromkeys([REFERENCE, benchmark.subject, *benchmark.ours, *benchmark.others]):
        result = example.results[name]
        column = _column(name, _scores(benchmark, example, name), result, window.cut(result))
        columns.append(column | {"error": image_uri(error_map(hr_image, result))})
    columns.append(_column("original", f"{width}×{height} px", hr_image, window.cut(hr_image)))
    return {
        "name": example.name,
        "columns": columns,
        # In percent of the picture, so that the frame fits at any size it is shown at.
        "frame": {
            "left": 100 * window.left / width,
            "top": 100 * window.top / height,
            "width": 100 * window.side / width,
            "height": 100 * window.side / height,
        },
    }


def _column(title: str, caption: str, whole: np.ndarray, part: np.ndarray) -> dict[str, Any]:
    return {
        "title": title,
        "caption": caption,
        "whole": image_uri(whole),
        "part": image_uri(np.ascontiguousarray(part)),
    }


def _scores(benchmark: Benchmark, example: Example, method: str) -> str:
    """Return the figures of one method on one picture, of the first degradation."""
    rows = benchmark.per_image
    first = rows["degradation"].iloc[0]
    row = rows[
        (rows["degradation"] == first)
        & (rows["method"] == method)
        & (rows["image"] == example.name)
    ].iloc[0]  # fmt: skip
    # Spaces that never break hold a figure to its unit or name.
    texts = [f"{row[PSNR_RGB.key]:.2f}\u00a0dB"]
    texts += [f"LPIPS\u00a0{row[m.key]:.2f}" for m in benchmark.metrics if m.key == "lpips_alex"]
    return " · ".join(texts)


def _histogram(benchmark: Benchmark) -> bytes:
    """Draw how far the subject gains over bicubic, picture by picture."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = benchmark.per_image
    figure = Figure(figsize=(7, 2.8), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for degradation, group in rows.groupby("degradation", sort=False):
        wide = group.pivot(index="image", columns="method", values=PSNR_RGB.key)
        gain = (wide[benchmark.subject] - wide[REFERENCE]).to_numpy()
        axes.hist(gain, bins=min(40, max(5, len(gain) // 4)), alpha=0.6, label=str(degradation))
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_xlabel(f"PSNR RGB gain of {benchmark.subject} over bicubic (dB)")
    axes.set_ylabel("pictures")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, title="degradation")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    return buffer.getvalue()
