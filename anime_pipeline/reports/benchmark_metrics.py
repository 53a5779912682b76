"""What the super-resolution benchmark measures: metrics with their direction and protocol."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from anime_pipeline.metrics.colour_shift import colour_shift
from anime_pipeline.metrics.gmsd import gmsd
from anime_pipeline.metrics.lpips import NETS, Lpips, weights_sha256, why_missing
from anime_pipeline.metrics.lr_psnr import lr_psnr
from anime_pipeline.metrics.psnr import psnr_rgb, psnr_y
from anime_pipeline.metrics.ssim import ssim_rgb


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


@dataclass(frozen=True)
class Metric:
    """A column of the report.

    Attributes:
        key: Its name in CSV and JSON, unit included.
        label: Its name for people.
        digits: Decimals that are worth printing.
        higher_is_better: Its direction.
        protocol: What decides the figure, in one line.
        measure: Case to float64 [K, N].
        headline: Whether methods are compared pairwise by it.
    """

    key: str
    label: str
    digits: int
    higher_is_better: bool
    protocol: str
    measure: Callable[[Case], np.ndarray]
    headline: bool = False

    def best(self, values: np.ndarray) -> float:
        """Return the best of some figures; NaN if all are."""
        known = values[~np.isnan(values)]
        if not len(known):
            return float("nan")
        return float(known.max() if self.higher_is_better else known.min())


def _each(measure: Callable[[np.ndarray, np.ndarray], float], case: Case) -> np.ndarray:
    """Compare every result with its original."""
    rows = [
        [measure(hr, result) for hr, result in zip(case.hr_images, version, strict=True)]
        for version in case.results
    ]
    return np.array(rows, np.float64)


def _consistency(case: Case) -> np.ndarray:
    rows = [
        [
            lr_psnr(lr, result, case.degradation)
            for lr, result in zip(case.lr_images, version, strict=True)
        ]
        for version in case.results
    ]
    return np.array(rows, np.float64)


PSNR_RGB = Metric(
    "psnr_rgb_db", "PSNR RGB (dB)", 2, True, "uint8 RGB, peak 255", partial(_each, psnr_rgb), True
)
SSIM = Metric(
    "ssim", "SSIM", 4, True, "7x7 window on RGB, by scikit-image", partial(_each, ssim_rgb), True
)
PIXEL_METRICS = (
    PSNR_RGB,
    Metric(
        "psnr_y_db", "PSNR Y (dB)", 2, True, "BT.601 luma, 4 px shaved off", partial(_each, psnr_y)
    ),
    SSIM,
    Metric(
        "gmsd",
        "Edges (GMSD)",
        4,
        False,
        "gradient magnitude similarity deviation, Xue et al. 2014: 0 if all edges are kept",
        partial(_each, gmsd),
    ),
    Metric(
        "colour_shift_delta_e",
        "Colour shift (ΔE00)",
        2,
        False,
        "mean CIEDE2000 between result and original, both averaged to 8x8 px",
        partial(_each, colour_shift),
    ),
    Metric(
        "lr_psnr_db",
        "Consistency (dB)",
        2,
        True,
        "LR-PSNR: the result reduced again, against the input; by the same reduction where that "
        "is a plain one, else by Pillow's bicubic; 100 stands for equal",
        _consistency,
    ),
)
LPIPS_AT = 3  # after SSIM


def available_metrics() -> tuple[tuple[Metric, ...], dict[str, str]]:
    """Return every metric that can be measured here, and facts about those that need weights.

    Loads the networks of LPIPS where their files are.
    """
    metrics, facts = list(PIXEL_METRICS), {}
    for net in reversed(NETS):
        reason = why_missing(net)
        facts[f"LPIPS {net}"] = reason or f"weights sha256 {weights_sha256(net)[:16]}"
        if not reason:
            metrics.insert(LPIPS_AT, _lpips(net))
    return tuple(metrics), {name: facts[name] for name in sorted(facts)}


def _lpips(net: str) -> Metric:
    lpips = Lpips(net)
    title = {"alex": "AlexNet", "vgg": "VGG16"}[net]
    return Metric(
        f"lpips_{net}",
        f"LPIPS {net}",
        3,
        False,
        f"Zhang et al. 2018, {title}, version 0.1: 0 if nothing looks different",
        lambda case: lpips(case.hr_images, case.results),
        True,
    )
