"""`anime-pipeline models`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from anime_pipeline.cli import common
from anime_pipeline.core.errors import CheckpointError, UsageError


@click.group("models")
def command() -> None:
    """List and verify the weights that came with the package, and fetch what measures need."""


@command.command("list")
@common.json_option
def list_models() -> None:
    """Show each model: what it is, its size and how it was trained."""
    from anime_pipeline.models.weights import load_weights
    from anime_pipeline.models.zoo import damaged, pretrained_folder, shipped

    rows: list[dict[str, Any]] = []
    cells: list[list[str]] = []
    bad = damaged()
    for name, entry in shipped().items():
        path = pretrained_folder() / entry["file"]
        cells.append([name, entry["kind"], "", "", "missing or damaged", ""])
        if name in bad:
            rows.append({"name": name, "kind": entry["kind"], "error": "missing or damaged"})
            continue
        weights = load_weights(path, entry["kind"])
        count, size = sum(each.size for each in weights.arrays.values()), path.stat().st_size
        rows.append({"name": name, "kind": entry["kind"], "parameters": count, "bytes": size})
        rows[-1] |= {"training": weights.training, "sha256": weights.sha256, "path": str(path)}
        steps = f"{weights.training.get('step', 0):,} steps"
        cells[-1][2:] = [f"{count:,}", f"{size / 1e6:.1f} MB", steps, weights.sha256[:16]]
    if common.wants_json():
        common.print_json({"models": rows})
        return
    head = ("Name", "Kind", "Parameters", "Size", "Trained for", "sha256")
    common.print_table(head, cells)


@command.command("verify")
@common.json_option
def verify() -> None:
    """Check every shipped file against its recorded sha256 (exit 5 if one is bad)."""
    from anime_pipeline.models.zoo import damaged, shipped

    bad = damaged()
    if common.wants_json():
        common.print_json({"models": {name: name not in bad for name in shipped()}})
    else:
        for name in shipped():
            click.echo(f"{name}: {'DAMAGED' if name in bad else 'whole'}")
    if bad:
        raise CheckpointError(
            f"The shipped weights {', '.join(bad)} are missing or differ from their recorded "
            "sha256. Install the package again."
        )


@command.command("path")
@click.argument("name")
def path_of(name: str) -> None:
    """Print where the weights called NAME lie."""
    from anime_pipeline.models.zoo import find_weights, shipped

    entries = shipped()
    if name not in entries:
        raise UsageError(f"No shipped weights called {name!r}. Expected: {', '.join(entries)}.")
    click.echo(find_weights(name, entries[name]["kind"]))


@command.command("fetch")
@click.argument("folder", type=common.UserPath(file_okay=False), envvar="ANIME_PIPELINE_ASSETS")
def fetch(folder: Path) -> None:
    """Download AlexNet, VGG16 and the heads of LPIPS into FOLDER (64 MB, 34 MB when written).

    `evaluate` and `benchmark` measure with them, and `train-dcgan` and `train-srgan` learn with
    VGG16, wherever $ANIME_PIPELINE_ASSETS names the folder, which stands for FOLDER too.
    """
    from anime_pipeline.models.fetch import fetch_lpips

    with common.waiting("Downloading 64 MB"):
        written = fetch_lpips(folder)
    for path in written:
        click.echo(path)
    click.echo(f"Set the variable: export ANIME_PIPELINE_ASSETS={folder.absolute()}", err=True)
