"""`anime-pipeline annotate`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import methodcaller
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from anime_pipeline.cli import common
from anime_pipeline.core.errors import DataError, PartialError, UsageError
from anime_pipeline.core.progress import counted
from anime_pipeline.core.storage import atomic_write
from anime_pipeline.data.characters import COLOR_FILE, Colors, format_color_csv
from anime_pipeline.data.tables import find_table
from anime_pipeline.images.colour_names import nearest_hair_name, parse_colour
from anime_pipeline.images.files import Skipped

if TYPE_CHECKING:
    from anime_pipeline.data.dataset import Dataset, Record


@click.command("annotate")
@click.argument("data", default=common.DEFAULT_DATA, type=common.UserPath(file_okay=False))
@click.option("--overwrite", is_flag=True, help="Replace the color.csv files that are there.")
@click.option("--compare", is_flag=True, help="Write nothing; measure against what is there.")
@click.option(
    "--out",
    type=common.UserPath(file_okay=False),
    help="Write the tables into this folder, in DATA's layout, instead of beside the pictures.",
)
@common.json_option
def command(data: Path, overwrite: bool, compare: bool, out: Path | None) -> None:
    """Estimate hair and skin colours: a color.csv in each folder of pictures that has none.

    The colours are pixel statistics of face crops, hair on top; --compare tells how far they are
    from tables that exist. A picture that cannot be read is skipped and named (exit 3).
    """
    if compare and (overwrite or out):
        other = "--overwrite" if overwrite else "--out"
        raise UsageError(
            f"--compare writes nothing. Expected it alone. Received {other} too; leave one out."
        )
    from anime_pipeline.data.dataset import open_dataset

    dataset = open_dataset(data)
    if dataset.kind == "celeba":
        raise UsageError(
            f"{data} holds CelebA's attribute table. Expected folders of faces without one: colour "
            "tables beside it would not be read. Name another folder."
        )
    if dataset.kind == "webdataset":
        raise UsageError(
            f"{data} holds tars. Expected folders of pictures, as the tables are written beside "
            "them. Unpack the tars, or train with --annotate, which writes nothing."
        )
    skipped: list[Skipped] = []
    if compare:
        facts = _compare(dataset, skipped)
    else:
        facts = _annotate(dataset, out, overwrite, skipped)
    facts["skipped"] = [vars(item) for item in skipped]
    if common.wants_json():
        common.print_json(facts)
    elif compare:
        _print_comparison(facts)
    _finish(facts, skipped)


def _finish(facts: dict[str, Any], skipped: list[Skipped]) -> None:
    for problem in facts.get("color_problems", []):
        common.say(f"Colour problem: {problem}")
    for item in skipped:
        common.say(f"Skipped {item.path}: {item.reason}")
    if "written" not in facts:
        done = max(facts["images"], facts.get("hair_name", {}).get("images", 0))
        common.say(f"{facts['images']} pictures compared with their color.csv")
    else:
        done = facts["images"] + len(facts["kept"])
        common.say(f"{facts['images']} pictures annotated in {len(facts['written'])} folder(s)")
        if facts["kept"]:
            kept = len(facts["kept"])
            common.say(f"{kept} folder(s) have a color.csv already; --overwrite replaces it")
    if not done:
        raise DataError(
            f"None of {len(skipped)} could be used; the reasons are above. Name a folder "
            "of face pictures."
        )
    if skipped:
        raise PartialError(
            f"{len(skipped)} were skipped; the reasons are above. Mend or remove them "
            "and run the command again, with --overwrite for folders that have a table now."
        )


def _annotate(
    dataset: Dataset, out: Path | None, overwrite: bool, skipped: list[Skipped]
) -> dict[str, Any]:
    import numpy as np

    targets: dict[Path, Path] = {}
    facts: dict[str, Any] = {"images": 0, "written": [], "kept": []}
    root = Path(str(dataset.root))
    inside = root.resolve()
    for folder in map(Path, dataset.records.folders):
        # Whoever made a set may have put a link into it; pictures are read through it, no more.
        if not out and not (place := folder.resolve()).is_relative_to(inside):
            reason = f"a link leads to {place}: annotate that folder itself, or give --out"
            skipped.append(Skipped(str(folder), reason))
            continue
        base = out / folder.relative_to(root) if out else folder
        # The one that is read, however it is spelt: another beside it would not be.
        there, _ = find_table(str(base), COLOR_FILE) if base.is_dir() else (None, [])
        target = Path(str(there or base / COLOR_FILE))
        if os.path.lexists(target) and not overwrite:
            facts["kept"].append(str(target))
        else:
            targets[folder] = target
    wanted = [Path(folder) in targets for folder in dataset.records.folders]
    records = dataset.records.take(np.array(wanted)[dataset.records.folder])
    found = _estimates("Annotating", records, skipped)
    for folder, rows in groupby(found, lambda pair: Path(str(pair[0].path)).parent):
        table = [(record.path.name, colors) for record, colors in rows]
        content = format_color_csv(table).encode("utf-8", "backslashreplace")
        try:
            atomic_write(targets[folder], methodcaller("write", content), replace=overwrite)
        except FileExistsError:  # somebody has written one in the meantime
            facts["kept"].append(str(targets[folder]))
        else:
            facts["written"].append(str(targets[folder]))
            facts["images"] += len(table)
    return facts


def _estimates(
    title: str, records: Sequence[Record], skipped: list[Skipped]
) -> Iterator[tuple[Record, Colors]]:
    """Yield pictures with their estimated colours, and note those that have none."""
    from anime_pipeline.data.opening import estimate_file

    with common.progress_bar(title) as update:
        for record in counted(records, update):
            found = estimate_file(record.path)
            if isinstance(found, Skipped):
                skipped.append(found)
            else:
                yield record, found


def _compare(dataset: Dataset, skipped: list[Skipped]) -> dict[str, Any]:
    """Measure estimates against the colours and the names of hair that people gave."""
    named = {record.path: _hair_tag(record) for record in dataset.records}
    records = [r for r in dataset.records if r.colors or named[r.path]]
    if not records:
        raise DataError(
            f"{dataset.root}: nothing to compare with. Expected a color.csv or a tags.csv beside "
            f"the pictures. Received {len(dataset.records)} picture(s) without. Annotate them "
            "without --compare."
        )
    pairs, hits, by_table = [], [], []
    for record, found in _estimates("Comparing", records, skipped):
        if record.colors:
            pairs.append((found, record.colors))
        if name := named[record.path]:
            hits.append((nearest_hair_name(found.hair), name))
            if record.colors:
                by_table.append(nearest_hair_name(record.colors.hair) == name)
    facts: dict[str, Any] = {"images": len(pairs), "color_problems": dataset.color_problems}
    for part in ("hair", "skin") if pairs else ():
        facts[part] = _distances([tuple(getattr(c, part) for c in pair) for pair in pairs])
    if hits:
        names = [name for _, name in hits]
        facts["hair_name"] = {
            "images": len(hits),
            "accuracy": sum(found == name for found, name in hits) / len(hits),
            "most_common": max(map(names.count, set(names))) / len(names),
            # What the tables' own colours reach: people name shades in more ways than one.
            "table": sum(by_table) / len(by_table) if by_table else None,
        }
    return facts


def _hair_tag(record: Record) -> str | None:
    """Return the name that people gave the hair, by our names; None if no known one."""
    for tag in sorted(record.tags or ()):
        word, _, kind = tag.rpartition("_")
        try:
            if kind == "hair":
                return nearest_hair_name(parse_colour(word, "hair"))
        except UsageError:
            continue  # another word for hair, such as "long"
    return None


def _distances(pairs: list[tuple[Any, ...]]) -> dict[str, float]:
    """Return CIEDE2000 between found and given colours, and that of given ones shuffled."""
    import numpy as np

    from anime_pipeline.core.randomness import stream
    from anime_pipeline.images.colour import delta_e, rgb_to_lab

    found, given = rgb_to_lab(np.array(pairs)).swapaxes(0, 1)  # [N, 3] each
    apart = delta_e(found, given)
    shuffled = delta_e(given[stream(0, "shuffled colours").permutation(len(given))], given)
    return {
        "delta_e_mean": float(apart.mean()),
        "delta_e_median": float(np.median(apart)),
        "delta_e_shuffled": float(shuffled.mean()),
    }


def _print_comparison(facts: dict[str, Any]) -> None:
    parts = [part for part in ("hair", "skin") if part in facts]
    if rows := [[part, *(f"{value:.2f}" for value in facts[part].values())] for part in parts]:
        common.print_table(["CIEDE2000", "mean", "median", "shuffled table"], rows)
    if name := facts.get("hair_name"):
        table = "–" if name["table"] is None else f"{name['table']:.1%}"
        row = ["hair name", f"{name['accuracy']:.1%}", table, f"{name['most_common']:.1%}"]
        common.print_table(
            ["against tags", "right", "by color.csv", "always the most common"], [row]
        )
