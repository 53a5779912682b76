"""The options that both training commands take, and how their values are read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from anime_pipeline.cli.common import (
    DEFAULT_DATA,
    FiniteRange,
    Function,
    UserPath,
    checkpoints_option,
    json_option,
)
from anime_pipeline.cli.complete import run_names
from anime_pipeline.cli.settings_file import FILE_ASSIGNMENTS, use_settings_file
from anime_pipeline.core.config import FITS, MAX_SEED, PRESETS, from_dict, to_dict
from anime_pipeline.core.errors import UsageError

MOST_MINUTES = 1_000_000  # two years


@dataclass(frozen=True)
class Request:
    """What a training command was asked for, before any data or library is loaded.

    Attributes:
        roots: Folders given with --data; empty where none was.
        preset: The preset asked for, or None.
        resume: Run folder, ``"latest"``, or None for a new run.
        checkpoints: Folder of all runs.
        overrides: Configuration fields set by options.
        steps: --steps, or None.
        epochs: --epochs, or None.
        minutes: --minutes, or None.
        dry_run: Whether only to say what would be done.
        tensorboard: Whether to write TensorBoard event files too.
        annotate: Whether to estimate colours of hair and skin where there are none.
    """

    roots: list[Path]
    preset: str | None
    resume: str | None
    checkpoints: Path
    overrides: dict[str, Any]
    steps: int | None
    epochs: int | None
    minutes: float | None
    dry_run: bool = False
    tensorboard: bool = False
    annotate: bool = False

    @property
    def roots_or_default(self) -> list[Path]:
        """Folders to train on."""
        return self.roots or [Path(DEFAULT_DATA)]


def training_options(function: Function) -> Function:
    """Add the options that both training commands take."""
    options = [
        click.option(
            "--config",
            type=UserPath(),
            is_eager=True,
            expose_value=False,
            callback=use_settings_file,
            help="Settings from a TOML file, or from a run's config.json; options come first.",
        ),
        click.option(
            "--data",
            multiple=True,
            type=UserPath(),
            help="Folder of faces [default: data/]. May be repeated.",
        ),
        click.option("--preset", type=click.Choice(PRESETS), default=None, help="[default: auto]"),
        click.option("--steps", type=click.IntRange(min=1), help="Length of the run in steps."),
        click.option("--epochs", type=click.IntRange(min=1), help="Length in passes over the set."),
        click.option(
            "--minutes",
            type=FiniteRange(0, MOST_MINUTES, min_open=True),
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
        checkpoints_option,
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
        json_option,
    ]
    for option in reversed(options):
        function = option(function)
    return function


def read_request(values: Mapping[str, Any], config: Any) -> Request:
    """Sort the values of the shared options (and any that are configuration fields).

    Args:
        values: Option values by name, as click passes them.
        config: A configuration of the stage, whose fields may be overridden.

    Raises:
        UsageError: If options contradict each other or a field is unknown.
    """
    rest, assigned_in_file = _command_line_first(dict(values))
    rest.pop("adversarial_share", None)  # stage two's own, no field of its configuration
    roots = [Path(root) for root in rest.pop("data")]
    if len({root.resolve() for root in roots}) != len(roots):
        shown = ", ".join(map(str, roots))
        raise UsageError(
            f"The same folder is given twice with --data. Received: {shown}. Leave one."
        )
    steps, epochs, minutes = (rest.pop(name) for name in ("steps", "epochs", "minutes"))
    lengths = {"--steps": steps, "--epochs": epochs, "--minutes": minutes}
    given = [name for name, value in lengths.items() if value is not None]
    if len(given) > 1:
        raise UsageError(f"Expected only one length. Received: {' and '.join(given)}. Leave one.")
    resume = rest.pop("resume")
    if resume and (epochs is not None or minutes is not None):
        raise UsageError(f"--resume keeps the run's length. Leave {given[0]} out.")
    preset, checkpoints = rest.pop("preset"), rest.pop("checkpoints")
    dry_run, tensorboard = rest.pop("dry_run"), rest.pop("tensorboard")
    if dry_run and resume:
        raise UsageError(f"--dry-run is for new runs and {resume} is one already. Leave one out.")
    annotate = rest.pop("annotate", False)  # stage one's
    overrides = parse_assignments([*assigned_in_file, *rest.pop("assignments")], config)
    if rest.get("precision") == "auto":
        rest.pop("precision")
    direct = {name: value for name, value in rest.items() if value is not None}
    twice = sorted(set(direct) & set(overrides)) + (["steps"] if "steps" in overrides else [])
    if twice:
        raise UsageError(f"{twice[0]} has an option of its own. Leave it out of --set.")
    overrides |= direct
    return Request(
        roots,
        preset,
        resume,
        checkpoints,
        overrides,
        steps,
        epochs,
        minutes,
        dry_run,
        tensorboard,
        annotate,
    )


LENGTHS = ("steps", "epochs", "minutes")
PHASES = ("fidelity_steps=", "adversarial_steps=")


def _command_line_first(values: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Drop what a settings file says and the command line or the environment says otherwise.

    Returns:
        The values of the options, and the file's assignments to configuration fields.
    """
    context = click.get_current_context(silent=True)
    if context is None:
        return values, []
    assigned = list(context.meta.get(FILE_ASSIGNMENTS, []))
    source = {name: context.get_parameter_source(name) for name in values}
    for better, worse in (
        (ParameterSource.COMMANDLINE, (ParameterSource.ENVIRONMENT, ParameterSource.DEFAULT_MAP)),
        (ParameterSource.ENVIRONMENT, (ParameterSource.DEFAULT_MAP,)),
    ):
        if any(source[name] is better for name in LENGTHS):
            for name in LENGTHS:
                values[name] = None if source[name] in worse else values[name]
            assigned = [text for text in assigned if not text.startswith(PHASES)]
    share = source.get("adversarial_share")
    if share in (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT):
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


def parse_assignments(texts: Sequence[str], config: Any) -> dict[str, Any]:
    """Parse `--set field=value` options against the fields of a configuration.

    Raises:
        UsageError: If a field is unknown or a value does not fit it.
    """
    values: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"Invalid value for --set: {text!r}. Expected FIELD=VALUE.")
        if name.strip() == "init_sha256":
            raise UsageError(
                f"Received {text!r}, which --init records. Give the weights to --init."
            )
        try:
            values[name.strip()] = json.loads(value)
        except json.JSONDecodeError:
            values[name.strip()] = value.strip()  # plain words need no quotes
    checked = from_dict(type(config), {**to_dict(config), **values})
    return {name: getattr(checked, name) for name in values}
