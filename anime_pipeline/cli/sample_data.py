"""`anime-pipeline sample-data`."""

from __future__ import annotations

from pathlib import Path

import click

from anime_pipeline.cli.common import (
    DEFAULT_DATA,
    UserPath,
    json_option,
    print_json,
    progress_bar,
    stderr,
)
from anime_pipeline.core.config import MAX_SEED
from anime_pipeline.core.storage import require_free


@click.command("sample-data")
@click.argument("out", default=DEFAULT_DATA, type=UserPath(file_okay=False))
@click.option("--count", type=click.IntRange(min=1), default=400, show_default=True)
@click.option("--seed", type=click.IntRange(0, MAX_SEED), default=0, show_default=True)
@click.option("--size", type=click.IntRange(min=32, max=1024), default=160, show_default=True)
@json_option
def command(out: Path, count: int, seed: int, size: int, as_json: bool) -> None:
    """Draw a practice set of anime-style faces, so that everything can be tried at once.

    The pictures are drawn by code in the layout of the reference dataset: character folders with
    a color.csv of hair and skin colours.
    """
    from anime_pipeline.sample.dataset import write_sample_dataset

    require_free(out, count * size**2 * 3, "the pictures")
    with progress_bar("Drawing") as update:
        folders = write_sample_dataset(out, count, seed, size, update)
    if as_json:
        print_json({"out": str(out), "images": count, "folders": folders})
    else:
        stderr().print(f"{count} drawn faces in {folders} folders of {out}", markup=False)
