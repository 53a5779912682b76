"""How the super-resolution benchmark measures its columns: on all results of a few pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from anime_pipeline.core.measurements import BENCHMARK, of_kind
from anime_pipeline.metrics.lpips import NETS, Lpips, why_missing
from anime_pipeline.metrics.lr_psnr import lr_psnr

PSNR_RGB = "psnr_rgb_db"  # by which examples are chosen


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
