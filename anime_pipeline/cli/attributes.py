"""What faces should show, from the words, pictures and prompts of the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from anime_pipeline.cli.common import stderr
from anime_pipeline.cli.face_options import read_attributes
from anime_pipeline.core.errors import UsageError
from anime_pipeline.data.words import RANDOM, WORDS


def gather_attributes(
    hair: str | None,
    skin: str | None,
    like: Path | None,
    prompt: str | None,
    tags: Sequence[str] = (),
    not_tags: Sequence[str] = (),
    eyes: str | None = None,
    length: str | None = None,
) -> dict[str, Any]:
    """Return colours and words by name, and True or False by tag.

    --hair, --skin, --eyes and --hair-length come before --prompt, and that before --like.

    Raises:
        UsageError: If a prompt says nothing that can be drawn, or a attribute cannot be read.
        DataError: If the picture cannot be read.
    """
    both = set(tags) & set(not_tags)
    if both:
        raise UsageError(
            f"Received --with and --without for {', '.join(sorted(both))}. Leave one out."
        )
    attributes: dict[str, Any] = dict.fromkeys(tags, True) | dict.fromkeys(not_tags, False)
    if like is not None:
        from anime_pipeline.data.estimate import estimate_colors
        from anime_pipeline.images.decoding.decoder import read_rgb

        found = estimate_colors(read_rgb(like))
        attributes |= {"hair": found.hair, "skin": found.skin}
    if prompt is not None:
        attributes |= _read_prompt(prompt)
    return attributes | read_attributes(
        {"hair": hair, "skin": skin, "eyes": eyes, "length": length}
    )


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
    stderr().print(f"Not drawn (these weights know nothing of it): {words}", markup=False)
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
        stderr().print(
            "Not drawn (only colour and length of hair, skin and the colour of eyes can be): "
            f"{ignored}",
            markup=False,
        )
    return prompt.attributes
