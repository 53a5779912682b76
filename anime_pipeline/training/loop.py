"""The training loop: it knows neither DCGAN nor SRGAN, and side effects are callbacks."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anime_pipeline.core.errors import TrainingInterruptedError
from anime_pipeline.core.signals import stop_requests

if TYPE_CHECKING:
    from anime_pipeline.training.gan.state import State
    from anime_pipeline.training.gan.task import Task


def ends_epoch(step: int, steps_per_epoch: int, total_steps: int, evaluate_every: int) -> bool:
    """Tell whether the run is evaluated after `step` steps: an epoch ends there, or the run.

    With small sets several epochs are taken together, `evaluate_every` steps at least, or
    evaluating would cost more than training.
    """
    together = -(-evaluate_every // steps_per_epoch)
    return step % (together * steps_per_epoch) == 0 or step == total_steps


def dispatches(task: Task[Any], start: int, stop: int) -> Iterator[range]:
    """Divide steps `start` to `stop` into those that go to the device together.

    On a GPU a small network's step is shorter than the time that Python needs to ask for it, so
    several are compiled into one `lax.scan`. They are put together within windows of
    `steps_per_dispatch`, counted from step 0, never from where a process began: a resumed run
    dispatches as an uninterrupted one does. A window with an evaluation inside goes step by step,
    since that needs the state in between, and so does an unfinished last one: a compiled scan for
    each odd length would cost more than it gains.
    """
    size = task.steps_per_dispatch
    for begin in range(start - start % size, stop, size):
        window = range(begin, begin + size)
        evaluated = (
            ends_epoch(s, task.steps_per_epoch, task.total_steps, task.evaluate_every)
            for s in window[1:]
        )
        if window.stop > task.total_steps or any(evaluated):
            found = [range(step, step + 1) for step in window]
        else:
            found = []
            for _, group in itertools.groupby(window, task.form):
                steps = list(group)
                found.append(range(steps[0], steps[-1] + 1))
        yield from (steps for steps in found if start <= steps.start < stop)


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
            one dispatch, only the last of them sees its own; every step that ends an epoch does.
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
        """Whether this step closes an epoch or the run, see `ends_epoch`."""
        return ends_epoch(self.step, self.steps_per_epoch, self.total_steps, self.evaluate_every)

    @property
    def epoch(self) -> int:
        """Epochs begun so far, from 1."""
        return -(-self.step // self.steps_per_epoch)


# Takes the run folder, the steps done before and the pictures that a step takes.
Display = Callable[[Path, int, int], AbstractContextManager[Callable[[Progress], None]]]


class Callback:
    """Side effects around the loop; every hook does nothing unless overridden."""

    def on_start(self, progress: Progress) -> None:
        """Run before the first step of this process."""

    def after_step(self, progress: Progress) -> None:
        """Run after every step; unless overridden, calls `after_epoch` where one ends."""
        if progress.ends_epoch:
            self.after_epoch(progress)

    def after_epoch(self, progress: Progress) -> None:
        """Run where an epoch ends, see `ends_epoch`."""

    def on_stop(self, progress: Progress) -> None:
        """Run when the loop ends for any reason but an error."""


def run(
    task: Task[Any], state: State, start: int, folder: Path, callbacks: Sequence[Callback]
) -> State:
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
    with stop_requests() as stop_requested, closing(prepared(task, start)) as batches:
        for steps in dispatches(task, start, task.total_steps):
            inputs = [next(batches) for _ in steps]
            progress.state, metrics = task.advance(
                progress.state, steps.start, *inputs, stop=stop_requested()
            )
            agreed = task.agreed_to_stop(metrics)
            for step, values in zip(steps, metrics, strict=True):
                progress.step = step + 1
                progress.is_current = progress.step == steps.stop
                progress.metrics = {name: float(value) for name, value in values.items()}
                for callback in callbacks:
                    callback.after_step(progress)
            if stop_requested() if agreed is None else agreed:
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


def prepared(
    task: Task[Any], start: int, threads: int = 1
) -> Generator[dict[str, Any], None, None]:
    """Yield the host arrays of each step from `start`, made some steps ahead in threads.

    They depend on the step alone. Close it, so that the threads end.
    """
    ahead: deque[Future[dict[str, Any]]] = deque()
    with ThreadPoolExecutor(threads, "batches") as pool:
        try:
            for step in range(start, task.total_steps):
                ahead.append(pool.submit(task.inputs, step))
                if len(ahead) > 2 * max(task.steps_per_dispatch, threads):
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for waiting in ahead:
                waiting.cancel()
