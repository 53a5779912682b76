"""Means, intervals and paired comparisons of a benchmark's per-picture figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from anime_pipeline.core.measurements import HIGHER, Measurement

CONFIDENCE = 0.95
SPEED = "ms_per_image"
REFERENCE = "bicubic"


def interval_95(values: np.ndarray) -> float:
    """Return the half-width of the mean's 95% interval (Student's t); NaN for a single value."""
    if len(values) < 2:
        return float("nan")
    return float(stats.sem(values) * stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1))


def summarise(
    per_image: pd.DataFrame,
    metrics: Sequence[Measurement],
    speed_ms: Mapping[tuple[str, str], float],
) -> pd.DataFrame:
    """Average over pictures: one row per degradation and method.

    Args:
        per_image: One row per picture, degradation and method.
        metrics: Its columns that are averaged.
        speed_ms: Wall-clock time of a picture per (degradation, method); unknown where missing.
    """
    rows = []
    for (degradation, method), group in per_image.groupby(["degradation", "method"], sort=False):
        row: dict[str, object] = {"degradation": degradation, "method": method, "n": len(group)}
        for metric in metrics:
            values = group[metric.key].to_numpy()
            row |= {metric.key: float(values.mean()), f"{metric.key}_ci95": interval_95(values)}
        rows.append(row | {SPEED: speed_ms.get((str(degradation), str(method)), float("nan"))})
    return pd.DataFrame(rows)


def compare_pairs(
    per_image: pd.DataFrame,
    metrics: Sequence[Measurement],
    ours: Sequence[str],
    others: Sequence[str],
) -> pd.DataFrame:
    """Compare methods on the same pictures, which tells apart what means alone cannot.

    Pictures differ far more from each other than methods do; the differences on each picture take
    that away. Every method is set against bicubic, and those that are ours or somebody else's also
    against the first of ours.

    Args:
        per_image: One row per picture, degradation and method.
        metrics: What to compare by.
        ours: Names of methods, the first of which the rest is compared with.
        others: Names of methods.

    Returns:
        One row per degradation, method, reference and metric: `difference` (method minus
        reference, in the metric's unit), `difference_ci95` (half-width, Student's t over pictures)
        and `better_share` (of pictures, where the method is better).
    """
    rows = []
    for degradation, group in per_image.groupby("degradation", sort=False):
        figures = {name: part.reset_index() for name, part in group.groupby("method", sort=False)}
        pairs = [(method, REFERENCE) for method in figures if method != REFERENCE]
        pairs += [(method, ours[0]) for method in [*ours[1:], *others] if ours]
        for method, reference in pairs:
            for metric in metrics:
                gain = (figures[method][metric.key] - figures[reference][metric.key]).to_numpy()
                better = gain > 0 if metric.direction == HIGHER else gain < 0
                rows.append(
                    {
                        "degradation": degradation,
                        "method": method,
                        "reference": reference,
                        "metric": metric.key,
                        "n": len(gain),
                        "difference": float(gain.mean()),
                        "difference_ci95": interval_95(gain),
                        "better_share": float(better.mean()),
                    }
                )
    return pd.DataFrame(rows)
