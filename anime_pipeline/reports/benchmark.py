"""The super-resolution benchmark: every upscaler on the same degraded held-out pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
import pandas as pd
from scipy import stats

from anime_pipeline.core.config import SCALE
from anime_pipeline.core.randomness import stream
from anime_pipeline.data.degrade import degrade
from anime_pipeline.metrics.psnr import psnr_rgb, psnr_y
from anime_pipeline.metrics.ssim import ssim_rgb

METRICS: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "psnr_rgb_db": psnr_rgb,
    "psnr_y_db": psnr_y,
    "ssim": ssim_rgb,
}
HEADLINE = "psnr_rgb_db"
BASELINES = {
    "nearest": cv2.INTER_NEAREST,
    "bilinear": cv2.INTER_LINEAR,
    "bicubic": cv2.INTER_CUBIC,
    "lanczos": cv2.INTER_LANCZOS4,
}

# All LR pictures [N, H, W, 3] uint8 in, all HR pictures [N, 4H, 4W, 3] uint8 out.
Method = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Example:
    """One picture side by side: LR, each method's result, and the original."""

    name: str
    lr_image: np.ndarray
    results: dict[str, np.ndarray]
    hr_image: np.ndarray


@dataclass(frozen=True)
class Benchmark:
    """What was measured.

    Attributes:
        per_image: One row per picture, degradation and method, a column per metric.
        summary: Mean and half-width of the 95% interval per degradation and method.
        best: Pictures where `subject` gains most over bicubic.
        worst: Pictures where it gains least.
        ours: The methods measured beside the baselines; examples are chosen for the first.
        facts: What a reader must know to trust or repeat the figures.
    """

    per_image: pd.DataFrame
    summary: pd.DataFrame
    best: list[Example]
    worst: list[Example]
    ours: list[str]
    facts: dict[str, object] = field(default_factory=dict)

    @property
    def subject(self) -> str:
        """The method that examples and the histogram are about."""
        return self.ours[0] if self.ours else "lanczos"


def baseline(name: str) -> Method:
    """Return one of OpenCV's interpolations as a method."""

    def enlarge(lr_images: np.ndarray) -> np.ndarray:
        height, width = lr_images.shape[1:3]
        size = (width * SCALE, height * SCALE)
        return np.stack([cv2.resize(lr, size, interpolation=BASELINES[name]) for lr in lr_images])

    return enlarge


def interval_95(values: np.ndarray) -> float:
    """Return the half-width of the mean's 95% interval (Student's t); NaN for a single value."""
    if len(values) < 2:
        return float("nan")
    return float(stats.sem(values) * stats.t.ppf(0.975, len(values) - 1))


def run_benchmark(
    hr_images: np.ndarray,
    names: Sequence[str],
    degradations: Sequence[str],
    ours: Mapping[str, Method],
    examples: int = 4,
    progress: Callable[[int, int], None] | None = None,
) -> Benchmark:
    """Degrade, upscale and measure.

    Args:
        hr_images: uint8 [N, S, S, 3], never trained on.
        names: A name per picture.
        degradations: Names from `data.degrade`.
        ours: Methods to measure beside the baselines; the first is the subject.
        examples: How many best and worst pictures to keep.
        progress: Called with (done, total).
    """
    methods = {name: baseline(name) for name in BASELINES} | dict(ours)
    subject = next(iter(ours), "lanczos")
    rows: list[dict[str, object]] = []
    kept: dict[str, np.ndarray] = {}
    lr_kept = np.empty(0)
    total, done = len(degradations) * len(methods), 0
    for degradation in degradations:
        lr_images = np.stack(
            [
                degrade(np.asarray(hr), SCALE, degradation, stream(0, "benchmark", index))
                for index, hr in enumerate(hr_images)
            ]
        )
        for method, enlarge in methods.items():
            results = enlarge(lr_images)
            for name, hr, result in zip(names, hr_images, results, strict=True):
                scores = {metric: measure(hr, result) for metric, measure in METRICS.items()}
                rows.append({"degradation": degradation, "method": method, "image": name, **scores})
            if degradation == degradations[0]:
                kept[method], lr_kept = results, lr_images
            done += 1
            if progress:
                progress(done, total)
    per_image = pd.DataFrame(rows)
    gain = _gain(per_image, degradations[0], subject)
    order = np.argsort(-gain, kind="stable")

    def example(index: int) -> Example:
        results = {method: images[index] for method, images in kept.items()}
        return Example(names[index], lr_kept[index], results, np.asarray(hr_images[index]))

    examples = min(examples, len(order) // 2) or 1
    return Benchmark(
        per_image,
        _summarise(per_image),
        [example(index) for index in order[:examples]],
        [example(index) for index in order[::-1][:examples]],
        list(ours),
    )


def _gain(per_image: pd.DataFrame, degradation: str, subject: str) -> np.ndarray:
    rows = per_image[per_image["degradation"] == degradation]
    ours = rows[rows["method"] == subject][HEADLINE].to_numpy()
    return np.asarray(ours - rows[rows["method"] == "bicubic"][HEADLINE].to_numpy())


def _summarise(per_image: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for (degradation, method), group in per_image.groupby(["degradation", "method"], sort=False):
        row: dict[str, object] = {"degradation": degradation, "method": method, "n": len(group)}
        for metric in METRICS:
            row[metric] = float(group[metric].mean())
            row[f"{metric}_ci95"] = interval_95(group[metric].to_numpy())
        rows.append(row)
    return pd.DataFrame(rows)
