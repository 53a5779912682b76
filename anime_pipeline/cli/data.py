"""`anime-pipeline inspect` and `sample-data`: what a folder of faces holds, and one to try."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from anime_pipeline.cli import common
from anime_pipeline.core.config import FITS, MAX_SEED
from anime_pipeline.core.storage import require_free
from anime_pipeline.core.text import visible
from anime_pipeline.data.sources.places import Root

if TYPE_CHECKING:
    import numpy as np

    from anime_pipeline.data.dataset import Dataset
    from anime_pipeline.data.store import Store

SHEET_COUNT = 60
THUMBNAIL_PX = 96
COPIES_SHOWN = 32


@click.command("inspect")
@click.argument("data", default=common.DEFAULT_DATA, type=common.DataPath())
@common.out_option("outputs/")
@click.option("--fit", type=click.Choice(FITS), default="crop")
@common.json_option
def inspect(data: Root, out: Path, fit: Any) -> None:
    """Tell what a folder of faces holds: counts, sizes, colours, origin, split, what is skipped."""
    import numpy as np

    from anime_pipeline.data.dataset import open_dataset
    from anime_pipeline.data.duplicates import cached_groups, repeated
    from anime_pipeline.data.origins import find_origins
    from anime_pipeline.data.store import load_store, require_pictures
    from anime_pipeline.images.codec import decode, write_png
    from anime_pipeline.images.marks import refuse_other_picture
    from anime_pipeline.images.writing.grid import make_grid, spread
    from anime_pipeline.reports import origins as origin_report

    with common.waiting("Listing the pictures"):
        dataset = open_dataset(data)
    with common.progress_bar(f"Reading {data}") as update:
        store = load_store(dataset, THUMBNAIL_PX, fit, progress=update, warn=common.say)
    require_pictures(store, [data])
    name = data.resolve().name
    with common.progress_bar("Comparing pictures") as update:
        groups = cached_groups(store.thumbnails, update)
    copies = repeated(groups)
    with common.progress_bar("Reading headers") as update:
        origins = find_origins(store, groups, update)
    pictures = {"contact_sheet": make_grid(spread(store.images, SHEET_COUNT), 10)}
    examples = origin_report.draw(origins, store.images)
    if examples is not None:
        pictures["origin_sheet"] = examples
    if copies:  # two of each of the first groups, side by side
        pairs = [np.hstack([*store.images[group[:2]]]) for group in copies[:COPIES_SHOWN]]
        pictures["duplicate_sheet"] = make_grid(np.stack(pairs), 4, gap=8)
    coloured = store.records.take(store.records.has_colours)
    colors = [record.colors for record in coloured if record.colors]
    if colors:
        from anime_pipeline.reports.palette import plot_palette

        pictures["palette"] = decode(plot_palette(colors))
    files = {kind: out / f"{kind}_{name}.png" for kind in pictures}
    # Two folders may have one name; their sheets must not take each other's place.
    mark = {
        "folder": hashlib.sha256(os.fsencode(str(data.resolve())) + fit.encode()).hexdigest()[:16]
    }
    for path in files.values():
        refuse_other_picture(path, mark)
    for kind, path in files.items():
        write_png(path, pictures[kind], mark)
    facts = describe(dataset, store, copies) | {kind: str(path) for kind, path in files.items()}
    if common.wants_json():
        common.print_json(facts | {"origins": origin_report.facts(origins, store)})
    else:
        count = len(store.images)
        _print(facts, origin_report.rows(origins, count), origin_report.warnings(origins, count))


def describe(dataset: Dataset, store: Store, copies: list[np.ndarray]) -> dict[str, Any]:
    """Return everything that is known of a dataset, as JSON values."""
    from anime_pipeline.data.store import split_store

    split = split_store(store)
    heights, widths = store.sizes[:, 0], store.sizes[:, 1]
    skipped = [*dataset.skipped, *store.skipped]
    colored = int(store.records.has_colours.sum())
    facts: dict[str, Any] = {
        "root": str(dataset.root),
        "layout": dataset.kind,
        "images": len(store.images),
        "folders": len(set(store.records.folder.tolist())),
        "sizes": {
            "width": [int(widths.min()), int(widths.max())],
            "height": [int(heights.min()), int(heights.max())],
            "square": int((heights == widths).sum()),
            "short_side_128_or_more": int((store.sizes.min(axis=1) >= 128).sum()),
        },
        "color_rows": dataset.color_rows,
        "images_with_colors": colored,
        "color_problems": dataset.color_problems,
        "rows_without_image": dataset.rows_without_image,
        "folders_without_colors": dataset.folders_without_colors,
        "split": {side: len(getattr(split, side)) for side in ("train", "val", "test")},
        "exact_copies": len(store.hashes) - len(set(store.hashes.tolist())),
        "near_duplicates": [[str(store.records.path(i)) for i in group] for group in copies],
        "skipped": [vars(item) for item in skipped],
    }
    if dataset.attributes is not None:
        facts["attributes"] = {
            "names": list(dataset.attributes.columns),
            "rows": len(dataset.attributes),
            "images_with_attributes": int(store.records.has_tags.sum()),
        }
    return facts


def _print(facts: dict[str, Any], origins: list[tuple[str, str]], warnings: list[str]) -> None:
    from rich.console import Console
    from rich.table import Table

    sizes, split, copies = facts["sizes"], facts["split"], facts["near_duplicates"]
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    spans = ", ".join("{} {}-{}".format(side, *sizes[side]) for side in ("width", "height"))
    large = f"{sizes['short_side_128_or_more']} large enough to train stage two at 128 px"
    alike = f"{sum(map(len, copies))} pictures in {len(copies)} groups, mirrored ones included "
    alike += f"({facts['exact_copies']} exact copies)"
    rows = [
        ("Layout", f"{facts['layout']} in {facts['root']}"),
        ("Pictures", f"{facts['images']} in {facts['folders']} folder(s)"),
        ("Sizes", f"{spans} px; {sizes['square']} square; {large}"),
        ("Split", f"train {split['train']}, val {split['val']}, test {split['test']}"),
        ("Near-duplicates", f"{alike}; each group stays on one side of the split"),
    ]
    rows += origins
    absent = len(facts["rows_without_image"])
    if "attributes" in facts:
        known = facts["attributes"]
        text = f"{len(known['names'])} for {known['images_with_attributes']} pictures "
        text += f"({known['rows']} rows in the table, of which {absent} name absent files)"
        rows.append(("Attributes", text))
    else:
        text = f"{facts['color_rows']} rows; {facts['images_with_colors']} pictures have one; "
        bare = f"{len(facts['folders_without_colors'])} folder(s) without color.csv"
        rows.append(("Colours", f"{text}{absent} rows name absent files; {bare}"))
    rows += [("Colour problem", text) for text in facts["color_problems"][:10]]
    rows.append(("Skipped", str(len(facts["skipped"]))))
    rows += [("", f"{item['path']}: {item['reason']}") for item in facts["skipped"][:20]]
    sheets = ("contact_sheet", "duplicate_sheet", "origin_sheet", "palette")
    rows += [(kind.replace("_", " ").capitalize(), facts[kind]) for kind in sheets if kind in facts]
    # Last, where they are seen.
    rows += [("" if number else "Warning", text) for number, text in enumerate(warnings)]
    for name, text in rows:
        table.add_row(name, visible(text))
    Console(highlight=False, markup=False, emoji=False).print(table)
    if len(facts["skipped"]) > 20 or len(facts["color_problems"]) > 10:
        common.say("The full lists: --json")


@click.command("sample-data")
@click.argument("out", default=common.DEFAULT_DATA, type=common.UserPath(file_okay=False))
@click.option("--count", type=click.IntRange(min=1), default=400)
@click.option("--seed", type=click.IntRange(0, MAX_SEED), default=0)
@click.option("--size", type=click.IntRange(min=32, max=1024), default=160)
@common.json_option
def sample_data(out: Path, count: int, seed: int, size: int) -> None:
    """Draw a practice set of anime-style faces, so that everything can be tried at once.

    The pictures are drawn by code in the layout of the reference dataset: character folders with
    a color.csv of hair and skin colours.
    """
    from anime_pipeline.sample.dataset import write_sample_dataset

    require_free(out, count * size**2 * 3, "the pictures")
    with common.progress_bar("Drawing") as update:
        folders = write_sample_dataset(out, count, seed, size, update)
    document = {"out": str(out), "images": count, "folders": folders}
    common.tell(document, f"{count} drawn faces in {folders} folders of {out}")
