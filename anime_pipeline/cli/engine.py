"""The options that say which processes share a command's work, and where those are."""

from __future__ import annotations

import functools
import importlib.util
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from anime_pipeline.cli.common import Function, joined, say, waiting
from anime_pipeline.core.crew import Crew, Sharing
from anime_pipeline.core.errors import UsageError

RAY_VARIABLE = "RAY_ADDRESS"  # as Ray's own commands know it


@dataclass(frozen=True)
class Engine:
    """Who does the work of a command.

    Attributes:
        name: ``"local"`` or ``"ray"``.
        workers: How many processes share it.
        threads: Of each.
        address: Of a Ray cluster, or None.
    """

    name: str
    workers: int
    threads: int
    address: str | None

    def __post_init__(self) -> None:
        """Refuse what cannot be, before anything is looked at.

        Raises:
            UsageError: Saying what.
        """
        if self.name != "ray":
            if self.address is not None:
                raise UsageError(
                    f"Received --ray-address {self.address} without --engine ray. Give both, or "
                    "none."
                )
        elif importlib.util.find_spec("ray") is None:
            from anime_pipeline.core.cluster import not_installed

            raise not_installed()

    @property
    def shares(self) -> bool:
        """Whether the work is shared at all."""
        return self.workers > 1 or self.name == "ray"

    @contextmanager
    def sharing(self, factory: str, setup: Any, tasks: int, results: Path) -> Iterator[Sharing]:
        """Have processes share so many tasks, whose results go to one folder.

        Args:
            factory: As `Crew` has it.
            setup: Likewise.
            tasks: How many.
            results: The folder.
        """
        count = min(self.workers, tasks)
        if self.name != "ray":
            with Crew(factory, setup, count, self.threads) as crew:
                yield crew
            return
        from anime_pipeline.core.cluster import LOCAL, Cluster

        address = self.address or os.environ.get(RAY_VARIABLE) or LOCAL
        cluster = Cluster(factory, setup, count, self.threads, address, results)
        with ExitStack() as opened:
            with waiting("Starting Ray"):
                opened.enter_context(cluster)
            say(cluster.where)
            yield cluster


def engine_options(function: Function) -> Callable[..., Any]:
    """Add `--workers`, `--threads`, `--engine` and `--ray-address`, which become an `engine`."""

    @functools.wraps(function)
    def call(
        *arguments: Any,
        engine: str,
        workers: int,
        threads: int,
        ray_address: str | None,
        **options: Any,
    ) -> Any:
        return function(*arguments, engine=Engine(engine, workers, threads, ray_address), **options)

    return joined(
        click.option(
            "--workers",
            type=click.IntRange(1, 256),
            default=1,
            help="Processes that share the work, for the same results; for hundreds of pictures.",
        ),
        click.option(
            "--threads",
            type=click.IntRange(1, 256),
            default=1,
            help="Of each of several --workers.",
        ),
        click.option(
            "--engine",
            type=click.Choice(["local", "ray"]),
            default="local",
            help="ray: the workers are Ray's actors, on several machines, too.",
        ),
        click.option(
            "--ray-address",
            help="HOST:PORT of a Ray cluster [default: $RAY_ADDRESS, or one started here].",
        ),
    )(call)
