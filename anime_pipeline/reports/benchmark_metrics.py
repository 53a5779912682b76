"""How the super-resolution benchmark measures its columns, and what the figures say together."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from scipy import stats

from anime_pipeline.core.measurements import BENCHMARK, HIGHER, Measurement, of_kind
from anime_pipeline.metrics.lpips import NETS, Lpips, why_missing
from anime_pipeline.metrics.lr_psnr import lr_psnr

PSNR_RGB, SPEED = "psnr_rgb_db", "ms_per_image"  # examples are chosen by the first
REFERENCE = "bicubic"
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Case:
    """Some pictures, what they were reduced to, and what every method made of that.

    Attributes:
        hr_images: Originals uint8 [N, S, S, 3].
        lr_images: Inputs uint8 [N, S / 4, S / 4, 3].
        results: uint8 [K, N, S, S, 3], one row per method.
        degradation: How the inputs were made.
    """

    hr_images: np.ndarray
    lr_images: np.ndarray
    results: np.ndarray
    degradation: str


Measure = Callable[[Case], np.ndarray]  # to float64 [K, N]


def pixel_metrics() -> dict[str, Measure]:
    """Return what measures each column that needs no network, by its key and in order."""
    functions: dict[str, Measure] = {"lr_psnr_db": _consistency}
    columns = of_kind(BENCHMARK)
    functions |= {one.key: partial(_each, one.load()) for one in columns if one.function}
    return {one.key: functions[one.key] for one in columns if one.key in functions}


def available_metrics() -> tuple[dict[str, Measure], dict[str, str]]:
    """Return every metric that can be measured here, and facts about those that need weights.

    Loads the networks of LPIPS where their files are.
    """
    functions, facts = pixel_metrics(), {}
    for net in NETS:
        reason = why_missing(net)
        facts[f"LPIPS {net}"] = f"left out: {reason}"
        if reason is None:
            lpips = Lpips(net)
            facts[f"LPIPS {net}"] = f"weights sha256 {lpips.sha256[:16]}"
            functions[f"lpips_{net}"] = partial(_perceptual, lpips)
    return {m.key: functions[m.key] for m in of_kind(BENCHMARK) if m.key in functions}, facts


def _each(measure: Callable[[np.ndarray, np.ndarray], float], case: Case) -> np.ndarray:
    rows = [map(measure, case.hr_images, version) for version in case.results]
    return np.array([list(row) for row in rows], np.float64)


def _consistency(case: Case) -> np.ndarray:
    """Compare every result, made small again, with its input."""
    again = partial(lr_psnr, degradation=case.degradation)
    return np.array([list(map(again, case.lr_images, rows)) for rows in case.results], np.float64)


def _perceptual(lpips: Lpips, case: Case) -> np.ndarray:
    return lpips(case.hr_images, case.results)


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
                found = (len(gain), gain.mean(), interval_95(gain), better.mean())
                rows.append((degradation, method, reference, metric.key, *found))
    names = "degradation method reference metric n difference difference_ci95 better_share"
    return pd.DataFrame(rows, columns=names.split())
