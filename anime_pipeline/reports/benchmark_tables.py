"""A benchmark's figures as text cells, the same for Markdown and the page."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from anime_pipeline.reports.benchmark import Benchmark
from anime_pipeline.reports.benchmark_metrics import Metric
from anime_pipeline.reports.benchmark_statistics import SPEED

SPEED_LABEL = "ms per picture"
UNKNOWN = "–"
UP, DOWN = "\u00a0↑", "\u00a0↓"  # held to the word before by a space that never breaks
EXPLANATION = (
    "Means over pictures ± half-width of the 95% interval; ↑ higher is better, ↓ lower is better; "
    "the best of each degradation is marked. Times are wall-clock, the fastest of "
    "up to three runs over all pictures."
)
PAIRED_EXPLANATION = (
    "Mean difference on the same pictures ± half-width of its 95% interval (Student's t), and the "
    "share of pictures where the method is better. Marked: better, and the interval holds no 0."
)


def directed(metric: Metric) -> str:
    """Return a metric's label with an arrow towards better."""
    return f"{metric.label}{UP if metric.higher_is_better else DOWN}"


def heads(benchmark: Benchmark) -> list[str]:
    """Return the heads of the summary's columns of figures."""
    return [*map(directed, benchmark.metrics), SPEED_LABEL + DOWN]


def headline(benchmark: Benchmark) -> list[Metric]:
    """Return the metrics that methods are compared pairwise by."""
    return [metric for metric in benchmark.metrics if metric.headline]


def protocols(benchmark: Benchmark) -> dict[str, str]:
    """Return what decides the figures of each metric, by its label."""
    return {directed(metric): metric.protocol for metric in benchmark.metrics}


def summary_rows(benchmark: Benchmark) -> list[dict[str, Any]]:
    """Return the summary as text cells, the best figure of each column marked."""
    rows = []
    for _, group in benchmark.summary.groupby("degradation", sort=False):
        for _, row in group.iterrows():
            cells = []
            for metric in benchmark.metrics:
                cell = _figure(row[metric.key], row[f"{metric.key}_ci95"], metric.digits)
                best = metric.best(group[metric.key].to_numpy())
                cells.append(cell | {"best": bool(row[metric.key] == best)})
            speed = UNKNOWN if np.isnan(row[SPEED]) else _milliseconds(row[SPEED])
            cells.append({"value": speed, "interval": "", "best": False})
            rows.append(_named(row, ["degradation", "method", "n"]) | {"cells": cells})
    return rows


def pair_rows(benchmark: Benchmark) -> list[dict[str, Any]]:
    """Return the paired comparisons as text cells, those that are surely better marked."""
    keys = ["degradation", "method", "reference", "n"]
    rows = []
    for _, group in benchmark.paired.groupby(keys, sort=False):
        figures = group.set_index("metric")
        cells = []
        for metric in headline(benchmark):
            change = float(figures["difference"][metric.key])
            half = float(figures["difference_ci95"][metric.key])
            share = float(figures["better_share"][metric.key])
            gain = change if metric.higher_is_better else -change
            cell = _figure(change, half, metric.digits, sign="+")
            marks = {"best": bool(gain > half), "worse": bool(-gain > half)}
            cells.append(cell | marks | {"share": f"{share:.0%}"})
        rows.append(_named(group.iloc[0], keys) | {"cells": cells})
    return rows


def _named(row: pd.Series, keys: list[str]) -> dict[str, Any]:
    return {key: int(row[key]) if key == "n" else str(row[key]) for key in keys}


def _figure(value: float, half: float, digits: int, sign: str = "") -> dict[str, Any]:
    interval = "" if np.isnan(half) else f"± {half:.{digits}f}"
    return {"value": f"{value:{sign}.{digits}f}".replace("-", "−"), "interval": interval}


def _milliseconds(value: float) -> str:
    """Return a time with about two digits: 0.03, 2.4, 41."""
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}" if value >= 1 else f"{value:.2f}"
