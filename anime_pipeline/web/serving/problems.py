"""Errors of the API as `application/problem+json` (RFC 9457), of the pages as a page."""

from __future__ import annotations

import json
import logging
import math
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, render_template, request
from werkzeug.exceptions import BadHost, HTTPException, MethodNotAllowed, SecurityError

from anime_pipeline.core.errors import CheckpointError, DataError, PipelineError, UsageError
from anime_pipeline.web.models.catalogue import NoSuchModelError, UnusableModelError
from anime_pipeline.web.models.work import BusyError, GivenUpError, TooLongError
from anime_pipeline.web.serving.settings import MAX_UPLOAD_BYTES

PROBLEM_TYPE = "application/problem+json"
LOG = logging.getLogger(__name__)

TOO_LARGE = (
    f"This is more than is taken: pictures may have up to {MAX_UPLOAD_BYTES // 10**6} MB. Send a "
    "smaller file."
)
NO_ADDRESS = "There is nothing at this address. Check how it is written."


class Problem(Exception):  # noqa: N818 - what RFC 9457 calls it
    """An answer that says what was wrong with a request."""

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
        """Return the problem as RFC 9457 has it, with all wrong parameters where there are any."""
        document: dict[str, Any] = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
        }
        return document | ({"errors": self.errors} if self.errors else {})


# In place of what Werkzeug says by itself.
_OWN_WORDS = {
    404: NO_ADDRESS,
    405: "This address does not take requests of that method. Use one that Allow names.",
    413: TOO_LARGE,
}


def busy(error: BusyError) -> Problem:
    """Return what a client is told that should come back later."""
    return Problem(503, str(error), retry_after_s=error.retry_after_s)


def in_api(path: str) -> bool:
    """Tell whether a path belongs to programs rather than to people."""
    return path.startswith("/api/") or path in ("/healthz", "/readyz", "/metrics")


def problem_of(error: Exception) -> Problem:
    """Return what a client is told of an error; of a defect of ours, only that it was one."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, BusyError) and not isinstance(error, TooLongError):
        return busy(error)
    if isinstance(error, NoSuchModelError):
        return Problem(404, str(error))
    if isinstance(error, GivenUpError | UnusableModelError):
        return Problem(409, str(error))
    if isinstance(error, DataError | UsageError | TooLongError):
        return Problem(422, str(error))
    if isinstance(error, HTTPException):
        status = error.code or 500
        if error.description == type(error).description and status in _OWN_WORDS:
            return Problem(status, _OWN_WORDS[status])
        return Problem(status, error.description or HTTPStatus(status).phrase)
    if isinstance(error, CheckpointError):
        # No 503: to come back later would not help.
        LOG.error("%s", error)
        return Problem(409, "These weights cannot be used. Choose another model.")
    if isinstance(error, PipelineError):
        LOG.error("%s", error)
        return Problem(503, "This could not be computed now. Try again later.", None, 30)
    LOG.exception("A request failed", exc_info=error)
    return Problem(500, "Something went wrong on this side. The server's log says what.")


def response_of(problem: Problem, page: str | None = None) -> Response:
    """Return the answer for programs, or for people where there is a page."""
    body, kind = json.dumps(problem.document()), PROBLEM_TYPE
    if page is not None:
        body, kind = page, "text/html; charset=utf-8"
    response = Response(body, problem.status, content_type=kind)
    if problem.retry_after_s is not None:
        response.headers["Retry-After"] = str(max(1, math.ceil(problem.retry_after_s)))
    response.headers["Cache-Control"] = "no-store"
    return response


def install(app: Flask) -> None:
    """Let the app answer every error in the form that fits the path."""

    def answer(error: Exception) -> Response:
        problem, page = problem_of(error), None
        # A page has links, and for a stranger's host name, or one that is none, none can be made.
        if not in_api(request.path) and not isinstance(error, SecurityError | BadHost):
            found = problem.document() | ({"title": "Not found"} if problem.status == 404 else {})
            page = render_template("error.html", page="", **found)
        response = response_of(problem, page)
        if isinstance(error, MethodNotAllowed) and error.valid_methods:
            response.allow.update(error.valid_methods)
        return response

    app.register_error_handler(Exception, answer)
