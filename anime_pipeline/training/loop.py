"""The training loop: it knows neither DCGAN nor SRGAN, and side effects are callbacks."""

from __future__ import annotations

import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from anime_pipeline.core.errors import TrainingInterruptedError
from anime_pipeline.core.signals import ECHO_S, STOP_SIGNALS, leave_lost_terminal
from anime_pipeline.training.dispatch import Schedule, calls, ends_epoch
from anime_pipeline.training.state import State


class Task(Schedule, Protocol):
    """What the loop needs of a stage.

    Attributes:
        stage: Its name, as in the command's.
        facts: What a resumed run must find unchanged besides configuration and data.
    """

    stage: str
    facts: dict[str, str]

    def rescheduled(self, config: Any) -> Task:
        """Return this task under other schedules, such as another number of steps.

        Raises:
            ValueError: If the configuration differs in more.
        """
        ...

    def initial_state(self) -> State:
        """Return the state before step 0."""
        ...

    def inputs(self, step: int) -> dict[str, Any]:
        """Return the host arrays of one step: a pure function of `step`."""
        ...

    def advance(
        self, state: State, step: int, *inputs: dict[str, Any]
    ) -> tuple[State, list[dict[str, Any]]]:
        """Run the steps from number `step` on, all of one form.

        Returns:
            The new state and the scalar metrics of each step.
        """
        ...


@dataclass
class Progress:
    """Where the run stands, as callbacks see it after a step.

    Attributes:
        folder: The run folder.
        step: Steps done so far.
        total_steps: Steps planned.
        steps_per_epoch: Steps in one epoch.
        state: The training state.
        metrics: This step's scalars.
        logged: Values that callbacks measured since the last log line.
        is_current: Whether `state` is that after `step` steps. Where several go to the device in
            one call, only the last of them sees its own; every step that ends an epoch does.
        evaluate_every: Steps at least between two epochs' ends.
    """

    folder: Path
    step: int
    total_steps: int
    steps_per_epoch: int
    state: State
    metrics: dict[str, float] = field(default_factory=dict)
    logged: dict[str, Any] = field(default_factory=dict)
    is_current: bool = True
    evaluate_every: int = 100

    @property
    def ends_epoch(self) -> bool:
        """Whether this step closes an epoch or the run, see `training.dispatch`."""
        return ends_epoch(self.step, self.steps_per_epoch, self.total_steps, self.evaluate_every)

    @property
    def epoch(self) -> int:
        """Epochs begun so far, from 1."""
        return -(-self.step // self.steps_per_epoch)


class Callback:
    """Side effects around the loop; every hook does nothing unless overridden."""

    def on_start(self, progress: Progress) -> None:
        """Run before the first step of this process."""

    def after_step(self, progress: Progress) -> None:
        """Run after every step."""

    def on_stop(self, progress: Progress) -> None:
        """Run when the loop ends for any reason but an error."""


def run(task: Task, state: State, start: int, folder: Path, callbacks: Sequence[Callback]) -> State:
    """Train from step `start` to the planned end.

    Args:
        task: The stage.
        state: State after `start` steps.
        start: Steps already done.
        folder: The run folder.
        callbacks: Called in order after every step; at least one. The last one, which saves, comes
            first when the run stops.

    Returns:
        The final state.

    Raises:
        TrainingInterruptedError: After one of `STOP_SIGNALS`; callbacks have saved the state.
    """
    progress = Progress(
        folder,
        start,
        task.total_steps,
        task.steps_per_epoch,
        state,
        evaluate_every=task.evaluate_every,
    )
    for callback in callbacks:
        callback.on_start(progress)
    with _stop_requests() as stop_requested, _prefetched(task, start) as batches:
        for steps in calls(task, start, task.total_steps):
            inputs = [next(batches) for _ in steps]
            progress.state, metrics = task.advance(progress.state, steps.start, *inputs)
            for step, values in zip(steps, metrics, strict=True):
                progress.step = step + 1
                progress.is_current = progress.step == steps.stop
                progress.metrics = {name: float(value) for name, value in values.items()}
                for callback in callbacks:
                    callback.after_step(progress)
            if stop_requested():
                break
        # Saving comes last after a step and must come first here, before anything that could fail
        # or make an impatient user press Ctrl-C again.
        *others, saving = callbacks
        for callback in (saving, *others):
            callback.on_stop(progress)
    if progress.step < task.total_steps:
        raise TrainingInterruptedError(
            f"Stopped at step {progress.step} of {task.total_steps}; the state is saved. "
            f"Continue with: anime-pipeline train-{task.stage} --resume {folder}"
        )
    return progress.state


@contextmanager
def _stop_requests() -> Iterator[Callable[[], bool]]:
    """Turn Ctrl-C and its kin into a flag that is read between steps; a second one ends at once."""
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    requested = threading.Event()
    previous = {
        number: handler
        for number in STOP_SIGNALS
        if (handler := signal.getsignal(number)) != signal.SIG_IGN  # as under nohup
    }
    asked_at = 0.0

    def request(*_: object) -> None:
        nonlocal asked_at
        leave_lost_terminal()
        if not requested.is_set():
            requested.set()
            asked_at = time.monotonic()
            os.write(2, b"\nStopping after this step and saving; once more to quit without.\n")
        elif time.monotonic() - asked_at >= ECHO_S:
            raise KeyboardInterrupt

    for number in previous:
        signal.signal(number, request)
    try:
        yield requested.is_set
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextmanager
def _prefetched(task: Task, start: int) -> Iterator[Iterator[dict[str, Any]]]:
    """Prepare the next steps' host arrays in a thread; they depend on the step alone."""
    ready: queue.Queue[Any] = queue.Queue(maxsize=2 * task.steps_per_dispatch)
    stopping = threading.Event()

    def produce() -> None:
        for step in range(start, task.total_steps):
            try:
                item: Any = task.inputs(step)
            except Exception as error:  # handed to the consumer, which raises it
                item = error
            while not stopping.is_set():
                try:
                    ready.put(item, timeout=0.2)
                    break
                except queue.Full:
                    continue
            if stopping.is_set() or isinstance(item, Exception):
                return

    def consume() -> Iterator[dict[str, Any]]:
        while True:
            item = ready.get()
            if isinstance(item, Exception):
                raise item
            yield item

    thread = threading.Thread(target=produce, name="batches", daemon=True)
    thread.start()
    try:
        yield consume()
    finally:
        stopping.set()
        thread.join()


def all_finite(metrics: dict[str, float]) -> bool:
    """Tell whether every metric is a finite number."""
    return bool(np.isfinite(list(metrics.values())).all())
