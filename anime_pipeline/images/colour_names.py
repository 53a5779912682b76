"""Names of hair and skin colours, and the colours that people mean by them on anime faces."""

import re
from typing import Literal

from anime_pipeline.core.errors import UsageError

Part = Literal["hair", "skin"]
Rgb = tuple[int, int, int]

# The Lab median of measured hair colours of the faces to which people gave the name: 3,100 faces
# in the reference dataset's format; of blonde to green the more colourful half, as who asks for
# pink hair means pink. Black is no (0, 0, 0): drawn hair has highlights.
HAIR_COLOURS: dict[str, Rgb] = {
    "black": (64, 55, 60),
    "brown": (138, 94, 84),
    "blonde": (225, 174, 112),
    "orange": (227, 132, 72),
    "red": (184, 64, 72),
    "pink": (219, 119, 135),
    "purple": (148, 102, 159),
    "blue": (111, 121, 177),
    "aqua": (101, 195, 196),
    "green": (124, 175, 113),
    "gray": (180, 167, 174),
    # The lighter half of those called white: measured colours take in the shadows, and the median
    # of all (192, 181, 189) can hardly be told from gray.
    "white": (208, 204, 210),
}

# A word for what people tag as gray: the lighter half of that. Not what a colour is called here.
SILVER: Rgb = (199, 185, 192)

# The Lab medians of measured skin colours between lightnesses (pale: 96.5 to 100, fair: 94 to
# 96.5, light: 88 to 92, tan: 70 to 80). Below 70 lie only 61 of 10,000 faces, some in blue light:
# brown is their median made a little warmer, dark is set by hand further on in that direction.
SKIN_COLOURS: dict[str, Rgb] = {
    "pale": (251, 248, 234),
    "fair": (251, 240, 223),
    "light": (249, 224, 201),
    "tan": (231, 179, 155),
    "brown": (203, 150, 130),
    "dark": (155, 108, 86),
}

# What the words for eyes look like, to choose among them. A network is told the word alone.
EYE_COLOURS: dict[str, Rgb] = {
    "black": (52, 48, 56),
    "brown": (128, 82, 58),
    "orange": (222, 130, 52),
    "yellow": (232, 194, 72),
    "red": (196, 52, 64),
    "pink": (226, 118, 160),
    "purple": (136, 88, 180),
    "blue": (72, 122, 208),
    "aqua": (84, 190, 204),
    "green": (92, 164, 96),
    "gray": (150, 150, 160),
}

# What people also say for them.
OTHER_WORDS: dict[str, dict[str, str]] = {
    "hair": {
        "gray": "grey",
        "blonde": "blond yellow gold golden",
        "brown": "brunette",
        "orange": "ginger",
        "red": "redhead",
        "purple": "violet",
        "aqua": "cyan teal turquoise",
    },
    "skin": {"pale": "white porcelain", "tan": "tanned bronze", "dark": "black"},
    "eyes": {
        "gray": "grey silver",
        "purple": "violet lavender",
        "aqua": "teal cyan turquoise",
        "blue": "azure sapphire",
        "green": "emerald",
        "brown": "hazel",
        "yellow": "gold golden",
        "orange": "amber",
        "red": "crimson scarlet ruby",
        "pink": "magenta",
    },
}

# Names go by hue before lightness: a light and a dark pink are both pink.
LIGHTNESS_WEIGHT = 0.6

_HEX = re.compile(r"#(?:[0-9a-f]{3}|[0-9a-f]{6})", re.ASCII)


def main_colours(part: Part) -> dict[str, Rgb]:
    """Return the colours of a part to choose from, one word each."""
    return HAIR_COLOURS | {"silver": SILVER} if part == "hair" else dict(SKIN_COLOURS)


def named_colours(part: Part) -> dict[str, Rgb]:
    """Return every word that `parse_colour` knows for a part, with its colour."""
    colours = main_colours(part)
    also = OTHER_WORDS[part].items()
    return colours | {word: colours[name] for name, words in also for word in words.split()}


def parse_colour(text: str, part: Part) -> Rgb:
    """Read a colour of hair or skin.

    Args:
        text: A name in any case, ``#rrggbb`` or ``#rgb``.
        part: ``"hair"`` or ``"skin"``: a brown skin is another colour than brown hair.

    Returns:
        The colour, RGB 0..255.

    Raises:
        UsageError: If it is neither; lists the names.
    """
    word = text.strip().casefold()
    if _HEX.fullmatch(word):
        digits = word[1:] if len(word) == 7 else "".join(2 * digit for digit in word[1:])
        red, green, blue = bytes.fromhex(digits)
        return red, green, blue
    colours = named_colours(part)
    if word not in colours:
        names = ", ".join(main_colours(part))
        raise UsageError(
            f"Invalid colour of {part}. Expected #rrggbb or one of {names}. Received: {text!r}."
        )
    return colours[word]


def nearest_hair_name(rgb: Rgb) -> str:
    """Return the name in `HAIR_COLOURS` that comes closest to a colour, RGB 0..255."""
    import numpy as np  # here: the names themselves are wanted where NumPy is not

    from anime_pipeline.images.colour import rgb_to_lab

    named = rgb_to_lab(np.array(list(HAIR_COLOURS.values())))  # [12, 3]
    apart = (named - rgb_to_lab(np.array(rgb))) * (LIGHTNESS_WEIGHT, 1, 1)
    return list(HAIR_COLOURS)[int((apart**2).sum(axis=1).argmin())]
