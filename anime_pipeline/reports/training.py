"""A run folder as one self-contained HTML page: what was trained, how it went, what to do next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from anime_pipeline.core.arrays import UNREADABLE, open_arrays
from anime_pipeline.core.errors import DataError
from anime_pipeline.core.files import open_inside, read_at_most
from anime_pipeline.core.presets import DCGAN_PRESETS, SRGAN_PRESETS
from anime_pipeline.core.runs import (
    METRICS_FILE,
    SAMPLES_FOLDER,
    RunSummary,
    read_facts,
    read_metrics,
    read_run,
)
from anime_pipeline.core.storage import atomic_write_text
from anime_pipeline.images.codec import decode
from anime_pipeline.reports.curves import PANELS, plot_curves
from anime_pipeline.reports.page import data_uri, render_page
from anime_pipeline.reports.training_words import (
    HIGH,
    LOW,
    MEASUREMENTS,
    TRENDS,
    commands,
    duration,
    meaning,
    number,
    plain,
    verdict,
)

REPORT_FILE = "report.html"
MOST_GRIDS = 6
MAX_GRID_BYTES = 2**26
SPARK = (300, 70)  # the view box of a small curve

Row = dict[str, Any]


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
    state = run.state
    if ended:
        state = "complete" if run.step >= run.total_steps else "stopped"
    rows = read_metrics(folder / METRICS_FILE)
    last = {name: (row[name], row["step"]) for row in rows for name in row}
    return render_page(
        "training.html",
        run=run,
        state=state,
        share=min(1.0, run.step / max(run.total_steps, 1)),
        title=_title(run),
        figures=_figures(run, rows),
        grids=_grids(folder, rows),
        accuracies=_accuracies(run.metrics),
        verdict=verdict(run.metrics),
        trends=[found for trend in TRENDS if (found := _trend(rows, *trend))],
        curves=_curves(run, rows),
        measured=_measured(last, run.stage),
        warnings=[_warning(line) for line in run.warnings if line.strip()],
        differ=_differences(run),
        settings=[(name, plain(value)) for name, value in run.config.items()],
        about=_about(run),
        commands=commands(run, state),
    )


def _title(run: RunSummary) -> str:
    if run.stage == "dcgan":
        size = run.config.get("image_size", "?")
        return f"A DCGAN learning to draw faces of {size} × {size} pixels"
    scale, size = run.config.get("scale", 4), run.config.get("hr_size", "?")
    return f"An SRGAN learning to enlarge faces {scale} times, to {size} × {size} pixels"


def _images_per_step(config: Mapping[str, Any]) -> int:
    try:
        return int(config["batch_size"]) * int(config.get("d_steps", 1))
    except (KeyError, TypeError, ValueError):
        return 0


def _figures(run: RunSummary, rows: Sequence[Row]) -> list[tuple[str, str]]:
    """Return the headline numbers as (value, what it counts)."""
    per_step = _images_per_step(run.config)
    figures = [(f"{run.step:,}", f"of {run.total_steps:,} steps")]
    if per_step:
        kind = "pictures" if run.stage == "dcgan" else "crops"
        figures.append((f"{run.step * per_step:,}", f"{kind} seen, {per_step} a step"))
    if rows and "epoch" in rows[-1]:
        figures.append((f"{rows[-1]['epoch']:,}", "passes over the set begun"))
    if per_step and (seconds := seconds_logged(rows, per_step)):
        figures.append((duration(seconds), "of training, looking and saving included"))
        figures.append((f"{rows[-1]['step'] * per_step / seconds:,.0f}", "pictures a second"))
    figures.append((f"{run.bytes / 1e6:,.0f} MB", "in the run folder"))
    return figures


def seconds_logged(rows: Sequence[Row], images_per_step: int) -> float:
    """Return how long the logged steps took: each line tells the pace since the one before."""
    seconds, before = 0.0, 0
    for row in rows:
        if row.get("images_per_second", 0) > 0:
            seconds += (row["step"] - before) * images_per_step / row["images_per_second"]
        before = row["step"]
    return seconds


def _grids(folder: Path, rows: Sequence[Row]) -> list[dict[str, str]]:
    """Return the first sample grid, some in between and the last, each with its caption."""
    found: list[tuple[str, bytes]] = []
    for path in sorted((folder / SAMPLES_FOLDER).glob("epoch_*.png")):
        try:
            with open_inside(folder, SAMPLES_FOLDER, path.name) as file:
                content = read_at_most(file, MAX_GRID_BYTES, path)
            decode(content)
        except (OSError, DataError):
            continue  # half of one, or somebody's own
        found.append((path.stem.removeprefix("epoch_"), content))
    # The early ones differ most from each other.
    chosen = np.unique(np.geomspace(1, max(len(found), 1), MOST_GRIDS).round().astype(int) - 1)
    steps = {row["epoch"]: row["step"] for row in rows if "epoch" in row}
    return [_grid(found[index], steps) for index in chosen if index < len(found)]


def _grid(picture: tuple[str, bytes], steps: Mapping[int, int]) -> dict[str, str]:
    name, content = picture
    epoch = int(name) if name.isdecimal() and len(name) < 10 else None
    caption = "soon after the start" if epoch == 0 else f"after epoch {epoch or name}"
    step = f"step {steps[epoch]:,}" if epoch and epoch in steps else ""
    return {"uri": data_uri(content), "caption": caption, "step": step}


def _accuracies(metrics: Mapping[str, Any]) -> list[tuple[str, float]]:
    """Return the discriminator's shares of right answers, as (about which pictures, share)."""
    names = (
        ("accuracy_real_train", "Training pictures, called real"),
        ("accuracy_real_val", "Held-out pictures, called real"),
        ("accuracy_fake", "Drawn faces, called drawn"),
    )
    return [(text, min(1.0, max(0.0, metrics[name]))) for name, text in names if name in metrics]


def _trend(rows: Sequence[Row], name: str, better: str, baseline: str) -> dict[str, Any] | None:
    """Return a small curve of one measurement with what its ends mean, or None if not measured."""
    points = [(row["step"], row[name]) for row in rows if name in row]
    if not points:
        return None
    steps, values = (np.array(axis, np.float64) for axis in zip(*points, strict=True))
    x = _scaled(steps, steps.min(), steps.max()) * (SPARK[0] - 12) + 6
    low, high = values.min(), values.max()
    if name in ("diversity", "auc_real_fake"):  # or noise would look like a trend
        low, high = min(0.0, low), max(1.0, high)
    y = SPARK[1] - 8 - _scaled(values, low, high) * (SPARK[1] - 16)
    label, text = MEASUREMENTS[name]
    notes = [better]
    if better in (LOW, HIGH):
        pick = int(values.argmax() if better == HIGH else values.argmin())
        notes.append(f"best {number(name, values[pick])} at step {int(steps[pick]):,}")
    if beside := [row[baseline] for row in rows if baseline in row]:
        notes.append(f"{MEASUREMENTS[baseline][0]}: {number(baseline, beside[-1])}")
    return {
        "label": label,
        "text": text,
        "last": number(name, values[-1]),
        "notes": notes,
        "count": len(points),
        "points": " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True)),
        "end": (f"{x[-1]:.1f}", f"{y[-1]:.1f}"),
    }


def _scaled(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Bring values to [0, 1]; halved first, or the range of two huge ones would overflow."""
    scaled: np.ndarray = (values / 2 - low / 2) / max(high / 2 - low / 2, 1e-12)
    return scaled


def _curves(run: RunSummary, rows: Sequence[Row]) -> str:
    drawn = {name for _, names in PANELS for name in names}
    if not any(drawn & row.keys() for row in rows):
        return ""
    return data_uri(plot_curves({run.name: list(rows)}))


def _measured(last: Mapping[str, tuple[Any, int]], stage: str) -> list[dict[str, str]]:
    """Return the last value of all that was logged, the known ones first, in words."""
    known = [name for name in MEASUREMENTS if name in last]
    others = [name for name in last if name not in MEASUREMENTS and name not in ("step", "epoch")]
    cells = []
    for name in [*known, *others]:
        label, text = meaning(name, stage)
        value, step = last[name]
        cells.append(
            {
                "name": name,
                "label": label,
                "text": text,
                "value": number(name, value),
                "step": f"{step:,}",
            }
        )
    return cells


def _warning(line: str) -> tuple[str, str]:
    """Return (when, what) of a line of the warnings' file; a torn one is shown as it is."""
    when, _, rest = line.partition(": ")
    _, _, text = rest.partition(": ")
    return (when, text) if when.startswith("step ") and text else ("", line)


def _differences(run: RunSummary) -> list[tuple[str, str, str]] | None:
    """Return (field, the preset's value, the run's); None if no such preset is known."""
    presets: Mapping[str, Any] = SRGAN_PRESETS if run.stage == "srgan" else DCGAN_PRESETS
    if run.preset not in presets:
        return None
    ours = asdict(presets[run.preset])
    return [
        (name, plain(ours[name]) if name in ours else "", plain(value))
        for name, value in run.config.items()
        if name not in ours or ours[name] != value
    ]


def _about(run: RunSummary) -> list[tuple[str, str]]:
    """Return what the run was made from and on, as far as it recorded that."""
    facts = read_facts(run.folder)
    total, count = facts.get("images"), run.config.get("train_count")
    if trained := _train_images(run.folder):
        split = f"{trained:,} trained on; the others held out for checks and benchmarks"
    elif count:
        split = f"{plain(count)} trained on (--train-count)"
    else:
        split = "80% trained on, 5% to check with, 15% for benchmarks; near-duplicates together"
    entries = {
        "Preset": run.preset,
        "Pictures from": facts.get("data"),
        "Pictures": total,
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
    for name in ("generator.npz", "fidelity.npz", "perceptual.npz"):
        try:
            with open_arrays(folder / name) as file:
                return int(file.document("description.json")["training"]["train_images"])
        except UNREADABLE:
            continue
    return 0
