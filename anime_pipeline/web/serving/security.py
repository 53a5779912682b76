"""What every answer says to browsers, and which requests are refused whatever they ask for."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Flask, Response, request
from werkzeug.exceptions import SecurityError

from anime_pipeline.web.errors import Problem
from anime_pipeline.web.serving.settings import LOOPBACK_HOSTS, PREFIX

SECURITY_HEADERS = {
    # No inline code or styles: what a client sends can never become either.
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data: blob:; "
    "style-src 'self'; script-src 'self'; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


def install(app: Flask, trusted: tuple[str, ...]) -> None:
    """Guard an app.

    Args:
        app: What is guarded.
        trusted: Names that it may be called by; none for any.
    """
    # Checks of health come from this machine, whatever names the world knows it by.
    names = {host_name(name) for name in (*trusted, *LOOPBACK_HOSTS)} if trusted else None

    @app.before_request
    def refuse() -> None:
        # Werkzeug's own check of trusted hosts knows no IPv6 address.
        if names is not None and host_name(request.host) not in names:
            raise SecurityError(
                f"This server is not known by the name {request.host[:100]!r}. Use one of its own "
                "names, or have its operator add this one with --trusted-hosts or "
                f"{PREFIX}TRUSTED_HOSTS."
            )
        _refuse_other_sites()

    app.after_request(add_headers)


def add_headers(response: Response) -> Response:
    """Add the security headers."""
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def in_api(path: str) -> bool:
    """Tell whether a path belongs to programs rather than to people."""
    return path.startswith("/api/") or path in ("/healthz", "/readyz", "/metrics")


def host_name(text: str) -> str:
    """Return the name or address in a Host header, in one spelling: no port, case or brackets."""
    try:
        return (urlsplit(f"//{text}").hostname or "").rstrip(".")
    except ValueError:  # brackets that do not match
        return ""


def _refuse_other_sites() -> None:
    """Refuse what a page of another site makes a browser ask for.

    Links to pages, and to single pictures, are welcome. What would cost computing time without
    anybody looking at it is not: the answer could not be read there anyway.
    """
    if request.method != "POST" and (
        not in_api(request.path) or request.headers.get("Sec-Fetch-Mode") == "navigate"
    ):
        return
    site, origin = (request.headers.get(name) for name in ("Sec-Fetch-Site", "Origin"))
    if site is None and origin is not None:  # from a browser that does not say it in so many words
        site = "same-origin" if origin.partition("//")[2] == request.host else "cross-site"
    if site == "cross-site":
        raise Problem(
            403, "This request came from another website. Send it from this server's own pages."
        )
