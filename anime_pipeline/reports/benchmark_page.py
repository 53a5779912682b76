"""A benchmark as CSV, JSON, Markdown and one self-contained HTML page."""

import io
import json
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pandas as pd

from anime_pipeline.core.measurements import HIGHER, Measurement, measurement
from anime_pipeline.reports.benchmark import Benchmark, Example
from anime_pipeline.reports.benchmark_metrics import PSNR_RGB, REFERENCE, SPEED
from anime_pipeline.reports.page import data_uri, image_uri, render_page, write_files

STEM = "benchmark"
LARGEST_WINDOW_PX = 48
STEP_PX = 4  # windows begin between LR pixels
FULL_LEVELS = 64  # mean error over R, G and B at which the colours end
PALETTE = cv2.COLORMAP_INFERNO  # black, violet, red, yellow; even steps look even


def write_reports(benchmark: Benchmark, out: Path) -> dict[str, Path]:
    """Write `benchmark.html`, `.json`, `.csv` and `.md` into `out`; returns the paths."""
    html, markdown = as_html(benchmark), as_markdown(benchmark)
    return write_files(out, STEM, html, as_document(benchmark), benchmark.per_image, markdown)


def as_document(benchmark: Benchmark) -> dict[str, Any]:
    """Return the JSON form: facts, what the figures mean, means, pairs, every picture's figures."""
    return {
        "facts": benchmark.facts,
        "machine": benchmark.machine,
        "metrics": {
            metric.key: {
                "label": metric.label,
                "better": metric.direction.partition(" ")[0],
                "protocol": metric.meaning,
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
    return render_page("benchmark.md", **_tables(benchmark))


def as_html(benchmark: Benchmark) -> str:
    """Return one page with everything inside: tables, pictures, histogram."""
    return render_page(
        "benchmark.html",
        **_tables(benchmark),
        subject=benchmark.subject,
        degradation=benchmark.summary["degradation"].iloc[0],
        histogram=data_uri(_histogram(benchmark)),
        scale={"uri": image_uri(error_scale()), "most": FULL_LEVELS},
        groups=[
            ("Where it gains most", [_figures(e, benchmark) for e in benchmark.best]),
            ("Where it gains least", [_figures(e, benchmark) for e in benchmark.worst]),
        ],
    )


def _tables(benchmark: Benchmark) -> dict[str, Any]:
    return {
        "facts": {**benchmark.facts, **benchmark.machine},
        "heads": [one.directed for one in columns(benchmark)],
        "rows": summary_rows(benchmark),
        "protocols": {metric.directed: metric.meaning for metric in benchmark.metrics},
        "pair_heads": [metric.directed for metric in headline(benchmark)],
        "pairs": pair_rows(benchmark),
    }


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
    pictures = {"whole": image_uri(whole), "part": image_uri(np.ascontiguousarray(part))}
    return {"title": title, "caption": caption, **pictures}


def _scores(benchmark: Benchmark, example: Example, method: str) -> str:
    """Return the figures of one method on one picture, of the first degradation."""
    rows = benchmark.per_image
    mine = (rows["method"] == method) & (rows["image"] == example.name)
    row = rows[mine].iloc[0]  # of several degradations the first
    # Spaces that never break hold a figure to its unit or name.
    texts = [f"{row[PSNR_RGB]:.2f}\u00a0dB"]
    texts += [f"LPIPS\u00a0{row['lpips_alex']:.2f}"] if "lpips_alex" in row else []
    return " · ".join(texts)


def _histogram(benchmark: Benchmark) -> bytes:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 2.8), layout="constrained")
    axes = figure.add_subplot()
    for degradation, group in benchmark.per_image.groupby("degradation", sort=False):
        wide = group.pivot(index="image", columns="method", values=PSNR_RGB)
        gain = (wide[benchmark.subject] - wide[REFERENCE]).to_numpy()
        axes.hist(gain, bins=min(40, max(5, len(gain) // 4)), alpha=0.6, label=str(degradation))
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set(xlabel=f"PSNR RGB gain of {benchmark.subject} over bicubic (dB)", ylabel="pictures")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, title="degradation")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    return buffer.getvalue()


def columns(benchmark: Benchmark) -> list[Measurement]:
    """Return the columns of figures of the summary."""
    return [*benchmark.metrics, measurement(SPEED)]


def headline(benchmark: Benchmark) -> list[Measurement]:
    """Return the metrics that methods are compared pairwise by."""
    return [metric for metric in benchmark.metrics if metric.headline]


def summary_rows(benchmark: Benchmark) -> list[dict[str, Any]]:
    """Return the summary as text cells, the best figure of each column marked."""
    rows = []
    for _, group in benchmark.summary.groupby("degradation", sort=False):
        for _, row in group.iterrows():
            cells = []
            for one in columns(benchmark):
                value, half = float(row[one.key]), float(row.get(f"{one.key}_ci95", float("nan")))
                # Times depend on the machine: no method is the best by them.
                best = one.key != SPEED and value == one.best(group[one.key])
                cells.append(_cell(one, value, half) | {"best": best})
            rows.append({**row, "cells": cells})
    return rows


def pair_rows(benchmark: Benchmark) -> list[dict[str, Any]]:
    """Return the paired comparisons as text cells, those that are surely better marked."""
    keys = ["degradation", "method", "reference", "n"]
    rows = []
    for names, group in benchmark.paired.groupby(keys, sort=False):
        figures = group.set_index("metric")
        cells = []
        for one in headline(benchmark):
            names_of = ("difference", "difference_ci95", "better_share")
            change, half, share = (float(figures[name][one.key]) for name in names_of)
            gain = change if one.direction == HIGHER else -change
            cell = _cell(one, change, half, "+" if change >= 0 else "")
            marks = {"best": gain > half, "worse": -gain > half}
            cells.append(cell | marks | {"share": f"{share:.0%}"})
        rows.append(dict(zip(keys, names, strict=True)) | {"cells": cells})
    return rows


def _cell(one: Measurement, value: float, half: float, sign: str = "") -> dict[str, Any]:
    known, told = value == value, half == half  # else no number
    return {
        "value": sign + one.text(value).replace("-", "−") if known else "–",
        "interval": f"± {one.text(half)}" if told else "",
    }


class Window(NamedTuple):
    """A square part of a picture, in pixels."""

    top: int
    left: int
    side: int

    def cut(self, image: np.ndarray) -> np.ndarray:
        """Return the part of [H, W, C]."""
        return image[self.top : self.top + self.side, self.left : self.left + self.side]


def hardest_window(hr_image: np.ndarray, result: np.ndarray) -> Window:
    """Return where a result is furthest from the original: uint8 [H, W, 3] both.

    The side is half the picture's, at most 48 px, so that the page can show it well enlarged.
    """
    error = error_levels(hr_image, result)
    height, width = error.shape
    side = min(LARGEST_WINDOW_PX, height // 2, width // 2)
    sums = cv2.integral(error)
    totals = (
        sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    )[::STEP_PX, ::STEP_PX]
    top, left = np.unravel_index(totals.argmax(), totals.shape)
    return Window(int(top) * STEP_PX, int(left) * STEP_PX, side)


def error_levels(hr_image: np.ndarray, result: np.ndarray) -> np.ndarray:
    """Return the mean absolute error over R, G and B: float32 [H, W], 0..255 grey levels."""
    return np.asarray(
        np.abs(hr_image.astype(np.float32) - result.astype(np.float32)).mean(axis=2), np.float32
    )


def error_map(hr_image: np.ndarray, result: np.ndarray) -> np.ndarray:
    """Return the error in colours, uint8 [H, W, 3]: black is none, light yellow 64 or more."""
    return _coloured(error_levels(hr_image, result) / FULL_LEVELS)


def error_scale() -> np.ndarray:
    """Return the colours from no error to 64 levels: uint8 [1, 256, 3]."""
    return _coloured(np.linspace(0, 1, 256, dtype=np.float32)[None])


def _coloured(shares: np.ndarray) -> np.ndarray:
    levels = np.rint(np.clip(shares, 0, 1) * 255).astype(np.uint8)
    return np.ascontiguousarray(cv2.applyColorMap(levels, PALETTE)[..., ::-1])
