"""The super-resolution benchmark: every upscaler on the same degraded held-out pictures."""

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
import pandas as pd

from anime_pipeline.core.config import SCALE
from anime_pipeline.core.errors import invalid
from anime_pipeline.core.machine import cpu_name, usable_cores
from anime_pipeline.core.measurements import Measurement, measurement
from anime_pipeline.core.progress import Progress, ignored
from anime_pipeline.core.randomness import stream
from anime_pipeline.data.degrade import degrade
from anime_pipeline.reports import benchmark_metrics
from anime_pipeline.reports.benchmark_metrics import PSNR_RGB, REFERENCE, Case, Measure

BASELINES = {
    "nearest": cv2.INTER_NEAREST,
    "bilinear": cv2.INTER_LINEAR,
    "bicubic": cv2.INTER_CUBIC,
    "lanczos": cv2.INTER_LANCZOS4,
}
CHUNK = 8  # pictures measured at once: VGG16's maps of 128 px take 8 MB each
WARM_UP = 9  # pictures: batches of eight and a rest, so that no graph is traced on the clock
RUNS, RUNS_WITHIN_S = 3, 1.0  # a short run is repeated: other programs disturb it most

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
        summary: Mean and half-width of the 95% interval per degradation and method, and the time.
        paired: Differences between methods on the same pictures, see `compare_pairs`.
        metrics: The columns, with their directions and protocols.
        best: Pictures where `subject` gains most over bicubic.
        worst: Pictures where it gains least.
        ours: The methods measured beside the baselines; examples are chosen for the first.
        others: Methods of which only the results are known.
        machine: Where it ran, which decides the times and nothing else.
        facts: What a reader must know to trust or repeat the figures.
    """

    per_image: pd.DataFrame
    summary: pd.DataFrame
    paired: pd.DataFrame
    metrics: list[Measurement]
    best: list[Example]
    worst: list[Example]
    ours: list[str]
    others: list[str]
    machine: dict[str, object]
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


def reduce_all(hr_images: np.ndarray, degradation: str) -> np.ndarray:
    """Make the benchmark's inputs: uint8 [N, S, S, 3] to [N, S / 4, S / 4, 3].

    Chance follows from each picture's content, so that its input is the same whichever other
    pictures are measured.
    """
    reduced = []
    for hr in map(np.ascontiguousarray, hr_images):
        index = int.from_bytes(hashlib.sha256(hr.tobytes()).digest()[:8], "little") >> 1
        reduced.append(degrade(hr, SCALE, degradation, stream(0, "benchmark", index)))
    return np.stack(reduced)


def run_benchmark(
    hr_images: np.ndarray,
    names: Sequence[str],
    degradations: Sequence[str],
    ours: Mapping[str, Method],
    examples: int = 4,
    progress: Progress = ignored,
    others: Mapping[str, np.ndarray] | None = None,
    metrics: Mapping[str, Measure] | None = None,
) -> Benchmark:
    """Degrade, upscale and measure.

    Args:
        hr_images: uint8 [N, S, S, 3], never trained on.
        names: A name per picture.
        degradations: Names from `data.degrade`.
        ours: Methods to measure beside the baselines; the first is the subject.
        examples: How many best and worst pictures to keep.
        progress: Called with (done, total).
        others: Results uint8 [N, S, S, 3] of methods that ran elsewhere, on the inputs that
            `reduce_all` makes; needs a single degradation.
        metrics: What measures each column; `PSNR_RGB` must be among it.

    Raises:
        ValueError: If there are `others` and several degradations.
    """
    others, metrics = others or {}, metrics or benchmark_metrics.pixel_metrics()
    if others and len(degradations) > 1:
        received = ", ".join(degradations)
        raise invalid("degradations", "one where `others` are given", received)
    methods = {name: baseline(name) for name in BASELINES} | dict(ours)
    total, done = len(degradations) * len(names) * (2 * len(methods) + len(others)), 0

    def add(count: int) -> None:
        nonlocal done
        done += count  # pictures upscaled or measured
        progress(done, total)

    tables: list[pd.DataFrame] = []
    speed_ms: dict[tuple[str, str], float] = {}
    every: list[Example] = []  # of the first degradation
    for degradation in degradations:
        lr_images = reduce_all(hr_images, degradation)
        results: dict[str, np.ndarray] = {}
        for method, enlarge in methods.items():
            results[method], speed_ms[degradation, method] = _timed(enlarge, lr_images)
            add(len(names))
        results |= others
        tables.append(_measure(hr_images, lr_images, results, degradation, names, metrics, add))
        every = every or [
            Example(name, lr, {m: images[row] for m, images in results.items()}, np.asarray(hr))
            for row, (name, lr, hr) in enumerate(zip(names, lr_images, hr_images, strict=True))
        ]
    per_image = pd.concat(tables, ignore_index=True)
    subject = next(iter(ours), "lanczos")
    order = _by_gain(per_image, degradations[0], subject)
    count = min(examples, len(order) // 2) or 1
    columns = [measurement(key) for key in metrics]
    headline = [each for each in columns if each.headline]
    summary = benchmark_metrics.summarise(per_image, columns, speed_ms)
    pairs = benchmark_metrics.compare_pairs(per_image, headline, list(ours), list(others))
    best, worst = ([every[row] for row in rows[:count]] for rows in (order, order[::-1]))
    machine: dict[str, object] = {"processor": cpu_name(), "cores": usable_cores()}
    return Benchmark(
        per_image, summary, pairs, columns, best, worst, list(ours), list(others), machine
    )


def _timed(enlarge: Method, lr_images: np.ndarray) -> tuple[np.ndarray, float]:
    results = enlarge(lr_images[:WARM_UP])
    times_s: list[float] = []
    while len(times_s) < RUNS and sum(times_s) < RUNS_WITHIN_S:
        begun = time.perf_counter()
        results = enlarge(lr_images)
        times_s.append(time.perf_counter() - begun)
    return results, min(times_s) * 1000 / len(lr_images)


def _measure(
    hr_images: np.ndarray,
    lr_images: np.ndarray,
    results: Mapping[str, np.ndarray],
    degradation: str,
    names: Sequence[str],
    metrics: Mapping[str, Measure],
    add: Callable[[int], None],
) -> pd.DataFrame:
    """Return one row per method and picture, a column per metric."""
    parts: dict[str, list[np.ndarray]] = {key: [] for key in metrics}
    for start in range(0, len(names), CHUNK):
        rows = slice(start, start + CHUNK)
        versions = np.stack([images[rows] for images in results.values()])
        case = Case(np.asarray(hr_images[rows]), lr_images[rows], versions, degradation)
        for key, measure in metrics.items():
            parts[key].append(measure(case))
        add(versions.shape[0] * versions.shape[1])
    return pd.DataFrame(
        {
            "degradation": degradation,
            "method": np.repeat(list(results), len(names)),
            "image": list(names) * len(results),
            **{key: np.concatenate(values, axis=1).ravel() for key, values in parts.items()},
        }
    )


def _by_gain(per_image: pd.DataFrame, degradation: str, subject: str) -> np.ndarray:
    """Return the rows of the pictures, first those where the subject gains most over bicubic."""
    rows = per_image[per_image["degradation"] == degradation]
    figures = {name: rows[rows["method"] == name][PSNR_RGB] for name in (subject, REFERENCE)}
    gain = figures[subject].to_numpy() - figures[REFERENCE].to_numpy()
    return np.argsort(-gain, kind="stable")
