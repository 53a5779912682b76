"""What the commands share: options, progress on stderr, JSON on stdout."""

from __future__ import annotations

import functools
import json
import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from anime_pipeline.core.config import MAX_SEED
from anime_pipeline.core.errors import UsageError
from anime_pipeline.core.storage import expand_user
from anime_pipeline.core.text import json_visible, visible

if TYPE_CHECKING:
    from rich.console import Console

Function = TypeVar("Function", bound=Callable[..., Any])

DEFAULT_DATA = "data/"
PLAIN_LINE_EVERY_S = 10.0
UNBROKEN = 10_000  # columns


@functools.cache
def stderr() -> Console:
    """Return the one console for messages (bars and lines share it); stdout is for results."""
    from rich.console import Console

    class Messages(Console):
        """Shows text of others, such as names of files, without being steered by it."""

        def print(self, *objects: Any, **options: Any) -> None:
            """Print, with escapes for whatever would steer the terminal."""
            super().print(*(visible(o) if isinstance(o, str) else o for o in objects), **options)

    # No :cat: becomes a picture: it stands in a name, and the name is what must be found again.
    return Messages(stderr=True, highlight=False, soft_wrap=True, emoji=False)


class UserPath(click.Path):
    """A path in which a leading ``~`` stands for the user's folder, wherever it was written."""

    def __init__(self, dir_okay: bool = True, file_okay: bool = True) -> None:
        super().__init__(dir_okay=dir_okay, file_okay=file_okay, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Expand, then check as click does; an empty text would stand for the current folder."""
        if not str(value):
            self.fail("the path is empty. Expected a file or a folder.", param, ctx)
        return super().convert(expand_user(Path(value)), param, ctx)


class FiniteRange(click.FloatRange):
    """A range that holds neither infinity nor what is no number: click lets both through."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Convert, then check."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number.", param, ctx)
        return number


def data_option(function: Function) -> Function:
    """Add `--data`, which may be given several times."""
    return click.option(
        "--data",
        "data",
        multiple=True,
        default=[DEFAULT_DATA],
        show_default=True,
        type=UserPath(),
        help="Folder of faces: character folders, CelebA, or any tree. May be repeated.",
    )(function)


def side_option(function: Function) -> Function:
    """Add `--side`."""
    return click.option(
        "--side",
        type=click.Choice(["test", "val", "all"]),
        default="test",
        show_default=True,
        help="Side of the split; `all` includes training pictures.",
    )(function)


def checkpoints_option(function: Function) -> Function:
    """Add `--checkpoints`."""
    return click.option(
        "--checkpoints",
        type=UserPath(),
        default="checkpoints/",
        show_default=True,
        help="Where run folders are kept.",
    )(function)


def json_option(function: Function) -> Function:
    """Add `--json`."""
    return click.option(
        "--json", "as_json", is_flag=True, help="Print one JSON document on stdout."
    )(function)


def out_option(default: str) -> Callable[[Function], Function]:
    """Add `--out`, the folder that results go to."""
    return click.option(
        "--out",
        type=UserPath(file_okay=False),
        default=default,
        show_default=True,
        help="Folder for the results.",
    )


def print_json(document: Any) -> None:
    """Print one JSON document on stdout."""
    text = json_visible(json.dumps(document, indent=2, ensure_ascii=False))
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(document, indent=2)
    click.echo(text)


@contextmanager
def progress_bar(title: str) -> Iterator[Callable[[int, int], None]]:
    """Show progress with ETA on a terminal; elsewhere a plain line now and then.

    Args:
        title: What is being done.

    Yields:
        A function taking (done, total).
    """
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = stderr()
    columns = (
        TextColumn("{task.description}", markup=False),  # titles hold paths, brackets and all
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    begun = last_line = time.monotonic()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as p:
        task = p.add_task(visible(title), total=None)

        def update(done: int, total: int) -> None:
            nonlocal last_line
            p.update(task, completed=done, total=total)
            now = time.monotonic()
            if not console.is_terminal and now - last_line >= PLAIN_LINE_EVERY_S:
                last_line = now
                left_s = (now - begun) / max(done, 1) * (total - done)
                console.print(f"{title}: {done}/{total}, ETA {left_s:.0f} s", markup=False)

        yield update


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table on stdout whose lines are never broken, so that programs can read them too."""
    from rich.console import Console
    from rich.table import Table

    table = Table(*head, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*map(visible, row))
    Console(highlight=False, markup=False, emoji=False, width=UNBROKEN).print(table)


@contextmanager
def waiting(text: str) -> Iterator[None]:
    """Show on a terminal what takes a few seconds and has no count: loading a library.

    A line that stands still: an animation would too, as those imports hold Python's lock.
    """
    console = stderr()
    if not console.is_terminal:
        yield
        return
    console.print(f"{text} …", end="", markup=False)
    console.file.flush()
    try:
        yield
    finally:
        console.file.write("\r\x1b[2K")
        console.file.flush()


def parse_seeds(text: str, count: int | None) -> list[int]:
    """Parse ``--seed``: one number S (then `count` seeds from S), or a list like ``0,5-9``.

    Raises:
        UsageError: If the text is no such list, or a count contradicts it.
    """
    seeds: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        numbers = (first, last) if dash else (first,)
        # Longer texts are no seed, and int() refuses thousands of digits.
        if not all(number.isdecimal() and len(number) < 20 for number in numbers):
            raise UsageError(
                f"Invalid value for --seed: {text!r}. Expected a number or a list such as 0,5-9."
            )
        begin, end = int(first), int(last or first)
        if not begin <= end <= min(begin + 1_000_000, MAX_SEED):
            raise UsageError(f"Invalid range in --seed: {part!r}. Expected low-high.")
        seeds += range(begin, end + 1)
    is_list = "," in text or "-" in text
    if not is_list:
        end = seeds[0] + (1 if count is None else count)
        if end - 1 > MAX_SEED:
            raise UsageError(f"Invalid value for --seed. Expected at most {MAX_SEED} for the last.")
        return list(range(seeds[0], end))
    if count is not None and count != len(seeds):
        raise UsageError(
            f"--seed {text} names {len(seeds)} seeds but -n says {count}. Leave -n out, or give "
            "one seed to start from."
        )
    return seeds


def version_line(names: Sequence[str]) -> str:
    """Return "name version" for installed packages, for reports."""
    from importlib.metadata import version

    return ", ".join(f"{name} {version(name)}" for name in names)
