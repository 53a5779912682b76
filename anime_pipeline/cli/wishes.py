"""What faces should show, from the words, pictures and prompts of the command line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anime_pipeline.cli.common import stderr
from anime_pipeline.cli.face_options import read_wishes
from anime_pipeline.core.errors import UsageError

if TYPE_CHECKING:
    import numpy as np


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


def as_hex(rgb: Iterable[int]) -> str:
    """Return a colour as ``#rrggbb``."""
    return "#" + "".join(f"{int(value):02x}" for value in rgb)


def wish_texts(wishes: Mapping[str, Any], truncation: float) -> dict[str, str]:
    """Return wishes as they stand in file names and in the text entries of pictures."""
    texts = {
        name: ("yes" if wish else "no") if isinstance(wish, bool) else as_hex(wish)
        for name, wish in wishes.items()
    }
    return texts | ({} if truncation == 1 else {"truncation": f"{truncation:g}"})


def wish_line(wishes: Mapping[str, Any], truncation: float) -> str:
    """Return wishes as one text entry; it is there even if nothing is wished for."""
    texts = wish_texts(wishes, truncation)
    return ", ".join(f"{name} {value}" for name, value in texts.items()) or "none"


def shown_colours(names: Sequence[str], condition: np.ndarray) -> list[dict[str, str]]:
    """Return the colours that each face was asked to show, as ``#rrggbb`` by name."""
    from anime_pipeline.data.conditions import CENTRE_AND_SPREAD, columns, decode_colour

    parts = [name for name in names if name in CENTRE_AND_SPREAD]
    return [
        {part: as_hex(decode_colour(part, row[columns(names, part)])) for part in parts}
        for row in condition
    ]
