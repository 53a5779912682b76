"""Training curves: `curves.png` in the run folder, redrawn after each epoch."""

from __future__ import annotations

import io
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
        ("accuracy_real_train", "accuracy_real_val", "accuracy_fake"),
    ),
    ("PSNR on held-out pairs (dB)", ("val_psnr_db", "val_psnr_bicubic_db")),
    ("Gradient penalties", ("r1", "gradient_penalty")),
)


def plot_curves(rows: list[dict[str, Any]]) -> bytes:
    """Draw every panel that has data.

    Args:
        rows: Lines of `metrics.jsonl`.

    Returns:
        A PNG.
    """
    # The object interface needs no display and leaves a user's pyplot state alone.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels = [
        (title, drawn)
        for title, names in PANELS
        if (drawn := [name for name in names if any(name in row for row in rows)])
    ]
    figure = Figure(figsize=(7, 2.4 * max(len(panels), 1)), layout="constrained")
    FigureCanvasAgg(figure)
    for index, (title, names) in enumerate(panels, start=1):
        axes = figure.add_subplot(len(panels), 1, index)
        for name in names:
            points = [(row["step"], row[name]) for row in rows if name in row]
            axes.plot(*zip(*points, strict=True), label=name.replace("_", " "), linewidth=1.2)
        axes.set_title(title, fontsize=10, loc="left")
        axes.grid(alpha=0.25)
        axes.legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    if panels:
        axes.set_xlabel("step")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()


def write_curves(folder: Path) -> None:
    """Draw a run's curves into its folder."""
    rows = read_metrics(folder / METRICS_FILE)
    if rows:
        atomic_write_bytes(folder / "curves.png", plot_curves(rows))
