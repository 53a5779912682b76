"""A run folder as one self-contained HTML page: what was trained, how it went, what to do next."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from anime_pipeline.core.arrays import UNREADABLE, open_arrays
from anime_pipeline.core.errors import DataError
from anime_pipeline.core.measurements import HIGHER, LOWER, charts, measurement
from anime_pipeline.core.runs import METRICS_FILE, RunSummary, read_facts, read_metrics, read_run
from anime_pipeline.core.samples import epoch_words, list_samples, read_sample
from anime_pipeline.core.storage import atomic_write_text
from anime_pipeline.images.codec import decode
from anime_pipeline.reports.curves import plot_curves
from anime_pipeline.reports.page import data_uri, render_page
from anime_pipeline.reports.view import details, digest, plain

REPORT_FILE = "report.html"
MOST_GRIDS = 6
SPARK = (300, 70)  # the view box of a small curve


def write_report(folder: Path, ended: bool = False) -> Path:
    """Write `report.html` into a run folder, over an earlier one.

    Args:
        folder: The run folder.
        ended: Whether the caller is the training itself, done with it: the folder is locked still.

    Raises:
        CheckpointError: If it is no run folder.
    """
    path = folder / REPORT_FILE
    atomic_write_text(path, as_html(folder, ended))
    return path


def as_html(folder: Path, ended: bool = False) -> str:
    """Return the page; see `write_report`."""
    run = read_run(folder)
    if ended:
        run = replace(run, state="complete" if run.step >= run.total_steps else "stopped")
    log, samples = digest(read_metrics(folder / METRICS_FILE)), list_samples(folder)
    drawn = any(one.key in log.curves for members in charts().values() for one in members)
    return render_page(
        "training.html",
        run=details(run, samples, log),
        grids=_grids(folder, samples, log.steps),
        sparks={key: _spark(key, points) for key, points in log.curves.items()},
        curves=data_uri(plot_curves({run.name: log.curves})) if drawn else "",
        about=_about(run),
    )


def _grids(folder: Path, samples: Sequence[int], steps: Mapping[int, int]) -> list[dict[str, str]]:
    """Return the first sample grid, some in between and the last, each with its caption."""
    found: list[tuple[int, bytes]] = []
    for epoch in samples:
        try:
            content = read_sample(folder, epoch)
            decode(content)
        except (OSError, DataError):
            continue  # half of one, or somebody's own
        found.append((epoch, content))
    # The early ones differ most from each other.
    chosen = np.unique(np.geomspace(1, max(len(found), 1), MOST_GRIDS).round().astype(int) - 1)
    return [
        {
            "uri": data_uri(content),
            "caption": epoch_words(epoch),
            "step": f"step {steps[epoch]:,}" if epoch and epoch in steps else "",
        }
        for epoch, content in (found[index] for index in chosen if index < len(found))
    ]


def _spark(key: str, points: list[list[float]]) -> dict[str, str]:
    """Return a small curve as SVG coordinates."""
    steps, values = np.array(points, np.float64).T
    low, high = values.min(), values.max()
    if measurement(key).direction not in (LOWER, HIGHER):  # or noise would look like a trend
        low, high = min(0.0, low), max(1.0, high)
    x = _scaled(steps, steps.min(), steps.max()) * (SPARK[0] - 12) + 6
    y = SPARK[1] - 8 - _scaled(values, low, high) * (SPARK[1] - 16)
    return {
        "points": " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True)),
        "end": f"{x[-1]:.1f} {y[-1]:.1f}",
    }


def _scaled(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Bring values to [0, 1]; halved first, or the range of two huge ones would overflow."""
    scaled: np.ndarray = (values / 2 - low / 2) / max(high / 2 - low / 2, 1e-12)
    return scaled


def _about(run: RunSummary) -> list[tuple[str, str]]:
    """Return what the run was made from and on, as far as it recorded that."""
    facts = read_facts(run.folder)
    if trained := _train_images(run.folder):
        split = f"{trained:,} trained on; the others held out for checks and benchmarks"
    elif count := run.config.get("train_count"):
        split = f"{plain(count)} trained on (--train-count)"
    else:
        split = "80% trained on, 5% to check with, 15% for benchmarks; near-duplicates together"
    entries: dict[str, Any] = {
        "Preset": run.preset,
        "Pictures from": facts.get("data"),
        "Pictures": facts.get("images"),
        "Split": split,
        "Fingerprint of the pictures": facts.get("data_fingerprint"),
        "Processor": facts.get("cpu"),
        "Arithmetic": run.config.get("precision"),
        "Backend": facts.get("backend"),
        "Libraries": facts.get("libraries"),
        "Beside the pictures": facts.get("task"),
        "anime-pipeline": facts.get("version"),
        "Folder": str(run.folder),
    }
    return [(name, plain(value)) for name, value in entries.items() if value]


def _train_images(folder: Path) -> int:
    """Return how many pictures are on the training side, as the exported weights say; or 0."""
    for name in ("generator.npz", "fidelity.npz", "perceptual.npz", "faces.npz"):
        try:
            with open_arrays(folder / name) as file:
                return int(file.document("description.json")["training"]["train_images"])
        except UNREADABLE:
            continue
    return 0
