"""What can be asked for in one word: the eyes' colour and the length of the hair.

No NumPy here: the command line reads these tables for its help and for Tab.
"""

from __future__ import annotations

from anime_pipeline.core.errors import UsageError
from anime_pipeline.images.colour_names import EYE_COLOURS, OTHER_WORDS

# Words that `tags.csv` may give, a column each; ours are those that people gave to thousands. What
# weights were trained on stands in this order.
_EYES = tuple(sorted(EYE_COLOURS))
WORDS: dict[str, tuple[str, ...]] = {"eyes": _EYES, "length": ("long", "short")}
RANDOM = "random"  # as the seed draws it


def known_words(name: str) -> dict[str, str]:
    """Return every word that `parse_word` knows for a name in `WORDS`, with the one it means."""
    also = OTHER_WORDS.get(name, {})
    return {word: known for known in WORDS[name] for word in (known, *also.get(known, "").split())}


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
