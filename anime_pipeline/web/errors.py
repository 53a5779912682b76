"""Why a request is refused, and what is said of it (RFC 9457). This module loads nothing."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from anime_pipeline.core.errors import PipelineError


class Problem(PipelineError):  # noqa: N818 - what RFC 9457 calls it
    """A refusal, with the HTTP status that it is answered with.

    Attributes:
        status: 400 to 599.
        detail: What was wrong and what to do, for people.
        errors: Each parameter that is wrong, with what is.
        retry_after_s: When it may be worth trying again; None if never.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        errors: list[dict[str, str]] | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail if detail.endswith(".") else f"{detail}."
        self.errors = errors
        self.retry_after_s = retry_after_s

    def document(self) -> dict[str, Any]:
        """Return it as RFC 9457 has it."""
        document: dict[str, Any] = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
        }
        return document | ({"errors": self.errors} if self.errors else {})


class BusyError(Problem):
    """There is too much to do, or the server is stopping."""

    def __init__(self, detail: str, retry_after_s: float) -> None:
        super().__init__(503, detail, retry_after_s=retry_after_s)


class GivenUpError(Problem):
    """Nobody wants the result of this work any more."""

    def __init__(self) -> None:
        super().__init__(
            409, "Cancelled: nobody wants this picture any more. Send it again to have it."
        )
