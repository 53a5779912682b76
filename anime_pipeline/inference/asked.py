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
    from anime_pipeline.images.colour_names import main_colours

    return {
        "hair": {name: as_hex(rgb) for name, rgb in main_colours("hair").items()},
        "skin": {name: as_hex(rgb) for name, rgb in main_colours("skin").items()},
    }


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
    # Here: commands import this module before they know whether they need NumPy.
    from anime_pipeline.data.conditions import CENTRE_AND_SPREAD, columns, decode_colour

    parts = [name for name in names if name in CENTRE_AND_SPREAD]
    return [
        {part: as_hex(decode_colour(part, row[columns(names, part)])) for part in parts}
        for row in condition
    ]
