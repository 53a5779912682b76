"""A request as it stands in HTTP, as PEP 3333 has it for an app."""

from __future__ import annotations

import io
import sys
from urllib.parse import unquote_to_bytes, urlsplit

from tornado.httputil import HTTPHeaders, RequestStartLine

from anime_pipeline.web.errors import Problem
from anime_pipeline.web.serving.shedding import Environ


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
        Problem: 400 if the target is no path, or no host or two are named.
    """
    hosts = headers.get_list("Host")
    if len(hosts) > 1 or (not hosts and start_line.version != "HTTP/1.0"):
        raise malformed(f"received {len(hosts)} Host headers, expected one")
    path, _, query = _path(start_line.path).partition("?")
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


def _path(target: str) -> str:
    """Return path and query of a target, which may be a whole address."""
    if target.startswith("/"):
        return target
    try:
        parts = urlsplit(target)
    except ValueError as error:  # brackets without end
        raise malformed(str(error)) from None
    if parts.scheme not in ("http", "https"):
        raise malformed(f"received the target {target[:100]!r}, expected a path")
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def malformed(what: str) -> Problem:
    """Return the answer to what is no request."""
    return Problem(400, f"Malformed request: {what}. Send a request as HTTP describes it.")
