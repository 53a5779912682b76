"""What both stages of `train_shipped.py` share: a clock, a log, timing, training that resumes."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from anime_pipeline.core import checkpoint
from anime_pipeline.models import backend
from anime_pipeline.training.loop import prepared

STARTED = time.monotonic()
LOG_EVERY = 50  # steps; reading a metric waits for the device
THREADS = 8  # that prepare the arrays of steps
PATIENCE_SHARE = 0.03  # of the clock, that a plan may be late before it is cut


class Clock:
    """The time that is left of what was given, from the start of the process."""

    def __init__(self, minutes: float) -> None:
        self.seconds = 60 * minutes

    @property
    def passed(self) -> float:
        """Seconds since the process began."""
        return time.monotonic() - STARTED

    @property
    def left(self) -> float:
        """Seconds until the end."""
        return self.seconds - self.passed


class Log:
    """Lines of JSON in OUT and on stderr."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, what: str, **facts: Any) -> None:
        """Write one line."""
        row = {"at_s": round(time.monotonic() - STARTED, 1), "what": what} | facts
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        print(json.dumps(row), file=sys.stderr, flush=True)


def train(
    task: Any,
    folder: Path,
    clock: Clock,
    latest: float,
    log: Log,
    export: Callable[[Any, int], None],
    **facts: Any,
) -> Any:
    """Train to the planned end, from the newest state in `folder` if there is one.

    Weights are exported eight times and at the end.
    """
    state, start = task.initial_state(), 0
    if checkpoint.steps_in(folder):
        start, arrays = checkpoint.load_latest(folder, lambda text: log("warning", text=text))
        state = backend.to_device(checkpoint.rebuild(arrays, state))
        log("resumed", step=start, **facts)
    folder.mkdir(parents=True, exist_ok=True)
    every = max(1, task.total_steps // 8)
    step = start - 1
    for step, inputs in steps(task, start):
        state, metrics = task.advance(state, step, inputs)
        if step % LOG_EVERY == 0:
            log("step", step=step, **facts, **numbers(metrics[0]))
            if clock.passed > latest:
                log("cut", step=step, planned=task.total_steps, **facts)
                break
        if (step + 1) % every == 0 and step + 1 < task.total_steps:
            checkpoint.save(folder, step + 1, state, keep=1)
            export(state, step + 1)
    export(state, step + 1)
    checkpoint.save(folder, step + 1, state, keep=1)
    return state


def compile_forms(task: Any, log: Log, **facts: Any) -> None:
    """Compile all forms of a step, one after another.

    What one finds about a kernel, the next need not try out.
    """
    for form, step in {
        task.form(step): step for step in reversed(range(task.steps_per_round))
    }.items():
        begin = time.monotonic()
        backend.to_numpy(task.advance(task.initial_state(), step, task.inputs(step)))
        log("compiled", form=form, seconds=round(time.monotonic() - begin, 1), **facts)


def seconds_per_step(task: Any, seconds: float, log: Log, **facts: Any) -> float:
    """Time whole rounds of a task's forms on a scratch state."""
    state, count, begin, metrics = task.initial_state(), 0, time.monotonic(), None
    for step, inputs in steps(task, 0):
        state, metrics = task.advance(state, step, inputs)
        count += 1
        if count % task.steps_per_round == 0:
            backend.to_numpy(metrics)
            if time.monotonic() - begin >= seconds:
                break
    backend.to_numpy(metrics)
    each = (time.monotonic() - begin) / count
    rate = round(task.config.batch_size / each)
    log("timed", steps=count, seconds_per_step=each, images_per_second=rate, **facts)
    return each


def steps(task: Any, start: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield steps and their arrays, which threads prepare some steps ahead."""
    return zip(range(start, task.total_steps), prepared(task, start, THREADS), strict=True)


def numbers(metrics: dict[str, Any]) -> dict[str, float]:
    """Return a step's metrics for the log."""
    return {name: round(float(value), 5) for name, value in metrics.items()}
