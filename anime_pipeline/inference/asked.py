"""What faces were asked to show, in words: for file names, text entries of pictures and answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


def as_hex(rgb: Iterable[int]) -> str:
    """Return a colour as ``#rrggbb``."""
    return "#" + "".join(f"{int(value):02x}" for value in rgb)


def palettes() -> dict[str, dict[str, str]]:
    """Return the named colours to choose from: by part and name, as ``#rrggbb``."""
    from anime_pipeline.images.colour_names import EYE_COLOURS, main_colours

    named = {"hair": main_colours("hair"), "skin": main_colours("skin"), "eyes": EYE_COLOURS}
    return {
        part: {name: as_hex(rgb) for name, rgb in colours.items()}
        for part, colours in named.items()
    }


def attribute_texts(attributes: Mapping[str, Any], truncation: float) -> dict[str, str]:
    """Return attributes as they stand in file names and in the text entries of pictures."""
    texts = {name: _text(attribute) for name, attribute in attributes.items()}
    return texts | ({} if truncation == 1 else {"truncation": f"{truncation:g}"})


def _text(attribute: Any) -> str:
    if isinstance(attribute, bool):
        return "yes" if attribute else "no"
    return attribute if isinstance(attribute, str) else as_hex(attribute)


def attribute_line(attributes: Mapping[str, Any], truncation: float) -> str:
    """Return attributes as one text entry; it is there even if nothing is wished for."""
    texts = attribute_texts(attributes, truncation)
    return ", ".join(f"{name} {value}" for name, value in texts.items()) or "none"


def asked_of_each(names: Sequence[str], condition: np.ndarray) -> list[dict[str, str]]:
    """Return what each face was asked to show, by its attributes or by its seed.

    Args:
        names: What the conditions are on.
        condition: A row for each face.

    Returns:
        Colours as ``#rrggbb`` and words, by name; what was left open is left out.
    """
    # Here: commands import this module before they know whether they need NumPy.
    from anime_pipeline.data import conditions

    parts = [name for name in names if name in conditions.CENTRE_AND_SPREAD]
    places = {part: conditions.columns(names, part) for part in parts}
    return [
        {
            part: as_hex(conditions.decode_colour(part, row[place]))
            for part, place in places.items()
            if row[place][-1]  # or nothing is known of it
        }
        | conditions.words_asked(names, row)
        for row in condition
    ]
