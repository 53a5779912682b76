"""Calling a WSGI app (PEP 3333) with a request as it stands in HTTP."""

from __future__ import annotations

import io
import logging
import sys
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

from flask import Response
from tornado.httputil import HTTPHeaders, RequestStartLine

from anime_pipeline import __version__
from anime_pipeline.web.serving.problems import Problem, response_of
from anime_pipeline.web.serving.security import add_headers
from anime_pipeline.web.serving.shedding import App, Environ

LOG = logging.getLogger(__name__)

SERVER = f"anime-pipeline/{__version__}"
DEFECT = "Something went wrong on this side. The server's log says what."


@dataclass
class Answer:
    """What is said to a request: its content in parts, as the app gives them."""

    status: int
    reason: str
    headers: list[tuple[str, str]]
    parts: list[bytes]

    @property
    def size(self) -> int:
        """Bytes of its content."""
        return sum(map(len, self.parts))

    @classmethod
    def of(cls, response: Response | Problem) -> Answer:
        """Return an answer that no app was asked for."""
        if isinstance(response, Problem):
            response = response_of(response)
        add_headers(response)
        reason = response.status.partition(" ")[2]
        return cls(response.status_code, reason, list(response.headers), [response.get_data()])

    def http_headers(self, close: bool) -> HTTPHeaders:
        """Return all headers that are sent.

        Args:
            close: Whether the connection ends behind it.
        """
        found = HTTPHeaders()
        for name, value in self.headers:
            found.add(name, value)
        has_body = self.status >= 200 and self.status not in (204, 304)
        if has_body and "Content-Length" not in found:
            found["Content-Length"] = str(self.size)
        found["Server"] = SERVER
        found["Date"] = formatdate(usegmt=True)
        if close:
            found["Connection"] = "close"
        return found


def environ_of(
    start_line: RequestStartLine, headers: HTTPHeaders, address: str, port: int
) -> Environ:
    """Return a request as WSGI has it, without its body.

    Args:
        start_line: Method, target, version.
        headers: As they were sent.
        address: The client's.
        port: What the server listens on.

    Raises:
        Problem: 400 if the target is no path.
    """
    target = start_line.path
    if not target.startswith("/"):
        try:
            parts = urlsplit(target)
        except ValueError as error:  # brackets without end
            raise malformed(str(error)) from None
        if parts.scheme not in ("http", "https"):
            raise malformed(f"received the target {target[:100]!r}, expected a path")
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    path, _, query = target.partition("?")
    environ: Environ = {
        "REQUEST_METHOD": start_line.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path.encode("latin-1")).decode("latin-1"),
        "QUERY_STRING": query,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": str(port),
        "SERVER_PROTOCOL": start_line.version,
        "REMOTE_ADDR": address,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        # Bodies in chunks have no length; the input ends where the body does.
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name in headers:
        # In WSGI this would be another spelling of one with a dash, which a proxy may have set.
        if "_" in name:
            continue
        key = name.upper().replace("-", "_")
        environ[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = headers[name]
    return environ


def malformed(what: str) -> Problem:
    """Return the answer to what is no request."""
    return Problem(400, f"Malformed request: {what}. Send a request as HTTP describes it")


def call(app: App, environ: Environ) -> Answer:
    """Let an app answer a request; a defect of it is an answer too."""
    said: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], *_: object) -> None:
        said[:] = [status, headers]

    try:
        content = app(environ, start_response)
        try:
            parts = [part for part in content if part]
        finally:
            close = getattr(content, "close", None)
            if close is not None:
                close()
        [status, headers] = said
        code, _, reason = status.partition(" ")
        return Answer(int(code), reason, headers, parts)
    except Exception:
        LOG.exception("A request failed")
        return Answer.of(Problem(500, DEFECT))
