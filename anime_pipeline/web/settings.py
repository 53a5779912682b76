"""What `serve` can be told, from options or, under another WSGI server, from the environment."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anime_pipeline.core.errors import UsageError

PREFIX = "ANIME_PIPELINE_SERVE_"

MAX_UPLOAD_BYTES = 8_000_000
MAX_UPLOAD_PIXELS = 4_000_000
MOST_QUEUE = 1000  # each waiting request has a thread
LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "[::1]")


@dataclass(frozen=True)
class Settings:
    """Everything that decides how the server behaves.

    Attributes:
        checkpoint: Stage one: a shipped name, a file or a run folder.
        upscaler: Stage two, likewise; empty for the shipped pair.
        checkpoints: Where runs are kept; the training page shows them, and they can be drawn with.
        queue: Requests that may wait for the model; what comes beyond is refused at once.
        rate_limit: Faces a minute for each client, 0 for any number. A client on this machine has
            no limit.
        upload_rate_limit: Uploads a minute for each client, likewise.
        proxies: Reverse proxies in front, whose X-Forwarded headers are then believed.
        trusted_hosts: Names that requests may be addressed to; none for any.
        face_timeout_s: How long a face may take, waiting included.
        upscale_timeout_s: How long an upload may take.
    """

    checkpoint: str = "dcgan"
    upscaler: str = ""
    checkpoints: Path = Path("checkpoints")
    queue: int = 32
    rate_limit: int = 1200
    upload_rate_limit: int = 30
    proxies: int = 0
    trusted_hosts: tuple[str, ...] = field(default=())
    face_timeout_s: float = 20.0
    upscale_timeout_s: float = 180.0

    def __post_init__(self) -> None:
        """Check ranges."""
        _require(self.queue <= MOST_QUEUE, "queue", f"1 to {MOST_QUEUE}", self.queue)
        for name, least in (("queue", 1), ("rate_limit", 0), ("upload_rate_limit", 0)):
            _require(getattr(self, name) >= least, name, f"{least} or more", getattr(self, name))
        _require(0 <= self.proxies <= 16, "proxies", "0 to 16", self.proxies)
        for name in ("face_timeout_s", "upscale_timeout_s"):
            _require(0 < getattr(self, name) <= 3600, name, "0 to 3600", getattr(self, name))

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Settings:
        """Read ``ANIME_PIPELINE_SERVE_QUEUE`` and so on: each field by its name in capitals.

        Raises:
            UsageError: If a value cannot be read.
        """
        values: dict[str, Any] = {}
        for one in dataclasses.fields(cls):
            text = environ.get(PREFIX + one.name.upper())
            if text:
                values[one.name] = _read(one.name, type(getattr(cls(), one.name)), text)
        return cls(**values)


def hosts(text: str) -> tuple[str, ...]:
    """Split a list of host names at commas and spaces."""
    return tuple(text.replace(",", " ").split())


def _read(name: str, kind: type, text: str) -> object:
    if kind is tuple:
        return hosts(text)
    try:
        return kind(text)
    except ValueError:
        raise UsageError(
            f"Invalid value for ${PREFIX}{name.upper()}: {text!r}. Give a number."
        ) from None


def _require(good: bool, name: str, expected: str, received: object) -> None:
    if not good:
        raise UsageError(
            f"Invalid value for {name} (${PREFIX}{name.upper()}). Give one within: {expected}. "
            f"Received: {received!r}."
        )
