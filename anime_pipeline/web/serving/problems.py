"""Every error as an answer: `application/problem+json` for programs, a page for people."""

from __future__ import annotations

import json
import logging
import math
from http import HTTPStatus

from flask import Flask, Response, render_template, request
from werkzeug.exceptions import BadHost, HTTPException, MethodNotAllowed, SecurityError

from anime_pipeline.core.errors import CheckpointError, DataError, PipelineError, UsageError
from anime_pipeline.web.errors import Problem
from anime_pipeline.web.serving.security import add_headers, in_api
from anime_pipeline.web.serving.settings import MAX_UPLOAD_BYTES

LOG = logging.getLogger(__name__)
PROBLEM_TYPE = "application/problem+json"

TOO_LARGE = (
    f"This is more than is taken: pictures may have up to {MAX_UPLOAD_BYTES // 10**6} MB. Send a "
    "smaller file."
)
# In place of what Werkzeug says by itself.
_OWN_WORDS = {
    404: "There is nothing at this address. Check how it is written.",
    405: "This address does not take requests of that method. Use one that Allow names.",
    413: TOO_LARGE,
}


def problem_of(error: Exception) -> Problem:
    """Return what a client is told of an error; of a defect of ours, only that it was one."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, DataError | UsageError):
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
    kind = PROBLEM_TYPE if page is None else "text/html; charset=utf-8"
    body = json.dumps(problem.document()) if page is None else page
    response = Response(body, problem.status, {"Cache-Control": "no-store"}, content_type=kind)
    if problem.retry_after_s is not None:
        response.headers["Retry-After"] = str(max(1, math.ceil(problem.retry_after_s)))
    return add_headers(response)


def install(app: Flask) -> None:
    """Let the app answer every error in the form that fits the path."""

    @app.errorhandler(Exception)
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
