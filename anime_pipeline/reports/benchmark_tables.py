"""A benchmark's figures as text cells, the same for Markdown and the page."""

from __future__ import annotations

from typing import Any

import pandas as pd

from anime_pipeline.core.measurements import HIGHER, Measurement, measurement
from anime_pipeline.reports.benchmark import Benchmark
from anime_pipeline.reports.benchmark_statistics import SPEED

UNKNOWN = "–"
EXPLANATION = (
    "Means over pictures ± half-width of the 95% interval; ↑ higher is better, ↓ lower is better; "
    "the best of each degradation is marked. Times are wall-clock, the fastest of "
    "up to three runs over all pictures."
)
PAIRED_EXPLANATION = (
    "Mean difference on the same pictures ± half-width of its 95% interval (Student's t), and the "
    "share of pictures where the method is better. Marked: better, and the interval holds no 0."
)


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
            rows.append(_named(row, ["degradation", "method", "n"]) | {"cells": cells})
    return rows


def pair_rows(benchmark: Benchmark) -> list[dict[str, Any]]:
    """Return the paired comparisons as text cells, those that are surely better marked."""
    keys = ["degradation", "method", "reference", "n"]
    rows = []
    for _, group in benchmark.paired.groupby(keys, sort=False):
        figures = group.set_index("metric")
        cells = []
        for one in headline(benchmark):
            change, half, share = (
                float(figures[name][one.key])
                for name in ("difference", "difference_ci95", "better_share")
            )
            gain = change if one.direction == HIGHER else -change
            cell = _cell(one, change, half, "+" if change >= 0 else "")
            marks = {"best": gain > half, "worse": -gain > half, "share": f"{share:.0%}"}
            cells.append(cell | marks)
        rows.append(_named(group.iloc[0], keys) | {"cells": cells})
    return rows


def _named(row: pd.Series, keys: list[str]) -> dict[str, Any]:
    return {key: int(row[key]) if key == "n" else str(row[key]) for key in keys}


def _cell(one: Measurement, value: float, half: float, sign: str = "") -> dict[str, Any]:
    known, told = value == value, half == half  # else no number
    return {
        "value": sign + one.text(value).replace("-", "−") if known else UNKNOWN,
        "interval": f"± {one.text(half)}" if told else "",
    }
