"""What faces should show, from the words, pictures and prompts of the command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from anime_pipeline.cli.common import stderr
from anime_pipeline.cli.face_options import read_wishes
from anime_pipeline.core.errors import UsageError


def gather_wishes(
    hair: str | None,
    skin: str | None,
    like: Path | None,
    prompt: str | None,
    tags: Sequence[str] = (),
    not_tags: Sequence[str] = (),
) -> dict[str, Any]:
    """Return colours by name, and True or False by tag.

    --hair and --skin come before --prompt, and that before --like.

    Raises:
        UsageError: If a prompt says nothing that can be drawn, or a colour cannot be read.
        DataError: If the picture cannot be read.
    """
    both = set(tags) & set(not_tags)
    if both:
        raise UsageError(
            f"Received --with and --without for {', '.join(sorted(both))}. Leave one out."
        )
    wishes: dict[str, Any] = dict.fromkeys(tags, True) | dict.fromkeys(not_tags, False)
    if like is not None:
        from anime_pipeline.data.estimate import estimate_colors
        from anime_pipeline.images.codec import read_rgb

        found = estimate_colors(read_rgb(like))
        wishes |= {"hair": found.hair, "skin": found.skin}
    if prompt is not None:
        wishes |= _read_prompt(prompt)
    return wishes | read_wishes(hair, skin)


def _read_prompt(text: str) -> dict[str, Any]:
    from anime_pipeline.data.prompt import parse_prompt

    prompt = parse_prompt(text)
    wishes = {k: v for k, v in (("hair", prompt.hair), ("skin", prompt.skin)) if v is not None}
    if not wishes:
        raise UsageError(
            f"Invalid value for --prompt: {text!r}. Expected colours of hair or skin, such as "
            "'long silver hair, tan skin': nothing else can be asked for."
        )
    if prompt.ignored:
        ignored = ", ".join(prompt.ignored)
        stderr().print(f"Not drawn (only hair and skin colour can be): {ignored}", markup=False)
    return wishes
