"""What training shows: one panel that stays in place on a terminal, plain lines elsewhere."""

from __future__ import annotations

import functools
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from anime_pipeline.cli.common import PLAIN_LINE_EVERY_S, say, stderr
from anime_pipeline.cli.live_panel import Pace, describe, draw, last_evaluation
from anime_pipeline.core.signals import STOP_SIGNALS

if TYPE_CHECKING:
    from rich.console import Console

    from anime_pipeline.reports.view import Document
    from anime_pipeline.training.loop import Progress

DRAW_EVERY_S = 0.5
WIDEST = 92


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
        self._drawing = self._open = self._closed = False
        self._postponed: Callable[[], None] | None = None
        self._handlers: dict[int, tuple[Any, Any]] = {}  # ours and the one before, by signal

    def show(self, progress: Progress, pace: Pace) -> None:
        """Draw, unless that was a moment ago."""
        late = time.monotonic() - self._drawn_at >= DRAW_EVERY_S
        if self._closed or not (late or progress.ends_epoch):
            return
        if not self._open:
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
        self._open = True
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
        console.print("Compiling the first step …", style="dim", markup=False)

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
