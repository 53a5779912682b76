"""What `serve` can be told, from options or, under another WSGI server, from the environment."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError
from pydantic.dataclasses import dataclass

from anime_pipeline.core.errors import UsageError

PREFIX = "ANIME_PIPELINE_SERVE_"

MAX_UPLOAD_BYTES = 8_000_000
MAX_UPLOAD_PIXELS = 4_000_000
MOST_QUEUE = 1000  # each waiting request has a thread
LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "[::1]")
STORAGE_SCHEMES = ("redis", "rediss")


def hosts(given: str | tuple[str, ...]) -> tuple[str, ...]:
    """Split a list of host names at commas and spaces; what is split already stays as it is."""
    return tuple(given.replace(",", " ").split()) if isinstance(given, str) else given


def storage(url: str) -> str:
    """Return the address of a storage that replicas share; empty for none.

    Raises:
        ValueError: If it is none; without the address, which may hold a password.
    """
    if url:
        try:
            parts = urlsplit(url)
            known = parts.scheme in STORAGE_SCHEMES and parts.hostname and parts.port != 0
        except ValueError:  # a port that is no number
            known = False
        if not known or parts.query:
            raise ValueError(
                "Expected redis://HOST:PORT or redis://:PASSWORD@HOST:PORT/NUMBER, or rediss:// "
                "for TLS"
            )
    return url


Hosts = Annotated[tuple[str, ...], BeforeValidator(hosts)]
Rate = Annotated[int, Field(ge=0)]
Seconds = Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)]


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
        rate_limit_storage: Where replicas count together, such as ``redis://host:6379``; empty for
            this process's memory.
        proxies: Reverse proxies in front, whose X-Forwarded headers are then believed.
        trusted_hosts: Names that requests may be addressed to; none for any.
        face_timeout_s: How long a face may take, waiting included.
        upscale_timeout_s: How long an upload may take.
    """

    checkpoint: str = "dcgan"
    upscaler: str = ""
    checkpoints: Path = Path("checkpoints")
    queue: Annotated[int, Field(ge=1, le=MOST_QUEUE)] = 32
    rate_limit: Rate = 1200
    upload_rate_limit: Rate = 30
    # Not shown: it may hold a password.
    rate_limit_storage: Annotated[str, AfterValidator(storage)] = dataclasses.field(
        default="", repr=False
    )
    proxies: Annotated[int, Field(ge=0, le=16)] = 0
    trusted_hosts: Hosts = ()
    face_timeout_s: Seconds = 20.0
    upscale_timeout_s: Seconds = 180.0

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Settings:
        """Read ``ANIME_PIPELINE_SERVE_QUEUE`` and so on: each field by its name in capitals.

        The package pydantic-settings would read the environment whenever settings are made, those
        of options and tests too.

        Raises:
            UsageError: If a value cannot be read or lies out of its range.
        """
        variables = {field.name: PREFIX + field.name.upper() for field in dataclasses.fields(cls)}
        given = {name: environ[each] for name, each in variables.items() if environ.get(each)}
        try:
            return cls(**given)  # type: ignore[arg-type]
        except ValidationError as error:
            first = error.errors()[0]
            name = str(first["loc"][0])
            received = "" if name == "rate_limit_storage" else f" {first['input']!r}."
            raise UsageError(
                f"Invalid value for ${variables[name]}:{received} {first['msg']}. Give another, "
                "or unset the variable."
            ) from None
