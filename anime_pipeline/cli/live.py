"""What training shows: one panel that stays in place on a terminal, plain lines elsewhere."""

from __future__ import annotations

import functools
import signal
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anime_pipeline.cli.common import PLAIN_LINE_EVERY_S, say, stderr
from anime_pipeline.core.measurements import measurement
from anime_pipeline.core.runs import METRICS_FILE, SAMPLES_FOLDER, read_metrics, read_run
from anime_pipeline.core.samples import list_samples, sample_name
from anime_pipeline.core.signals import STOP_SIGNALS
from anime_pipeline.core.text import visible
from anime_pipeline.reports.view import Document, details, digest, duration

if TYPE_CHECKING:
    from rich.console import Console
    from rich.panel import Panel

    from anime_pipeline.training.loop import Progress

DRAW_EVERY_S = 0.5
WIDEST = 92
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


def last_evaluation(folder: Path) -> Document:
    """Return what a run folder tells of itself, see `reports.view`."""
    log = digest(read_metrics(folder / METRICS_FILE))
    return details(read_run(folder), list_samples(folder), log)


def describe(progress: Progress, pace: Pace) -> str:
    """Return the plain line of a step."""
    losses = "  ".join(f"{name} {value:.3f}" for name, value in pace.losses.items())
    left_s = pace.left_s(progress.total_steps - progress.step)
    eta = "" if left_s is None else f"  ETA {left_s / 60:.1f} min"
    return f"step {progress.step}/{progress.total_steps}  epoch {progress.epoch}  {losses}{eta}"


def draw(progress: Progress, pace: Pace, evaluated: Document | None, images_per_step: int) -> Panel:
    """Return the panel; names of files and warnings are never read as markup.

    Args:
        progress: How far the run is.
        pace: Its losses and how fast it goes.
        evaluated: See `last_evaluation`; None before the first.
        images_per_step: How many training pictures a step takes.
    """
    from rich.panel import Panel
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    left_s = pace.left_s(progress.total_steps - progress.step)
    left = "time left: counting" if left_s is None else f"{duration(left_s)} left"
    done = f"step {progress.step:,} of {progress.total_steps:,}"
    speed = "first step compiled"
    if pace.timed:
        speed = f"{pace.steps_per_s * images_per_step:,.0f} images/s"
    table = Table.grid(padding=(0, 2, 0, 0), expand=True)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(ratio=1, overflow="fold", no_wrap=False)
    table.add_row(
        f"{progress.step / max(progress.total_steps, 1):.0%}",
        ProgressBar(progress.total_steps, progress.step, complete_style="magenta"),
    )
    table.add_row("Progress", Text("  ·  ".join((done, left, speed))))
    losses = (
        f"{measurement(f'loss_{name}').label.removesuffix(' loss')} {value:.3f}"
        for name, value in pace.losses.items()
    )
    table.add_row("Losses", Text("  ".join(losses)))
    for name, text, style in _evaluated_lines(evaluated) if evaluated else ():
        table.add_row(name, Text(visible(text), style=style))
    title = Text(visible(f" {progress.folder.parent.name}/{progress.folder.name} "), style="bold")
    subtitle = Text(f" epoch {progress.epoch} · Ctrl-C saves and stops ", style="dim")
    return Panel(table, title=title, subtitle=subtitle, border_style="magenta", padding=(0, 1))


def _evaluated_lines(evaluated: Document) -> Iterator[tuple[str, str, str]]:
    """Yield lines of (what, text, style)."""
    shares = [row for row in evaluated["measured"] if row["share"] is not None]
    if shares:
        # The line's own name says already of what these are.
        said = (f"{row['label'].split(', ')[-1]} {row['value']}" for row in shares)
        yield "Accuracy", "  ".join(said), ""
    if standing := evaluated["standing"]:
        yield "Standing", standing["word"], TONES[standing["tone"]]
    for trend in evaluated["trends"]:
        yield trend["label"], " · ".join((trend["value"], *trend["notes"])), ""
    if evaluated["latest_sample"] is not None:
        yield "Last grid", f"{SAMPLES_FOLDER}/{sample_name(evaluated['latest_sample'])}", ""
    if evaluated["warnings"]:
        yield "Warning", evaluated["warnings"][-1], "yellow"


class LivePanel:
    """Keeps the panel in place; drawn between steps, with no thread that would cost them time.

    The loop answers Ctrl-C by writing to the terminal itself. A panel that went on would count its
    lines from the wrong place and wipe that answer out, so the panel closes first.
    """

    def __init__(self, console: Console, images_per_step: int) -> None:
        from rich.live import Live

        self._live = Live(console=console, auto_refresh=False)
        self._images_per_step = images_per_step
        self._evaluated: Document | None = None
        self._drawn_at = 0.0
        self._drawing = self._closed = False
        self._postponed: Callable[[], None] | None = None
        self._handlers: dict[int, tuple[Any, Any]] = {}  # ours and the one before, by signal

    def show(self, progress: Progress, pace: Pace) -> None:
        """Draw, unless that was a moment ago."""
        late = time.monotonic() - self._drawn_at >= DRAW_EVERY_S
        if self._closed or not (late or progress.ends_epoch):
            return
        if not self._live.is_started:
            self._begin()
        if progress.ends_epoch or not (self._evaluated and self._evaluated["samples"]):
            self._evaluated = last_evaluation(progress.folder)
        self._drawing = True
        panel = draw(progress, pace, self._evaluated, self._images_per_step)
        panel.width = min(self._live.console.width, WIDEST)
        self._live.update(panel, refresh=True)
        self._drawing, self._drawn_at = False, time.monotonic()
        if self._postponed:
            self._postponed()

    def close(self) -> None:
        """Leave the last panel where it stands; what is written from now on comes below."""
        self._closed = True
        for number, (ours, before) in self._handlers.items():
            if signal.getsignal(number) is ours:
                signal.signal(number, before)
        self._live.stop()

    def _begin(self) -> None:
        """Start after the first step, when the loop has its handlers of signals in place."""
        self._live.start()
        if threading.current_thread() is threading.main_thread():
            for number in STOP_SIGNALS:
                before = signal.getsignal(number)
                if callable(before):
                    ours = functools.partial(self._on_signal, before)
                    self._handlers[number] = ours, before
                    signal.signal(number, ours)

    def _on_signal(self, before: Callable[..., None], number: int, frame: Any) -> None:
        if self._drawing:  # rich is in the middle of a line
            self._postponed = functools.partial(self._on_signal, before, number, frame)
            return
        self.close()
        before(number, frame)


@contextmanager
def display(start: int, images_per_step: int) -> Iterator[Callable[[Progress], None]]:
    """Show a run: yields the function to call after each step.

    Args:
        start: Steps done before this process.
        images_per_step: How many training pictures a step takes.
    """
    console, pace = stderr(), Pace()
    panel = LivePanel(console, images_per_step) if console.is_terminal else None
    last_line = 0.0
    if panel:  # which the first step brings
        say("Compiling the first step …", style="dim")

    def show(progress: Progress) -> None:
        nonlocal last_line
        pace.add(progress.metrics)
        if panel:
            panel.show(progress, pace)
        if progress.step == start + 1:
            return
        now = time.monotonic()
        # Above the panel a line an epoch is enough.
        waited = panel is None and now - last_line >= PLAIN_LINE_EVERY_S
        if waited or progress.ends_epoch or not last_line:
            last_line = now
            say(describe(progress, pace))

    try:
        yield show
    finally:
        if panel:
            panel.close()
