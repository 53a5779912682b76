"""Options that every command which draws faces takes: the weights, and what is wished for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import click

from anime_pipeline.cli import complete
from anime_pipeline.cli.common import FiniteRange, Function
from anime_pipeline.data.words import WORDS
from anime_pipeline.inference.spec import MOST_TRUNCATION, read_attribute

# What can be wished for of every face, by the names that conditions have for it.
OPTIONS = {"hair": "--hair", "skin": "--skin", "eyes": "--eyes", "length": "--hair-length"}


def weights_options(function: Function) -> Function:
    """Add `--checkpoint` (stage one), `--upscaler` and `--realism` (stage two)."""
    function = realism_option("[default: 0.75; weights that are named: as they are]")(function)
    for name, default, stage, shown in (
        ("--upscaler", None, "two", " [default: the shipped pair]"),
        ("--checkpoint", "dcgan", "one", ""),
    ):
        function = click.option(
            name,
            shell_complete=complete.weights_names,
            default=default,
            show_default=default is not None,
            help=f"Stage {stage}: a shipped name, a .npz file or a run folder{shown}.",
        )(function)
    return function


def realism_option(default: str) -> Callable[[Function], Function]:
    """Add `--realism`; without it None, and the weights that were named are taken as they are."""
    return click.option(
        "--realism",
        type=FiniteRange(0, 1),
        help=f"Between the fidelity (0) and the perceptual (1) upscaler {default}.",
    )


def truncation_option(function: Function) -> Function:
    """Add `--truncation`."""
    return click.option(
        "--truncation",
        type=FiniteRange(0, MOST_TRUNCATION),
        default=1.0,
        show_default=True,
        help="Below 1: faces more alike and more regular.",
    )(function)


def attribute_options(function: Function) -> Function:
    """Add `--hair`, `--skin`, `--eyes`, `--hair-length` and `--truncation`."""
    function = truncation_option(function)
    words = "random [default: random, as training pictures have it]."
    for part in ("length", "eyes"):
        function = word_option(part, f"{', '.join(WORDS[part])}, or {words}")(function)
    for part in ("skin", "hair"):
        function = colour_option(part, f"A name, #rrggbb, or {words}")(function)
    return function


def colour_option(part: str, words: str) -> Callable[[Function], Function]:
    """Add `--hair` or `--skin`, with the names of colours for Tab."""
    return click.option(f"--{part}", shell_complete=complete.colour_names, help=words)


def word_option(name: str, words: str) -> Callable[[Function], Function]:
    """Add the option for a name in `WORDS`, with its words for Tab."""
    return click.option(OPTIONS[name], name, shell_complete=complete.words, help=words)


def read_attributes(texts: Mapping[str, Any]) -> dict[str, Any]:
    """Return colours and words by name; what is None or ``"random"`` is left out.

    Args:
        texts: What the options say, by name; those that are no attributes are passed over.

    Raises:
        UsageError: If a text is no colour, or none of the words.
    """
    read = {
        name: read_attribute(name, texts.get(name), f"value for {option}")
        for name, option in OPTIONS.items()
    }
    return {name: value for name, value in read.items() if value is not None}
