"""What the commands share: options, progress on stderr, JSON on stdout."""

from __future__ import annotations

import functools
import json
import math
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from anime_pipeline.core.config import MAX_SEED
from anime_pipeline.core.errors import UsageError
from anime_pipeline.core.storage import expand_user
from anime_pipeline.core.text import json_visible, visible
from anime_pipeline.data.sources.places import Url, is_url, parse_root

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

Function = TypeVar("Function", bound=Callable[..., Any])

DEFAULT_DATA = "data/"
WANTS_JSON = "anime_pipeline.wants_json"  # key in click's context
PLAIN_LINE_EVERY_S = 10.0
UNBROKEN = 10_000  # columns


@functools.cache
def stderr() -> Console:
    """Return the one console for messages (bars and lines share it); stdout is for results."""
    from rich.console import Console

    # No :cat: becomes a picture: it stands in a name, and the name is what must be found again.
    return Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)


class UserPath(click.Path):
    """A path in which a leading ``~`` stands for the user's folder, wherever it was written."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Expand, then check as click does; an empty text would stand for the current folder."""
        if not str(value):
            self.fail("the path is empty. Expected a file or a folder.", param, ctx)
        if is_url(str(value)):
            self.fail(
                f"{value!r} is in a store. Expected a path of this machine: pictures in stores can "
                "be inspected, prepared, trained on and measured.",
                param,
                ctx,
            )
        return super().convert(expand_user(Path(value)), param, ctx)


class DataPath(UserPath):
    """What a set of pictures is opened from: a path, or the address of a store."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read an address, or convert a path."""
        if isinstance(value, Url):
            return value
        root = parse_root(str(value))
        return root if isinstance(root, Url) else super().convert(value, param, ctx)


class FiniteRange(click.FloatRange):
    """A range that holds neither infinity nor what is no number: click lets both through."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Convert, then check."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number.", param, ctx)
        return number


def joined(*options: Callable[[Function], Function]) -> Callable[[Function], Function]:
    """Join options into one decorator; help shows them in this order."""

    def add(function: Function) -> Function:
        for option in reversed(options):
            function = option(function)
        return function

    return add


data_option = click.option(
    "--data",
    multiple=True,
    default=[DEFAULT_DATA],
    type=DataPath(),
    help="Folder of faces: character folders, CelebA, any tree, tars, or a store's address. May be "
    "repeated.",
)
side_option = click.option(
    "--side",
    type=click.Choice(["test", "val", "all"]),
    default="test",
    help="Side of the split; `all` includes training pictures.",
)
checkpoints_option = click.option(
    "--checkpoints", type=UserPath(), default="checkpoints/", help="Where run folders are kept."
)
json_option = click.option(  # which `tell` and `wants_json` obey
    "--json",
    is_flag=True,
    expose_value=False,
    callback=lambda context, _, wanted: context.meta.update({WANTS_JSON: wanted}),
    help="Print one JSON document on stdout.",
)


def out_option(default: str, file: str = "") -> Callable[[Function], Function]:
    """Add `--out`, the folder that results go to, or a file of which `file` says what it is."""
    kind, words = UserPath(file_okay=bool(file)), file or "Folder for the results."
    return click.option("--out", type=kind, default=default, help=words)


def result_options(default: str, replaces: str, file: str = "") -> Callable[[Function], Function]:
    """Add `--out`, `--overwrite`, which replaces what `replaces` says, and `--json`."""
    overwrite = click.option("--overwrite", is_flag=True, help=f"Replace {replaces}.")
    return joined(out_option(default, file), overwrite, json_option)


def wants_json() -> bool:
    """Return whether the command was called with `--json`."""
    return bool(click.get_current_context().meta.get(WANTS_JSON))


def say(text: str, **options: Any) -> None:
    """Print a message for people on stderr, beside any progress bar; names in it steer nothing."""
    stderr().print(visible(text), markup=False, **options)


def tell(document: Any, text: str) -> None:
    """Print a result as JSON on stdout if `--json` asks for that, else in words on stderr."""
    if wants_json():
        print_json(document)
    else:
        say(text)


def print_json(document: Any) -> None:
    """Print one JSON document on stdout; paths in it are texts."""
    text = json_visible(json.dumps(document, indent=2, ensure_ascii=False, default=os.fspath))
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(document, indent=2, default=os.fspath)
    click.echo(text)


@contextmanager
def progress_bar(title: str) -> Iterator[Callable[[int, int], None]]:
    """Show on a terminal a line that stands still, and from the first count on a bar with ETA.

    Elsewhere a plain line now and then.

    Args:
        title: What is being done.

    Yields:
        A function taking (done, total).
    """
    console = stderr()
    begun = last_line = time.monotonic()
    with ExitStack() as shown:
        bar: Progress | None = None
        shown.enter_context(waiting(title))

        def update(done: int, total: int) -> None:
            nonlocal last_line, bar
            now = time.monotonic()
            if console.is_terminal:
                if bar is None:
                    shown.close()
                    bar = shown.enter_context(_bar(title))
                bar.update(bar.task_ids[0], completed=done, total=total)
            elif now - last_line >= PLAIN_LINE_EVERY_S:
                last_line = now
                eta = f", ETA {(now - begun) / done * (total - done):.0f} s" if done else ""
                say(f"{title}: {done}/{total}{eta}")

        yield update


def _bar(title: str) -> Progress:
    from rich import progress as rich

    columns = (
        rich.TextColumn("{task.description}", markup=False),  # titles hold paths, brackets and all
        rich.BarColumn(),
        rich.MofNCompleteColumn(),
        rich.TimeElapsedColumn(),
        rich.TimeRemainingColumn(),
    )
    bar = rich.Progress(*columns, console=stderr(), transient=True)
    bar.add_task(visible(title), total=None)
    return bar


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
    say(f"{text} …", end="")
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
        # Longer texts are no seed, and int() refuses thousands of digits.
        match = re.fullmatch(r"(\d{1,19})(?:-(\d{1,19}))?", part.strip())
        if not match:
            raise UsageError(
                f"Invalid value for --seed: {text!r}. Expected a number or a list such as 0,5-9."
            )
        begin, end = int(match[1]), int(match[2] or match[1])
        if not begin <= end <= min(begin + 1_000_000, MAX_SEED):
            raise UsageError(f"Invalid range in --seed: {part!r}. Expected low-high.")
        seeds += range(begin, end + 1)
    if "," not in text and "-" not in text:
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
