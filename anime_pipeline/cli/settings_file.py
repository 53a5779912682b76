"""`--config FILE`: options and configuration fields from TOML, or from an earlier run's JSON."""

import json
import tomllib
from pathlib import Path
from typing import Any

import click

from anime_pipeline.core.errors import UsageError
from anime_pipeline.core.files import MAX_DOCUMENT_BYTES, read_regular
from anime_pipeline.core.runs import RUN_CONFIG

FILE_ASSIGNMENTS = "anime_pipeline.file_assignments"  # key in click's context

# These belong to one call, not to a plan of a run.
NOT_IN_FILES = ("config", "resume", "json", "dry_run", "assignments", "set")


def use_settings_file(context: click.Context, _: click.Parameter, path: Path | None) -> None:
    """Make the file's values the defaults of the command; options on the command line win."""
    if path is None:
        return
    values = read_settings(path)
    stage = "train-srgan" if "fidelity_steps" in values else "train-dcgan"
    if path.suffix != ".toml" and context.command.name != stage:
        raise UsageError(f"{path} is a run of the other stage. Give it to {stage}.")
    # Checked by click as if they had been typed, each by its own option.
    parameters = {p.name: p for p in context.command.params if isinstance(p, click.Option)}
    defaults: dict[str, Any] = {}
    assignments: list[str] = []
    for key, value in values.items():
        name = key.replace("-", "_")
        if name in NOT_IN_FILES:
            raise UsageError(f"{path}: {key!r} cannot stand in a file. Give it as an option.")
        if name in parameters:
            defaults[name] = _as_option(path, name, value, parameters[name])
        else:
            if not isinstance(value, str | int | float):
                raise UsageError(
                    f"{path}: invalid value for {key!r}: {value!r}. Expected a number, a word or "
                    "true or false."
                )
            assignments.append(f"{name}={json.dumps(value)}")
    context.meta[FILE_ASSIGNMENTS] = assignments
    context.default_map = {**(context.default_map or {}), **defaults}


def _as_option(path: Path, name: str, value: Any, option: click.Option) -> Any:
    """Return a value as click takes it, refusing what click would bend: it cuts 60.9 to 60."""
    values = [value] if isinstance(value, str) or not option.multiple else value
    kinds: Any = bool if option.is_flag else str
    if isinstance(option.type, click.IntRange):
        kinds = int
    elif isinstance(option.type, click.FloatRange | click.Choice):
        kinds = str | int | float
    # To Python a truth is a number.
    if not isinstance(values, list) or not all(
        isinstance(item, kinds) and isinstance(item, bool) == option.is_flag for item in values
    ):
        raise UsageError(
            f"{path}: invalid value for {name!r}: {value!r}. Expected what the option takes."
        )
    # Choices are words to click, and 128 is a number to TOML.
    words = [str(item) if isinstance(option.type, click.Choice) else item for item in values]
    return words if option.multiple else words[0]


def read_settings(path: Path) -> dict[str, Any]:
    """Read a flat table of settings.

    Args:
        path: A TOML file, or a run's `config.json` (its folder will do).

    Raises:
        UsageError: If the file is missing or no such table.
    """
    if path.is_dir():
        path /= RUN_CONFIG
    try:
        text = read_regular(path, MAX_DOCUMENT_BYTES).decode("utf-8")
        values = _of_run(json.loads(text)) if path.suffix == ".json" else tomllib.loads(text)
    except OSError as error:
        raise UsageError(
            f"--config {path} cannot be read ({error.strerror}). Expected a TOML file, or the "
            "config.json of a run."
        ) from None
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UsageError(
            f"--config {path} is not understood ({error}). Expected TOML such as "
            "'minutes = 30', or the config.json of a run."
        ) from None
    if tables := [key for key, value in values.items() if isinstance(value, dict)]:
        raise UsageError(
            f"{path}: [{tables[0]}] is a table. Expected plain lines such as 'minutes = 30'."
        )
    return dict(values)


def _of_run(document: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of an earlier run: its data and every field of its configuration."""
    config = dict(document["config"])
    named = {name: document[name] for name in ("init", "faces", "generator") if document.get(name)}
    if config.pop("init_sha256", "") and not {"init", "faces"} & named.keys():
        raise ValueError("that run began from other weights and does not say where they are")
    if not config["train_count"]:
        del config["train_count"]  # 0 stands for the stable split, which is the default
    if document.get("annotated"):
        named["annotate"] = True
    return {"data": document["data"], "preset": document["preset"], **named, **config}
