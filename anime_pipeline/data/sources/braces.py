"""Lists of tars in braces, as WebDataset's users write them: ``faces-{000..099}.tar``.

The package `braceexpand`, which WebDataset uses, makes all of a list before it gives the first: a
mistyped number takes the machine's memory. Ranges of numbers and lists with commas are enough.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable

from anime_pipeline.core.errors import UsageError

_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d{1,12})\.\.(\d{1,12})")


def expand_braces(pattern: str, most: int) -> list[str]:
    """Return the texts that a pattern stands for, in the order of the shells.

    Raises:
        UsageError: If it is none, or stands for more than `most`.
    """
    # What stands outside of braces and what stands within, in turns.
    parts = _BRACES.split(pattern)
    if any(brace in text for text in parts[::2] for brace in "{}"):
        raise UsageError(f"The braces of {pattern} are not closed one by one. Close them.")
    choices = [_choices(inner, pattern) for inner in parts[1::2]]
    count = math.prod(many for many, _ in choices)
    if count > most:
        raise UsageError(f"{pattern} stands for {count} files. Expected at most {most}.")
    form = "{}".join(parts[::2])
    return [form.format(*each) for each in itertools.product(*(texts for _, texts in choices))]


def _choices(inner: str, pattern: str) -> tuple[int, Iterable[str]]:
    """Return how many texts a pair of braces stands for, and these."""
    found = _RANGE.fullmatch(inner)
    if found:
        first, last = map(int, found.groups())
        step = 1 if first <= last else -1
        padded = any(len(text) > 1 and text[0] == "0" for text in found.groups())
        digits = max(map(len, found.groups())) if padded else 1
        numbers = range(first, last + step, step)
        return abs(last - first) + 1, (f"{number:0{digits}d}" for number in numbers)
    if "," in inner:
        texts = inner.split(",")
        return len(texts), texts
    raise UsageError(
        f"{{{inner}}} in {pattern} is no list. Expected numbers as {{000..099}}, or texts with "
        "commas between them."
    )
