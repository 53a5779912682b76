"""A request as it stands in HTTP, as PEP 3333 has it for an app."""

from __future__ import annotations

import string
from typing import cast
from urllib.parse import quote, urlsplit

from tornado.httputil import HTTPHeaders, HTTPInputError, HTTPServerRequest, RequestStartLine
from tornado.wsgi import WSGIContainer

from anime_pipeline.web.errors import Problem
from anime_pipeline.web.serving.shedding import Environ

_container = WSGIContainer(lambda environ, start_response: [])


def environ_of(start_line: RequestStartLine, headers: HTTPHeaders, address: str) -> Environ:
    """Return a request as WSGI has it, without its body.

    Args:
        start_line: Method, target, version.
        headers: As they were sent.
        address: The client's.

    Raises:
        Problem: 400 if the target is no path, or no host or two are named.
    """
    own = HTTPHeaders()
    try:
        for name, value in headers.get_all():
            # In WSGI this would be another spelling of one with a dash, which a proxy may have set.
            if "_" not in name:
                own.add(name, value.rstrip(":") if name == "Host" else value)
        line = start_line._replace(path=_path(start_line.path))
        environ = _container.environ(HTTPServerRequest(headers=own, start_line=line))
    except (HTTPInputError, ValueError) as error:
        raise Problem(
            400, f"Malformed request: {error}. Send a request as HTTP describes it."
        ) from None
    # Bodies in chunks have no length; the input ends where the body does.
    environ |= {"REMOTE_ADDR": address, "wsgi.input_terminated": True, "wsgi.multithread": True}
    return cast(Environ, environ)


def _path(target: str) -> str:
    """Return path and query of a target, which may be a whole address, in ASCII."""
    if not target.startswith("/"):
        parts = urlsplit(target)  # brackets without end are a ValueError
        if parts.scheme not in ("http", "https"):
            raise ValueError(f"received the target {target[:100]!r}, expected a path")
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return quote(target, string.punctuation, "latin-1")
