"""What waits for the models: jobs of requests, computed together, and long ones between them."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from anime_pipeline import Pipeline
from anime_pipeline.core.config import SCALE

Work = Callable[[Callable[[], None]], Any]


@dataclass(frozen=True)
class Job:
    """One picture to be made.

    Attributes:
        pipeline: What makes it.
        latent: float32 [D], truncated already.
        condition: float32 [K], what it shall show.
        size: Its side, one of the pipeline's.
    """

    pipeline: Pipeline
    latent: np.ndarray
    condition: np.ndarray
    size: int

    @property
    def enlargements(self) -> int:
        """How often stage two is used."""
        return self.pipeline.sizes.index(self.size)

    @property
    def cost(self) -> int:
        """What it takes, in faces enlarged once."""
        return max(1, sum((SCALE * SCALE) ** index for index in range(self.enlargements)))

    @property
    def kind(self) -> Hashable:
        """What pictures share that can be made together."""
        upscaler = self.pipeline.upscaler if self.enlargements else None
        return self.pipeline.generator, upscaler, self.size


def compute(jobs: Sequence[Job]) -> list[np.ndarray]:
    """Make the pictures, those of the same models and size together.

    Returns:
        uint8 [S, S, 3] each, in the order of `jobs`.
    """
    pictures: dict[int, np.ndarray] = {}
    alike: dict[Hashable, list[int]] = defaultdict(list)
    for index, job in enumerate(jobs):
        alike[job.kind].append(index)
    for places in alike.values():
        first, *_ = group = [jobs[index] for index in places]
        latent = np.stack([job.latent for job in group])
        condition = np.stack([job.condition for job in group])
        made = first.pipeline.draw(latent, condition, first.size)
        pictures |= zip(places, made, strict=True)
    return [pictures[index] for index in range(len(jobs))]


class QueuedRequest:
    """The jobs of one request, and how many are still to be done.

    Attributes:
        client: Whom it is for; one of nobody in particular is served as if from a client of its
            own.
        jobs: Those that nobody has begun, with their places in the result.
        cost: What these will take.
        future: Gets all pictures in the end.
    """

    def __init__(self, jobs: Sequence[Job], client: str | None = None) -> None:
        self.client = client
        self.jobs = deque(enumerate(jobs))
        self.cost = sum(job.cost for job in jobs)
        self.future: Future[list[np.ndarray]] = Future()
        self._count = len(jobs)
        self._made: dict[int, np.ndarray] = {}

    def take(self) -> tuple[int, Job]:
        """Return the next job, which is then no longer waiting."""
        place, job = self.jobs.popleft()
        self.cost -= job.cost
        return place, job

    def deliver(self, place: int, made: np.ndarray | BaseException) -> None:
        """Note a picture, or why there is none, which ends the whole request."""
        if isinstance(made, BaseException):
            settle(self.future, made)
            return
        self._made[place] = made
        if len(self._made) == self._count:
            settle(self.future, [self._made[index] for index in range(self._count)])


def settle(future: Future[Any], result: Any) -> None:
    """Give somebody a result, or raise there what it was, unless nobody waits for it any more."""
    with suppress(InvalidStateError):
        if isinstance(result, BaseException):
            future.set_exception(result)
        else:
            future.set_result(result)


def nothing(pause: Callable[[], None]) -> None:
    """Do no work: there is none yet, or none any more."""


@dataclass(eq=False)
class LongJob:
    """Work that takes long, and how far it is.

    Attributes:
        work: Is given a function to call every fraction of a second: others are served meanwhile,
            and it raises `GivenUpError` once nobody wants the result.
        future: Gets the result; cancelled once nobody wants it any more.
        state: ``"waiting"``, ``"running"`` or, once its request is answered, ``"done"``.
        done: So many parts of it,
        total: of so many.
    """

    work: Work
    future: Future[Any] = field(default_factory=Future)
    state: str = "waiting"
    done: int = 0
    total: int = 0

    def advance(self, done: int, total: int) -> None:
        """Note how far it is; nothing is noted of what nobody waits for."""
        if self.state != "done":
            self.state, self.done, self.total = "running", done, total

    def end(self) -> None:
        """Keep of it only how far it came."""
        self.state, self.work, self.future = "done", nothing, Future()
