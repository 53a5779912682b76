"""What can be asked for in one word: the eyes' colour and the length of the hair.

No NumPy here: the command line reads these tables for its help and for Tab.
"""

from __future__ import annotations

from anime_pipeline.core.errors import UsageError

# Words that `tags.csv` may give, a column each; ours are those that people gave to thousands.
WORDS: dict[str, tuple[str, ...]] = {
    "eyes": (
        "aqua", "black", "blue", "brown", "gray", "green", "orange", "pink", "purple", "red",
        "yellow",
    ),
    "length": ("long", "short"),
}  # fmt: skip
# What people also say for them.
OTHER_WORDS: dict[str, dict[str, str]] = {
    "eyes": {
        "grey": "gray",
        "silver": "gray",
        "violet": "purple",
        "lavender": "purple",
        "teal": "aqua",
        "cyan": "aqua",
        "turquoise": "aqua",
        "azure": "blue",
        "sapphire": "blue",
        "emerald": "green",
        "hazel": "brown",
        "gold": "yellow",
        "golden": "yellow",
        "amber": "orange",
        "crimson": "red",
        "scarlet": "red",
        "ruby": "red",
        "magenta": "pink",
    },
    "length": {},
}
RANDOM = "random"  # as the seed draws it


def known_words(name: str) -> dict[str, str]:
    """Return every word that `parse_word` knows for a name in `WORDS`, with the one it means."""
    return {word: word for word in WORDS[name]} | OTHER_WORDS[name]


def parse_word(text: str, name: str, what: str) -> str:
    """Read a word for a name in `WORDS`, in any case.

    Args:
        text: Such as ``"Blue"`` or ``"grey"``.
        name: ``"eyes"`` or ``"length"``.
        what: What an error calls it.

    Returns:
        The word in `WORDS` that is meant.

    Raises:
        UsageError: If it is none; lists the words.
    """
    word = known_words(name).get(text.strip().casefold())
    if word is None:
        names = ", ".join(WORDS[name])
        raise UsageError(f"Invalid {what}. Expected one of {names}. Received: {text!r}.")
    return word
