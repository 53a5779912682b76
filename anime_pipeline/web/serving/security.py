"""What every answer says to browsers, and which requests are refused whatever they ask for."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from flask import Request, Response
from werkzeug.exceptions import SecurityError

from anime_pipeline.web.serving.problems import Problem, in_api
from anime_pipeline.web.serving.settings import PREFIX

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


def add_headers(response: Response) -> Response:
    """Add the security headers."""
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def host_name(text: str) -> str:
    """Return the name or address in a Host header, in one spelling: no port, case or brackets."""
    try:
        return (urlsplit(f"//{text}").hostname or "").rstrip(".")
    except ValueError:  # brackets that do not match
        return ""


def refuse_strangers(request: Request, trusted: Iterable[str]) -> None:
    """Refuse names that are not this server's.

    Werkzeug's own check of trusted hosts knows no IPv6 address.

    Raises:
        SecurityError: If the request is addressed to another name.
    """
    if host_name(request.host) not in {host_name(name) for name in trusted}:
        raise SecurityError(
            f"This server is not known by the name {request.host[:100]!r}. Use one of its own "
            "names, or have its operator add this one with --trusted-hosts or "
            f"{PREFIX}TRUSTED_HOSTS."
        )


def _netloc(address: str) -> str | None:
    try:
        return urlsplit(address).netloc
    except ValueError:  # brackets that do not match
        return None


def refuse_other_sites(request: Request) -> None:
    """Refuse what a page of another site makes a browser ask for.

    Links to pages, and to single pictures, are welcome. What would cost computing time without
    anybody looking at it is not: the answer could not be read there anyway.

    Raises:
        Problem: 403.
    """
    if request.method != "POST" and (
        not in_api(request.path) or request.headers.get("Sec-Fetch-Mode") == "navigate"
    ):
        return
    site, origin = (request.headers.get(name) for name in ("Sec-Fetch-Site", "Origin"))
    if site is None and origin is not None:  # from a browser that does not say it in so many words
        site = "same-origin" if _netloc(origin) == request.host else "cross-site"
    if site == "cross-site":
        raise Problem(
            403, "This request came from another website. Send it from this server's own pages."
        )
