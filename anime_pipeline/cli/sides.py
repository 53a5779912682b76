"""Which pictures a measuring command works on: a side of the split that training made."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from anime_pipeline.cli.common import Function
from anime_pipeline.core.errors import DataError, UsageError

if TYPE_CHECKING:
    from anime_pipeline.data.store import Store


def side_option(function: Function) -> Function:
    """Add `--side`."""
    return click.option(
        "--side",
        type=click.Choice(["test", "val", "all"]),
        default="test",
        show_default=True,
        help="Side of the split; `all` includes training pictures.",
    )(function)


def choose_side(store: Store, side: str, limit: int | None, train_count: int) -> list[int]:
    """Return the rows of a store that lie on a side, at most `limit`, at even distances.

    Raises:
        UsageError: If the weights were trained on more pictures than there are.
        DataError: If nothing lies there.
    """
    import numpy as np

    from anime_pipeline.data.store import split_store
    from anime_pipeline.images.writing.grid import spread

    if side == "all":
        chosen = np.arange(len(store.images))
    elif train_count > len(store.images):
        raise UsageError(
            f"These weights were trained on {train_count} pictures and there are only "
            f"{len(store.images)} here. Give the folder they were trained on, or measure "
            "other data with --side all."
        )
    else:
        chosen = getattr(split_store(store, train_count), side)
    if not len(chosen):
        raise DataError(
            f"None of the {len(store.images)} usable pictures falls on the {side} side of the "
            "split. Add pictures, or measure them all with --side all."
        )
    return [int(index) for index in spread(chosen, limit or len(chosen))]
