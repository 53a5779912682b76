"""`anime-pipeline train-dcgan` and `train-srgan`: options, how they are read, what is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from anime_pipeline.cli import common
from anime_pipeline.cli.complete import run_names, weights_names
from anime_pipeline.cli.device_options import device_options
from anime_pipeline.cli.live import display
from anime_pipeline.cli.settings_file import FILE_ASSIGNMENTS, use_settings_file
from anime_pipeline.core.config import FITS, LOSSES, MAX_SEED, PRESETS, DcganConfig, SrganConfig
from anime_pipeline.core.errors import PipelineError, UsageError
from anime_pipeline.reports.curves import write_curves
from anime_pipeline.training import Request, train
from anime_pipeline.training.request import parse_assignments

if TYPE_CHECKING:
    from anime_pipeline.training.loop import Progress

MOST_MINUTES = 1_000_000  # two years
LENGTHS = ("steps", "epochs", "minutes")
PHASES = ("fidelity_steps=", "adversarial_steps=", "faces_steps=")
# Where a value can come from; the highest is heard first.
RANKS: dict[ParameterSource | None, int] = {
    ParameterSource.DEFAULT_MAP: 1,
    ParameterSource.ENVIRONMENT: 2,
    ParameterSource.COMMANDLINE: 3,
}


training_options = common.joined(
    click.option(
        "--config",
        type=common.UserPath(),
        is_eager=True,
        expose_value=False,
        callback=use_settings_file,
        help="Settings from a TOML file, or from a run's config.json; options come first.",
    ),
    click.option(
        "--data",
        multiple=True,
        type=common.DataPath(),
        help="Folder of faces, or what else prepare takes [default: data/]. May be repeated.",
    ),
    click.option("--preset", type=click.Choice(PRESETS), default=None, help="[default: auto]"),
    click.option("--steps", type=click.IntRange(min=1), help="Length of the run in steps."),
    click.option("--epochs", type=click.IntRange(min=1), help="Length in passes over the set."),
    click.option(
        "--minutes",
        type=common.FiniteRange(0, MOST_MINUTES, min_open=True),
        help="Length by the clock: times a few steps, then fixes the number of steps.",
    ),
    click.option("--fit", type=click.Choice(FITS), help="How pictures become square."),
    click.option("--batch-size", type=click.IntRange(min=1)),
    click.option("--precision", type=click.Choice(["auto", "float32", "bfloat16"])),
    click.option("--seed", type=click.IntRange(0, MAX_SEED), help="Seed of everything random."),
    click.option(
        "--train-count", type=click.IntRange(min=1), help="Train on exactly this many pictures."
    ),
    click.option(
        "--resume",
        is_flag=False,
        flag_value="latest",
        metavar="[RUN]",
        shell_complete=run_names,
        help="Continue a run folder, or the latest run.",
    ),
    common.checkpoints_option,
    click.option(
        "--set",
        "assignments",
        multiple=True,
        metavar="FIELD=VALUE",
        help="Set any field of the configuration (--dry-run lists them).",
    ),
    click.option(
        "--dry-run",
        is_flag=True,
        help="Only tell settings, size, memory, time and disk space of the run.",
    ),
    click.option("--tensorboard", is_flag=True, help="Write TensorBoard event files too."),
    device_options,
    common.json_option,
)


@click.command("train-dcgan")
@training_options
@click.option("--loss", type=click.Choice(LOSSES), help="Adversarial loss.")
@click.option("--d-steps", type=click.IntRange(min=1), help="Discriminator updates per step.")
@click.option("--width", type=click.IntRange(min=1), help="Channels at full resolution.")
@click.option(
    "--condition",
    help="What faces can be asked for: hair, skin, tags such as Blond_Hair, with commas between; "
    "'' for nothing [default: hair and skin where color.csv has them].",
)
@click.option(
    "--feature-critic/--no-feature-critic",
    default=None,
    help="Let the discriminator look at VGG16's features too [default: on].",
)
@click.option(
    "--annotate",
    is_flag=True,
    help="Estimate hair and skin of pictures without a row in color.csv; nothing is written there.",
)
@click.option(
    "--init",
    shell_complete=weights_names,
    help="Start from weights: a shipped name, a .npz file or a run, whose discriminator is taken "
    "on too.",
)
def train_dcgan(**values: Any) -> None:
    """Train stage one: a DCGAN that draws 32x32 faces.

    Every run has its own folder with samples after each epoch (several at once for small sets),
    metrics, curves, and a state that --resume continues exactly. Ctrl-C saves first.
    """
    train_and_report("dcgan", read_request(values, DcganConfig()))


@click.command("train-srgan")
@training_options
@click.option("--hr-size", type=click.Choice(["128", "96", "64"]), help="[default: by the data]")
@click.option("--crop-size", type=click.IntRange(min=0), help="HR window in px; 0: whole pictures.")
@click.option("--degradations", help="Mixture such as bicubic:6,area:2,jpeg:1.")
@click.option(
    "--adversarial-share",
    type=common.FiniteRange(0, 1),
    help="Part of the steps spent in the adversarial phase [default: the preset's].",
)
@click.option(
    "--init",
    shell_complete=weights_names,
    help="Start the generator from weights: a shipped name, a .npz file or a run folder.",
)
@click.option(
    "--faces",
    multiple=True,
    type=common.DataPath(),
    help="Train for what stage one draws: real faces, cropped as those that it was trained on. "
    "May be repeated.",
)
@click.option(
    "--generator",
    shell_complete=weights_names,
    help="What draws for --faces: a shipped name, a .npz file or a run [default: dcgan].",
)
@click.option("--perceptual-weight", type=common.FiniteRange(min=0), help="0 needs no VGG16.")
def train_srgan(hr_size: str | None, **values: Any) -> None:
    """Train stage two: an SRGAN that upscales 4x, first for fidelity, then adversarially.

    The run's folder gets fidelity.npz after the first phase and perceptual.npz after the second;
    a run with --faces starts from fidelity weights and makes faces.npz. Each serves
    `upscale --weights` and `generate --upscaler`.
    """
    values["hr_size"] = int(hr_size) if hr_size else None
    train_and_report("srgan", read_request(values, SrganConfig()))


def read_request(values: Mapping[str, Any], config: Any) -> Request:
    """Sort the values of a training command's options: those of the request, those of its fields.

    Args:
        values: Option values by name, as click passes them.
        config: A configuration of the stage, whose fields may be overridden.

    Raises:
        UsageError: If options contradict each other or a field is unknown.
    """
    rest, assigned_in_file = _command_line_first(dict(values))
    overrides = parse_assignments([*assigned_in_file, *rest.pop("assignments")], config)
    if rest["precision"] == "auto":
        rest.pop("precision")
    asked = {field.name: rest.pop(field.name) for field in fields(Request) if field.name in rest}
    direct = {name: value for name, value in rest.items() if value is not None}
    twice = sorted(set(direct) & set(overrides)) + (["steps"] if "steps" in overrides else [])
    if twice:
        raise UsageError(f"{twice[0]} has an option of its own. Leave it out of --set.")
    if not asked["data"] and not asked["resume"]:
        asked["data"] = [common.DEFAULT_DATA]
    return Request(**asked, overrides=overrides | direct)


def _command_line_first(values: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Drop what a settings file says and the command line or the environment says otherwise.

    Returns:
        The values of the options, and the file's assignments to configuration fields.
    """
    if (context := click.get_current_context(silent=True)) is None:
        return values, []
    assigned = list(context.meta.get(FILE_ASSIGNMENTS, []))
    source = {name: context.get_parameter_source(name) for name in values}
    # Of the lengths only those count that were said in the place that is heard first.
    first = max(RANKS.get(source[name], 0) for name in LENGTHS)
    values |= {name: None for name in LENGTHS if RANKS.get(source[name], 0) < first}
    if first > 1:
        assigned = [text for text in assigned if not text.startswith(PHASES)]
    if source.get("adversarial_share") in (
        ParameterSource.COMMANDLINE,
        ParameterSource.ENVIRONMENT,
    ):
        phases = [text for text in assigned if text.startswith(PHASES)]
        if phases:  # their sum stays, divided anew
            values["steps"] = sum(int(text.partition("=")[2]) for text in phases)
            assigned = [text for text in assigned if text not in phases]
    # --set beats what stands in the file as an option.
    for text in values["assignments"]:
        name = text.partition("=")[0].strip()
        if source.get(name) is ParameterSource.DEFAULT_MAP:
            values[name] = None
    return values, assigned


def train_and_report(stage: str, request: Request) -> None:
    """Train, and print what is not on the screen already."""
    summary = train(stage, request, common.say, common.progress_bar, _display)
    if common.wants_json():
        common.print_json(summary)
    elif request.dry_run:
        common.print_table(("Plan", ""), _plan_lines(summary))


@contextmanager
def _display(
    folder: Path, start: int, images_per_step: int
) -> Iterator[Callable[[Progress], None]]:
    """Show a run's steps, with curves after each epoch, and leave its page behind."""
    try:
        with display(start, images_per_step) as show:

            def after_step(now: Progress) -> None:
                if now.ends_epoch:
                    write_curves(folder)
                show(now)

            yield after_step
    except PipelineError:  # stopped or diverged: worth a look, too
        _leave_report(folder)
        raise
    _leave_report(folder)


def _leave_report(folder: Path) -> None:
    """Write the run's curves and page; without room for them the run is a run all the same."""
    from anime_pipeline.reports.training import write_report

    try:
        write_curves(folder)
        common.say(f"Report: {write_report(folder, ended=True)}")
    except OSError as error:
        common.say(f"Warning: no report could be written ({error.strerror}).")


def _plan_lines(plan: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the plan as (name, text) for people; fields of the configuration come last."""
    images, hour, memory = plan["images"], plan["an_hour"], plan["peak_memory_bytes"] / 1e6
    lines = {
        "Preset": f"{plan['preset']} on {plan['backend']}",
        "Pictures": ", ".join(f"{side} {count}" for side, count in images.items()),
        "Length": f"{plan['steps']:,} steps of which {plan['steps_per_epoch']:,} make an epoch",
        "Parameters": ", ".join(f"{name} {count:,}" for name, count in plan["parameters"].items()),
        "Time": f"about {plan['minutes']:.1f} minutes, at the speed of a few steps just taken",
        "An hour": f"would show it {hour['images_seen']:,} pictures, {hour['passes']:.1f} times "
        "the set",
        "Memory": f"{memory:,.0f} MB at most so far, those steps included",
        "Disk": f"{plan['disk_bytes'] / 1e6:,.0f} MB",
        "": "",
    }
    return [*lines.items(), *((name, str(value)) for name, value in plan["config"].items())]
