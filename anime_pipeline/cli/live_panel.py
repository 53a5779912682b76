"""What the training panel says: progress, pace, losses, the last measurements; drawn with rich."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anime_pipeline.core.runs import METRICS_FILE, SAMPLES_FOLDER, read_metrics, read_warnings
from anime_pipeline.core.text import visible

if TYPE_CHECKING:
    from rich.panel import Panel

    from anime_pipeline.training.loop import Progress

SMOOTHED_STEPS = 50
TIMED_FOR_ETA = 10

PLAYERS = {"d": "critic", "g": "generator"}  # other losses have names that people know
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


@dataclass
class Look:
    """What the run folder tells: all that was measured last, and the newest grid and warning."""

    measured: dict[str, Any] = field(default_factory=dict)
    best_kid: float | None = None
    grid: Path | None = None
    warning: str = ""

    @classmethod
    def at(cls, folder: Path) -> Look:
        """Read a run folder."""
        measured: dict[str, Any] = {}
        rows = read_metrics(folder / METRICS_FILE)
        for row in rows:
            measured |= row
        best = min((row["kid_val"] for row in rows if "kid_val" in row), default=None)
        grid = max((folder / SAMPLES_FOLDER).glob("epoch_*.png"), default=None)
        return cls(measured, best, grid, "".join(read_warnings(folder)[-1:]))


def describe(progress: Progress, pace: Pace) -> str:
    """Return the plain line of a step."""
    losses = "  ".join(f"{name} {value:.3f}" for name, value in pace.losses.items())
    left_s = pace.left_s(progress.total_steps - progress.step)
    eta = "" if left_s is None else f"  ETA {left_s / 60:.1f} min"
    return f"step {progress.step}/{progress.total_steps}  epoch {progress.epoch}  {losses}{eta}"


def draw(progress: Progress, pace: Pace, look: Look, images_per_step: int) -> Panel:
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
    losses = [f"{PLAYERS.get(name, name)} {value:.3f}" for name, value in pace.losses.items()]
    table.add_row("Losses", Text("  ".join(losses)))
    for name, text in _measured_lines(look):
        table.add_row(name, text)
    if look.grid:
        table.add_row("Last grid", Text(visible(str(look.grid))))
    if look.warning:
        table.add_row("Warning", Text(visible(look.warning), style="yellow"))
    title = Text(visible(f" {progress.folder.parent.name}/{progress.folder.name} "), style="bold")
    subtitle = Text(f" epoch {progress.epoch} · Ctrl-C saves and stops ", style="dim")
    return Panel(table, title=title, subtitle=subtitle, border_style="magenta", padding=(0, 1))


def _measured_lines(look: Look) -> Iterator[tuple[str, Any]]:
    from rich.text import Text

    from anime_pipeline.reports.training_words import verdict

    measured = look.measured
    names = (
        ("training", "accuracy_real_train"),
        ("held-out", "accuracy_real_val"),
        ("drawn", "accuracy_fake"),
    )
    parts = [f"{text} {measured[name]:.0%}" for text, name in names if name in measured]
    if parts:
        line = Text("  ".join(parts))
        if found := verdict(measured):
            line.append(f"   {found.word}", style=TONES[found.tone])
        yield "Critic is right", line
    if "diversity" in measured:
        yield "Variety", Text(f"{measured['diversity']:.2f}  (real faces: 1)")
    if "kid_val" in measured:
        best = f"  best {look.best_kid:.4f}" if look.best_kid is not None else ""
        yield "KID, held-out", Text(f"{measured['kid_val']:.4f}{best}  (lower is better)")
    if "val_psnr_db" in measured:
        bicubic = measured.get("val_psnr_bicubic_db")
        beside = "" if bicubic is None else f"  (bicubic {bicubic:.2f} dB)"
        yield "PSNR, held-out", Text(f"{measured['val_psnr_db']:.2f} dB{beside}")


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
