"""Which requests may wait for the models: those that can be answered in time."""

from __future__ import annotations

from collections.abc import Sequence

from anime_pipeline.web.errors import BusyError
from anime_pipeline.web.models.jobs import QueuedRequest

SHARE = 3  # times as many places as are free: what one client may have
SURE = 0.8  # of the time it may take: smaller requests that come later are done before
SMALL = 8  # what costs no more takes its chance: it passes the others
COST_A_SECOND = 40.0  # before anything has been measured


class Admission:
    """Places in the queue, and how fast work is done."""

    def __init__(self, most_waiting: int) -> None:
        self._most_waiting = most_waiting
        self._pace = COST_A_SECOND

    def measure(self, cost: int, seconds: float) -> None:
        """Note how long some work took."""
        self._pace += 0.1 * (cost / max(seconds, 1e-3) - self._pace)

    def refuse_when_full(self, waiting: int) -> None:
        """Refuse if all places are taken.

        Raises:
            BusyError: If so.
        """
        if waiting >= self._most_waiting:
            raise BusyError(
                f"{waiting} requests are waiting already. Try again in a moment.",
                waiting / self._pace,
            )

    def refuse(
        self,
        waiting: Sequence[QueuedRequest],
        request: QueuedRequest,
        cost_before: int,
        timeout_s: float,
    ) -> None:
        """Refuse a request if it is not to wait beside those that do.

        Args:
            waiting: Those that wait.
            request: The new one.
            cost_before: What would be done before it.
            timeout_s: How long it may take.

        Raises:
            BusyError: If all places are taken or its client has a full share of them, or if it
                would not be done in time. What could not be even alone is tried when nothing waits.
        """
        self.refuse_when_full(len(waiting))
        # Places are kept free for others: the fewer there are, the more.
        client = request.client
        held = sum(one.client == client for one in waiting) if client else 0
        if held >= SHARE * (self._most_waiting - len(waiting)):
            raise BusyError(
                f"{held} requests from this address are waiting already. Wait for some of them.",
                held / self._pace,
            )
        seconds = (cost_before + request.cost) / self._pace
        if waiting and request.cost > SMALL and seconds > SURE * timeout_s:
            raise BusyError(
                f"There is too much to do for {request.cost} faces' work within {timeout_s:g} s. "
                "Try again later, or with fewer or smaller ones.",
                seconds - SURE * timeout_s,
            )
