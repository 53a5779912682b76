"""`anime-pipeline prepare`: the picture cache of a large set, before anybody trains on it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from anime_pipeline.cli import common
from anime_pipeline.core.config import FITS
from anime_pipeline.data.sources.places import Root

Shard = tuple[int, int]


class ShardOf(click.ParamType):
    """A part of the work such as ``2/4``: the second of four."""

    name = "i/n"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Shard:
        """Read both numbers."""
        if isinstance(value, tuple):
            return value
        match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", str(value).strip())
        if not match or not 1 <= int(match[1]) <= int(match[2]):
            self.fail(f"{value!r} is no part of a whole. Expected i/n, as 2/4 for the second of 4.")
        return int(match[1]), int(match[2])


@click.command("prepare")
@click.argument("data", nargs=-1, type=common.DataPath())
@click.option("--size", type=click.IntRange(8, 1024), default=32, help="Side of the pictures, px.")
@click.option("--fit", type=click.Choice(FITS), default="crop", help="How they become square.")
@click.option(
    "--min-side",
    type=click.IntRange(min=1),
    default=1,
    help="Leave smaller pictures out; train-srgan takes those of --size and larger.",
)
@click.option(
    "--shard",
    type=ShardOf(),
    default="1/1",
    help="Build a part only, as 2/4; the others may be built at the same time, elsewhere.",
)
@click.option("--threads", type=click.IntRange(min=1), help="That decode [default: a core each].")
@common.json_option
def command(
    data: tuple[Root, ...], size: int, fit: Any, min_side: int, shard: Shard, threads: int | None
) -> None:
    """Decode sets of faces into the cache, so that training and evaluate begin at once.

    A set is a folder, a tar or several ('faces-{000..099}.tar'), or an address as s3://bucket/faces.

    The work is done in blocks of pictures. Stopped or killed, it goes on where it was when it is
    run again, but for the block that it was at. Give the folders, the size and the fit that will be
    trained with, as what is kept is kept for these.
    """
    from anime_pipeline.data.dataset import drop_repeated, open_dataset
    from anime_pipeline.data.duplicates import cached_groups
    from anime_pipeline.data.entry import Wanted
    from anime_pipeline.data.store import prepare_store, require_pictures

    roots: list[Root] = list(dict.fromkeys(data or (Path(common.DEFAULT_DATA),)))
    with common.waiting("Listing the pictures"):
        datasets = drop_repeated([open_dataset(root) for root in roots])
    with common.progress_bar(f"Reading {', '.join(map(str, roots))}") as update:
        wanted = Wanted(size, fit, min_side)
        made = prepare_store(datasets, wanted, *shard, update, threads or 0, common.say)
    facts = {
        "place": str(made.place),
        "files": made.files,
        "blocks": made.blocks,
        "built": len(made.built),
        "missing": made.missing,
    }
    if made.store is None:
        left = ", ".join(f"{each}/{shard[1]}" for each in made.missing_shards(shard[1]))
        text = f"Shard {shard[0]}/{shard[1]} is done: {len(made.built)} blocks built now."
        absent = f"{len(made.missing)} of {made.blocks} blocks are missing"
        common.tell(facts, f"{text} {absent}; still to be run: --shard {left}.")
        return
    store = require_pictures(made.store, roots)
    with common.progress_bar("Comparing pictures") as update:
        cached_groups(store.thumbnails, update)  # which training divides by
    if store.skipped:
        first = store.skipped[0]
        common.say(f"Skipped {len(store.skipped)}, first {first.path}: {first.reason}")
    facts |= {"pictures": len(store.images), "skipped": [vars(item) for item in store.skipped]}
    common.tell(
        facts,
        f"{len(store.images)} of {made.files} pictures are ready at {size} px ({fit}) in "
        f"{made.place}",
    )
