"""Training curves: `curves.png` in the run folder, redrawn after each epoch."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anime_pipeline.core.runs import METRICS_FILE, read_metrics
from anime_pipeline.core.storage import atomic_write_bytes

# Panels in order: (title, names of the values drawn together)
PANELS = (
    ("Losses", ("loss_d", "loss_g", "loss_pixel", "loss_perceptual", "loss_adversarial")),
    ("Mean logits", ("real_logit", "fake_logit")),
    (
        "Discriminator accuracy",
        ("accuracy_real_train", "accuracy_real_val", "accuracy_fake", "auc_real_fake"),
    ),
    ("Distance from held-out faces (KID)", ("kid_val",)),
    ("Variety of the faces (1: as real ones)", ("diversity",)),
    ("PSNR on held-out pairs (dB)", ("val_psnr_db", "val_psnr_bicubic_db")),
    ("Error of the guessed hair and skin", ("guess_d", "guess_g")),
    ("Gradient penalties", ("r1", "r2", "gradient_penalty")),
)

MOST_IN_COLUMN = 6

Line = tuple[str, list[int], list[float]]  # label, steps, values
Panel = tuple[str, list[Line]]


def plot_curves(logs: Mapping[str, list[dict[str, Any]]]) -> bytes:
    """Draw every panel that has data.

    Args:
        logs: Lines of `metrics.jsonl` by the run's name; of several runs, each value gets a panel
            of its own in which they are drawn together.

    Returns:
        A PNG.
    """
    # The object interface needs no display and leaves a user's pyplot state alone.
    from matplotlib import rc_context

    with rc_context({"text.parse_math": False}):  # names may hold dollar signs
        return _draw(logs)


def _draw(logs: Mapping[str, list[dict[str, Any]]]) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels = _one_run(next(iter(logs.values()))) if len(logs) == 1 else _several_runs(logs)
    across = 1 if len(panels) <= MOST_IN_COLUMN else 2
    down = -(-max(len(panels), 1) // across)
    figure = Figure(figsize=(7.5 * across, 2.4 * down), layout="constrained")
    FigureCanvasAgg(figure)
    for index, (title, lines) in enumerate(panels, start=1):
        axes = figure.add_subplot(down, across, index)
        for label, steps, values in lines:
            # A single point has no line to be seen by.
            label = label.encode("utf-8", "backslashreplace").decode()
            axes.plot(
                steps, values, label=label, linewidth=1.2, marker="." if len(steps) < 2 else ""
            )
        axes.set_title(title, fontsize=10, loc="left")
        if "accuracy" in title:
            axes.set_ylim(-0.02, 1.02)  # or noise would look like a trend
        axes.grid(alpha=0.25)
        axes.legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
        axes.set_xlabel("step" if index > len(panels) - across else "")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()


def _line(rows: list[dict[str, Any]], name: str, label: str) -> Line:
    points = [(row["step"], row[name]) for row in rows if name in row]
    return label, [step for step, _ in points], [value for _, value in points]


def _one_run(rows: list[dict[str, Any]]) -> list[Panel]:
    panels = []
    for title, names in PANELS:
        lines = [_line(rows, name, name.replace("_", " ")) for name in names]
        panels.append((title, [line for line in lines if line[1]]))
    return [panel for panel in panels if panel[1]]


def _several_runs(logs: Mapping[str, list[dict[str, Any]]]) -> list[Panel]:
    panels = []
    for _, names in PANELS:
        for name in names:
            lines = [_line(rows, name, run) for run, rows in logs.items()]
            panels.append((name.replace("_", " "), [line for line in lines if line[1]]))
    return [panel for panel in panels if panel[1]]


def write_curves(folder: Path) -> None:
    """Draw a run's curves into its folder."""
    rows = read_metrics(folder / METRICS_FILE)
    if rows:
        atomic_write_bytes(folder / "curves.png", plot_curves({folder.name: rows}))
