"""What every command that draws faces takes: weights, and what the faces shall show."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

from anime_pipeline.cli import complete
from anime_pipeline.cli.common import FiniteRange, Function, say
from anime_pipeline.core.errors import UsageError
from anime_pipeline.data.words import RANDOM, WORDS
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


def gather_attributes(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return colours and words by name, and True or False by tag.

    --hair, --skin, --eyes and --hair-length come before --prompt, and that before --like.

    Args:
        options: Those of `generate`, by name; what is not asked for may be missing.

    Raises:
        UsageError: If a prompt says nothing that can be drawn, or an attribute cannot be read.
        DataError: If the picture cannot be read.
    """
    tags, not_tags = options.get("tags", ()), options.get("not_tags", ())
    both = set(tags) & set(not_tags)
    if both:
        raise UsageError(
            f"Received --with and --without for {', '.join(sorted(both))}. Leave one out."
        )
    attributes: dict[str, Any] = dict.fromkeys(tags, True) | dict.fromkeys(not_tags, False)
    if options.get("like") is not None:
        from anime_pipeline.data.estimate import estimate_colors
        from anime_pipeline.images.decoding.decoder import read_rgb

        attributes |= vars(estimate_colors(read_rgb(options["like"])))
    if options.get("prompt") is not None:
        attributes |= _read_prompt(options["prompt"])
    return attributes | read_attributes(options)


def only_known(
    attributes: Mapping[str, Any], options: Mapping[str, Any], names: Sequence[str]
) -> dict[str, Any]:
    """Leave out words that a prompt alone asked for and that weights know nothing of; say so.

    A prompt says much that cannot be drawn. If nothing would be left, or an option asked for it,
    the weights refuse it themselves.

    Args:
        attributes: What `gather_attributes` returned.
        options: The command's options by name.
        names: What the weights know.
    """
    lost = {
        name: attribute
        for name, attribute in attributes.items()
        if name in WORDS and name not in names and options.get(name) in (None, RANDOM)
    }
    if not lost or len(lost) == len(attributes):
        return dict(attributes)
    said = {"eyes": "{} eyes", "length": "{} hair"}
    words = ", ".join(said[name].format(attribute) for name, attribute in lost.items())
    say(f"Not drawn (these weights know nothing of it): {words}")
    return {name: attribute for name, attribute in attributes.items() if name not in lost}


def _read_prompt(text: str) -> dict[str, Any]:
    from anime_pipeline.data.prompt import parse_prompt

    prompt = parse_prompt(text)
    if not prompt.attributes:
        raise UsageError(
            f"Invalid value for --prompt: {text!r}. Expected something about hair, skin or eyes, "
            "such as 'long silver hair, tan skin, blue eyes': nothing else can be asked for."
        )
    if prompt.ignored:
        ignored = ", ".join(prompt.ignored)
        say(
            "Not drawn (only colour and length of hair, skin and the colour of eyes can be): "
            f"{ignored}"
        )
    return prompt.attributes
