"""Training curves: as points, and drawn, as in `curves.png` in the run folder after each epoch."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from anime_pipeline.core.measurements import Measurement, charts
from anime_pipeline.core.runs import METRICS_FILE, read_metrics
from anime_pipeline.core.storage import atomic_write_bytes

MOST_IN_COLUMN = 6
MOST_POINTS = 500

Curves = dict[str, list[list[float]]]  # [step, value] by what was measured
Line = tuple[str, list[list[float]]]  # label, points
Panel = tuple[str, Measurement, list[Line]]


def curves(rows: Sequence[Mapping[str, Any]]) -> Curves:
    """Return [step, value] pairs of everything that was logged, at most 500 of each."""
    found: Curves = {}
    for row in rows:
        for name, value in row.items():
            # Python takes a truth for a number, and JSON does not.
            if name not in ("step", "epoch") and not isinstance(value, bool):
                found.setdefault(name, []).append([int(row["step"]), value])
    return {name: thinned(points) for name, points in found.items()}


def thinned(points: list[list[float]], most: int = MOST_POINTS) -> list[list[float]]:
    """Keep the first, the last, and of each stretch between its lowest and highest point."""
    if len(points) <= most:
        return points
    stretches = (most - 2) // 2
    inner = points[1:-1]
    kept = [points[0]]
    for index in range(stretches):
        start, stop = (len(inner) * k // stretches for k in (index, index + 1))
        stretch = inner[start:stop]
        low = min(range(len(stretch)), key=lambda k: stretch[k][1])
        high = max(range(len(stretch)), key=lambda k: stretch[k][1])
        kept += [stretch[k] for k in sorted({low, high})]
    return [*kept, points[-1]]


def plot_curves(runs: Mapping[str, Curves]) -> bytes:
    """Draw every chart that has data.

    Args:
        runs: Curves by the run's name; of several runs, each measurement gets a panel of its own
            in which they are drawn together.

    Returns:
        A PNG.
    """
    # The object interface needs no display and leaves a user's pyplot state alone.
    from matplotlib import rc_context

    with rc_context({"text.parse_math": False}):  # names may hold dollar signs
        return _draw(_panels(runs))


def _panels(runs: Mapping[str, Curves]) -> list[Panel]:
    panels: list[Panel] = []
    for title, members in charts().items():
        if len(runs) == 1:
            (known,) = runs.values()
            lines = [(one.label, known[one.key]) for one in members if one.key in known]
            panels.append((title, members[0], lines))
        else:
            panels += [
                (one.label, one, [(run, known[one.key]) for run, known in runs.items()
                                  if one.key in known])
                for one in members
            ]  # fmt: skip
    return [panel for panel in panels if panel[2]]


def _draw(panels: Sequence[Panel]) -> bytes:
    from matplotlib.figure import Figure

    across = 1 if len(panels) <= MOST_IN_COLUMN else 2
    down = -(-max(len(panels), 1) // across)
    figure = Figure(figsize=(7.5 * across, 2.4 * down), layout="constrained")
    for index, (title, one, lines) in enumerate(panels, start=1):
        axes = figure.add_subplot(down, across, index)
        for label, points in lines:
            label = label.encode("utf-8", "backslashreplace").decode()
            # A single point has no line to be seen by.
            marker = "." if len(points) < 2 else ""
            axes.plot(*zip(*points, strict=True), label=label, linewidth=1.2, marker=marker)
        axes.set_title(title, fontsize=10, loc="left")
        if one.is_share:
            axes.set_ylim(-0.02, 1.02)  # or noise would look like a trend
        axes.grid(alpha=0.25)
        axes.legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
        axes.set_xlabel("step" if index > len(panels) - across else "")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()


def write_curves(folder: Path) -> None:
    """Draw a run's curves into its folder."""
    if rows := read_metrics(folder / METRICS_FILE):
        atomic_write_bytes(folder / "curves.png", plot_curves({folder.name: curves(rows)}))
