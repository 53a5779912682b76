"""What the training panel says: progress, pace, losses, the last measurements; drawn with rich."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anime_pipeline.core.advice import standing
from anime_pipeline.core.measurements import HIGHER, LOWER, TRAINING, measurement, of_kind
from anime_pipeline.core.runs import (
    METRICS_FILE,
    SAMPLES_FOLDER,
    last_values,
    read_metrics,
    read_warnings,
)
from anime_pipeline.core.samples import list_samples, sample_name
from anime_pipeline.core.text import visible

if TYPE_CHECKING:
    from rich.panel import Panel

    from anime_pipeline.training.loop import Progress

SMOOTHED_STEPS = 50
TIMED_FOR_ETA = 10

TONES = {"good": "green", "fair": "yellow", "bad": "bold red"}


class Pace:
    """Losses averaged over the last steps, and how fast those went."""

    def __init__(self) -> None:
        self.begun = time.monotonic()
        self.timed = 0  # steps but the first of this process, which compiles
        self._losses: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=SMOOTHED_STEPS))
        self._times: deque[float] = deque(maxlen=SMOOTHED_STEPS + 1)

    def add(self, metrics: Mapping[str, float]) -> None:
        """Note a step."""
        now = time.monotonic()
        if self._times:
            self.timed += 1
        else:
            self.begun = now
        self._times.append(now)
        for name, value in metrics.items():
            if name.startswith("loss_"):
                self._losses[name.removeprefix("loss_")].append(value)

    @property
    def losses(self) -> dict[str, float]:
        """Mean losses by short name."""
        return {name: sum(values) / len(values) for name, values in self._losses.items()}

    @property
    def steps_per_s(self) -> float:
        """Steps a second, of late."""
        return (len(self._times) - 1) / max(self._times[-1] - self._times[0], 1e-9)

    def left_s(self, steps: int) -> float | None:
        """Return how long `steps` more will take; None while a step or two tell nothing."""
        if self.timed < TIMED_FOR_ETA:
            return None
        return (time.monotonic() - self.begun) / self.timed * steps


@dataclass(frozen=True)
class LastEvaluation:
    """What the run folder tells: all that was measured last, and the newest grid and warning.

    Attributes:
        measured: The last value of everything that was logged.
        best: The best of each measurement of which one way is better.
        grid: The last sample grid.
        warning: The last line of the warnings.
    """

    measured: dict[str, Any] = field(default_factory=dict)
    best: dict[str, float] = field(default_factory=dict)
    grid: Path | None = None
    warning: str = ""

    @classmethod
    def of(cls, folder: Path) -> LastEvaluation:
        """Read a run folder."""
        rows = read_metrics(folder / METRICS_FILE)
        best = {
            one.key: one.best(row[one.key] for row in rows if one.key in row)
            for one in of_kind(TRAINING)
            if one.direction in (LOWER, HIGHER)
        }
        grids = [folder / SAMPLES_FOLDER / sample_name(n) for n in list_samples(folder)[-1:]]
        warnings = "".join(read_warnings(folder)[-1:])
        return cls(last_values(rows), best, grids[0] if grids else None, warnings)


def describe(progress: Progress, pace: Pace) -> str:
    """Return the plain line of a step."""
    losses = "  ".join(f"{name} {value:.3f}" for name, value in pace.losses.items())
    left_s = pace.left_s(progress.total_steps - progress.step)
    eta = "" if left_s is None else f"  ETA {left_s / 60:.1f} min"
    return f"step {progress.step}/{progress.total_steps}  epoch {progress.epoch}  {losses}{eta}"


def draw(progress: Progress, pace: Pace, evaluated: LastEvaluation, images_per_step: int) -> Panel:
    """Return the panel; names of files and warnings are never read as markup."""
    from rich.panel import Panel
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    left_s = pace.left_s(progress.total_steps - progress.step)
    left = "time left: counting" if left_s is None else f"{_clock(left_s)} left"
    done = f"step {progress.step:,} of {progress.total_steps:,}"
    speed = (
        f"{pace.steps_per_s * images_per_step:,.0f} images/s"
        if pace.timed
        else "first step compiled"
    )
    table = Table.grid(padding=(0, 2, 0, 0), expand=True)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(ratio=1, overflow="fold", no_wrap=False)
    table.add_row(
        f"{progress.step / max(progress.total_steps, 1):.0%}",
        ProgressBar(progress.total_steps, progress.step, complete_style="magenta"),
    )
    table.add_row("Progress", Text("  ·  ".join((done, left, speed))))
    losses = [
        f"{measurement(f'loss_{name}').label.removesuffix(' loss')} {value:.3f}"
        for name, value in pace.losses.items()
    ]
    table.add_row("Losses", Text("  ".join(losses)))
    for name, text in _measured_lines(evaluated):
        table.add_row(name, text)
    if evaluated.grid:
        table.add_row("Last grid", Text(visible(str(evaluated.grid))))
    if evaluated.warning:
        table.add_row("Warning", Text(visible(evaluated.warning), style="yellow"))
    title = Text(visible(f" {progress.folder.parent.name}/{progress.folder.name} "), style="bold")
    subtitle = Text(f" epoch {progress.epoch} · Ctrl-C saves and stops ", style="dim")
    return Panel(table, title=title, subtitle=subtitle, border_style="magenta", padding=(0, 1))


def _measured_lines(evaluated: LastEvaluation) -> Iterator[tuple[str, Any]]:
    from rich.text import Text

    measured = evaluated.measured
    known = [one for one in of_kind(TRAINING) if one.key in measured]
    accuracies = [one for one in known if one.is_share and not one.direction]
    if accuracies:
        parts = (f"{one.label.split(', ')[-1]} {one.text(measured[one.key])}" for one in accuracies)
        line = Text("  ".join(parts))
        if found := standing(measured):
            line.append(f"   {found.word}", style=TONES[found.tone])
        yield "Accuracy", line
    for one in known:
        if one.direction:
            text = f"{one.text(measured[one.key])}  ({one.direction})"
            if one.key in evaluated.best:
                text += f"  best {one.text(evaluated.best[one.key])}"
            beside = measurement(one.beside)
            if beside.format and beside.key in measured:
                text += f"  {beside.label} {beside.text(measured[beside.key])}"
            yield one.label, Text(text)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
