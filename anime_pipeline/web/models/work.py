"""Long work for the model thread, and why work is refused or ends early."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from anime_pipeline.core.errors import PipelineError

# In a request's environ: a `concurrent.futures.Future` that is done once its client has gone. Only
# `serve` gives it; under other servers nobody notices.
GONE = "anime_pipeline.client_gone"
GIVEN_UP = "Cancelled: nobody wants this picture any more. Send it again to have it."


class BusyError(PipelineError):
    """The queue is full, or the server is stopping.

    Attributes:
        retry_after_s: When it may be worth trying again.
    """

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class GivenUpError(PipelineError):
    """Nobody wants the result of this work any more."""


class TooLongError(BusyError):
    """The work was not done in time, and would not be the next time either."""

    def __init__(self, message: str) -> None:
        super().__init__(message, 0)


@dataclass(eq=False)
class LongJob:
    """Work that takes long, and can be given up by whoever holds it.

    Attributes:
        work: Is given a function to call every fraction of a second: others are served meanwhile,
            and it raises `GivenUpError` once nobody wants the result.
    """

    work: Callable[[Callable[[], None]], Any]
    future: Future[Any] = field(default_factory=Future)
    given_up: bool = False
