"""`anime-pipeline runs`."""

import hashlib
from pathlib import Path
from typing import Any

import click

from anime_pipeline.cli import common
from anime_pipeline.cli.complete import run_names
from anime_pipeline.core.errors import CheckpointError, DataError, UsageError
from anime_pipeline.core.measurements import headlines
from anime_pipeline.core.runs import (
    METRICS_FILE,
    STAGES,
    find_run,
    list_runs,
    read_metrics,
    read_run,
)
from anime_pipeline.reports.curves import curves, plot_curves


@click.group("runs")
def command() -> None:
    """List, compare, plot and report training runs."""


@command.command("list")
@common.checkpoints_option
@common.json_option
def list_all(checkpoints: Path) -> None:
    """Show every run: how far it is, what it measured last, and what it warned of."""
    runs, broken = [], []
    for stage in STAGES:
        for folder in list_runs(checkpoints / stage):
            try:
                runs.append(read_run(folder))
            except CheckpointError as error:
                broken.append(str(error))
    if common.wants_json():
        common.print_json({"runs": [{**vars(run), "name": run.name} for run in runs]})
    elif runs:
        head = ("Run", "State", "Steps", "Size", "Last measured")
        rows = []
        for run in runs:
            steps, size = f"{run.step:,} of {run.total_steps:,}", f"{run.bytes / 1e6:.0f} MB"
            last = (f"{m.key} {run.metrics[m.key]:.3g}" for m in headlines(run.metrics)[:3])
            rows.append([run.name, run.state, steps, size, ", ".join(last)])
        common.print_table(head, rows)
    else:
        common.say(f"No runs in {checkpoints}. train-dcgan or train-srgan makes one.")
    for text in broken:
        common.say(f"Passed over: {text}")
    for run in runs:
        for text in run.warnings[-1:]:
            common.say(f"{run.name} warned: {text}")


@command.command("compare")
@click.argument("names", metavar="RUN RUN...", nargs=-1, required=True, shell_complete=run_names)
@common.checkpoints_option
@common.json_option
def compare(names: tuple[str, ...], checkpoints: Path) -> None:
    """Set runs side by side: settings that differ, then what was measured last."""
    runs = [read_run(find_run(checkpoints, name)) for name in names]
    plans = [run.surroundings | run.config for run in runs]
    fields = dict.fromkeys(field for plan in plans for field in plan)
    settings = {
        field: [plan.get(field) for plan in plans]
        for field in fields
        if len({repr(plan.get(field)) for plan in plans}) > 1
    }
    shown = headlines({name for run in runs for name in run.metrics})
    keys = ("step", *(one.key for one in shown))
    measured = {key: [run.metrics.get(key) for run in runs] for key in keys}
    if common.wants_json():
        labels = [run.folder for run in runs]
        common.print_json({"runs": labels, "settings": settings, "measured": measured})
        return
    rows = [[name, *map(_text, values)] for name, values in (settings | measured).items()]
    common.print_table(("", *(run.name for run in runs)), rows)


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return f"{value:.5g}" if isinstance(value, float) else str(value)


@command.command("plot")
@click.argument("names", metavar="RUN...", nargs=-1, required=True, shell_complete=run_names)
@click.option(
    "--out",
    type=common.UserPath(dir_okay=False),
    help="The picture to write [default: outputs/, named after the runs].",
)
@common.checkpoints_option
def plot(names: tuple[str, ...], out: Path | None, checkpoints: Path) -> None:
    """Draw the curves of one run, or of several in the same panels."""
    from anime_pipeline.images.codec import decode, write_png
    from anime_pipeline.images.marks import refuse_other_picture

    runs = [find_run(checkpoints, name) for name in names]
    runs = list(dict.fromkeys(run.resolve() for run in runs))
    labels = [f"{run.parent.name}/{run.name}" for run in runs]
    if len(set(labels)) < len(runs):
        labels = [str(run) for run in runs]  # of several --checkpoints: short names would clash
    pairs = zip(labels, runs, strict=True)
    logs = {label: curves(read_metrics(run / METRICS_FILE)) for label, run in pairs}
    empty = [name for name, rows in logs.items() if not rows]
    if empty:
        raise DataError(
            f"{empty[0]} has logged nothing yet. Expected lines in {METRICS_FILE}: wait."
        )
    mark = {"runs": hashlib.sha256("\n".join(map(str, runs)).encode()).hexdigest()[:16]}
    short = "_".join(f"{run.parent.name}-{run.name}" for run in runs)[:200]
    if out and out.suffix.lower() != ".png":
        raise UsageError(f"Invalid value for --out. Expected a .png file. Received: {out}")
    target = out or Path("outputs", f"runs_{short}.png")
    refuse_other_picture(target, mark)
    write_png(target, decode(plot_curves(logs)), mark)
    common.say(f"Curves of {', '.join(logs)} in {target}")


@command.command("report")
@click.argument("name", metavar="RUN", shell_complete=run_names)
@common.checkpoints_option
def report(name: str, checkpoints: Path) -> None:
    """Write a run's page, report.html in its folder: pictures, curves, figures in plain words.

    Training writes it when it ends; this makes it at any time, while training too.
    """
    from anime_pipeline.reports.training import write_report

    common.say(f"Report: {write_report(find_run(checkpoints, name))}")
