"""Options that every command which draws faces takes: the weights, and what is wished for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from anime_pipeline.cli.common import FiniteRange, Function
from anime_pipeline.cli.complete import weights_names


def weights_options(function: Function) -> Function:
    """Add `--checkpoint` (stage one), `--upscaler` and `--realism` (stage two)."""
    function = realism_option("[default: 0.75; weights that are named: as they are]")(function)
    for name, default, stage, shown in (
        ("--upscaler", None, "two", " [default: the shipped pair]"),
        ("--checkpoint", "dcgan", "one", ""),
    ):
        function = click.option(
            name,
            shell_complete=weights_names,
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
        type=FiniteRange(0, 1.5),
        default=1.0,
        show_default=True,
        help="Below 1: faces more alike and more regular.",
    )(function)


def wish_options(function: Function) -> Function:
    """Add `--hair`, `--skin` and `--truncation`."""
    function = truncation_option(function)
    for part in ("skin", "hair"):
        function = click.option(
            f"--{part}",
            help="A name, #rrggbb, or random [default: random, as training pictures have it].",
        )(function)
    return function


def read_wishes(hair: str | None, skin: str | None) -> dict[str, Any]:
    """Return colours by name; what is None or ``"random"`` is left out.

    Raises:
        UsageError: If a text is no colour.
    """
    from anime_pipeline.images.colour_names import parse_colour

    texts = {"hair": hair, "skin": skin}
    return {
        part: parse_colour(text, part)  # type: ignore[arg-type]
        for part, text in texts.items()
        if text is not None and text != "random"
    }
