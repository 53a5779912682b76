"""A face as a value, and as text: in addresses, in the entries of PNG files and in file names.

No NumPy here: commands read what is asked for before they know whether they need it.
"""

import operator
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Self
from urllib.parse import parse_qsl, urlencode

from anime_pipeline import __version__
from anime_pipeline.core.config import MAX_SEED
from anime_pipeline.core.errors import UsageError
from anime_pipeline.data.words import RANDOM, WORDS, parse_word

Value = tuple[int, int, int] | str | bool  # a colour, RGB 0..255; a word; a tag's yes or no

MOST_VARIATIONS = 10_000
MOST_TRUNCATION = 1.5

# Of each number of a specification its type and its largest value.
NUMBERS = {
    "seed": (int, MAX_SEED),
    "variation": (int, MOST_VARIATIONS - 1),
    "strength": (float, 1),
    "truncation": (float, MOST_TRUNCATION),
}
COLOURS = ("hair", "skin")
TAGS = {"yes": True, "no": False}
SOFTWARE = {"Software": f"anime-pipeline {__version__}"}
WEIGHTS = {"dcgan": "weights-dcgan", "srgan": "weights-srgan"}  # by stage
# What a picture does not say of itself is so.
UNSAID = dict.fromkeys((*COLOURS, *WORDS), RANDOM) | {"strength": "0", "truncation": "1"}


@dataclass(frozen=True)
class FaceSpec:
    """Which face: the same specification is the same face, whatever else is drawn beside it.

    Attributes:
        seed: 0 to 2**63 - 1.
        attributes: What the face shall show, by name: a colour for `hair` and `skin` (its name,
            ``"#rrggbb"`` or RGB 0..255), a word for `eyes` and `length` (of the hair), True or
            False for a tag of the weights. What is left out, None or ``"random"`` follows from the
            seed, as training pictures have it. Read-only, with colours as RGB.
        variation: Which neighbour of the seed's face, 0 to 9999; of no effect without a strength.
        strength: How far from it: 0 is the face itself, 1 any other.
        truncation: 0 to 1.5: below 1 faces are more alike and more regular.

    Raises:
        UsageError: If a value is none of these; says what was expected.

    Example:
        >>> FaceSpec(7, {"hair": "pink", "eyes": "blue"}).query
        'seed=7&hair=%23db7787&eyes=blue'
    """

    seed: int
    attributes: Mapping[str, Any] = field(default_factory=dict)
    variation: int = 0
    strength: float = 0.0
    truncation: float = 1.0

    def __post_init__(self) -> None:
        read = ((name, read_attribute(name, value)) for name, value in self.attributes.items())
        checked: dict[str, Any] = {
            "attributes": MappingProxyType({k: value for k, value in read if value is not None})
        }
        checked |= {name: _number(name, getattr(self, name), *NUMBERS[name]) for name in NUMBERS}
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    def __hash__(self) -> int:
        attributes = frozenset(self.attributes.items())
        return hash((self.seed, attributes, self.variation, self.strength, self.truncation))

    def __reduce__(self) -> Any:  # a read-only view cannot be copied or pickled
        values = (self.variation, self.strength, self.truncation)
        return type(self), (self.seed, dict(self.attributes), *values)

    @property
    def look(self) -> dict[str, str]:
        """Attributes and truncation as texts, as they stand in file names too."""
        texts = {name: _text(value) for name, value in self.attributes.items()}
        return texts | ({} if self.truncation == 1 else {"truncation": _shortest(self.truncation)})

    @property
    def texts(self) -> dict[str, str]:
        """Everything about the face by name; what is as usual is left out, but for the seed."""
        near = {"variation": str(self.variation), "strength": _shortest(self.strength)}
        return {"seed": str(self.seed)} | self.look | (near if self.strength else {})

    @property
    def query(self) -> str:
        """The face as an address has it behind its question mark."""
        return urlencode(self.texts)

    @classmethod
    def from_texts(cls, texts: Mapping[str, str]) -> Self:
        """Read a face from the text entries of a PNG file; those of version 0.5 are understood.

        Args:
            texts: Entries by name; what says nothing of the face is passed over.

        Raises:
            UsageError: If there is no seed, or a value cannot be read.
        """
        found = _modern(texts)
        if "seed" not in found:
            names = ", ".join(sorted(found)) or "nothing"
            raise UsageError(f"Received {names}. Expected a seed too: it says which face is meant.")
        attributes: dict[str, Any] = {k: found[k] for k in (*COLOURS, *WORDS) if k in found}
        tags = {name: TAGS[value] for name, value in found.items() if value in TAGS}
        numbers: dict[str, Any] = {name: found[name] for name in NUMBERS if name in found}
        return cls(attributes=tags | attributes, **numbers)

    @classmethod
    def from_query(cls, query: str) -> Self:
        """Read a face from what follows the question mark of an address; see `from_texts`."""
        return cls.from_texts(dict(parse_qsl(query.removeprefix("?"))))

    def variations(self, count: int, strength: float = 0.3) -> list[Self]:
        """Return the first neighbours of the face, all at one distance."""
        return [replace(self, variation=each, strength=strength) for each in range(count)]


def read_attribute(name: str, value: Any, what: str = "") -> Value | None:
    """Return what a face is asked to show, or None where that is left to the seed.

    Args:
        name: `hair`, `skin`, `eyes`, `length`, or a tag.
        value: As `FaceSpec.attributes` takes it.
        what: What an error calls it.

    Raises:
        UsageError: If it is none.
    """
    if value is None or (isinstance(value, str) and value.strip().casefold() == RANDOM):
        return None
    if name in WORDS and isinstance(value, str):
        return parse_word(value, name, what or f"value for {name}")
    if name in COLOURS:
        if isinstance(value, str):
            from anime_pipeline.images.colour_names import parse_colour

            return parse_colour(value, name)  # type: ignore[arg-type]
        with suppress(TypeError, ValueError):
            red, green, blue = map(operator.index, value)
            if 0 <= min(red, green, blue) <= max(red, green, blue) <= 255:
                return red, green, blue
        expected = "a name, #rrggbb or three whole numbers from 0 to 255"
    elif name in WORDS:
        expected = f"one of {', '.join(WORDS[name])}"
    elif name in NUMBERS or not re.fullmatch(r"[\w-]+", name):
        raise UsageError(f"No face can be asked for {name!r}. Expected hair, skin, eyes or a tag.")
    elif isinstance(value, bool):
        return value
    else:
        named = ", ".join((*COLOURS, *WORDS))
        expected = f"True or False, as for every name but {named}"
    raise UsageError(f"Invalid value for {name}: {value!r}. Expected {expected}.")


def as_request(texts: Mapping[str, str]) -> dict[str, str]:
    """Return the entries of a picture by which the very same request is known again.

    Those of version 0.5 get today's names, and what is not said stands there as it is meant. Files'
    names tell variations apart.
    """
    found = UNSAID | _modern(texts)
    return {name: value for name, value in found.items() if name not in {"variation", *SOFTWARE}}


def in_a_line(look: Mapping[str, str]) -> str:
    """Return `FaceSpec.look` as one text; it says so if nothing is asked for."""
    return ", ".join(f"{name} {value}" for name, value in look.items()) or "none"


def as_hex(rgb: Iterable[int]) -> str:
    """Return a colour, 0..255, as ``#rrggbb``."""
    return "#" + "".join(f"{int(value):02x}" for value in rgb)


def palettes() -> dict[str, dict[str, str]]:
    """Return the named colours to choose from: by part and name, as ``#rrggbb``."""
    from anime_pipeline.images.colour_names import EYE_COLOURS, main_colours

    named = {"hair": main_colours("hair"), "skin": main_colours("skin"), "eyes": EYE_COLOURS}
    return {
        part: {name: as_hex(rgb) for name, rgb in colours.items()}
        for part, colours in named.items()
    }


def _modern(texts: Mapping[str, str]) -> dict[str, str]:
    """Return entries under today's names: `variations` and `project` had a line for all."""
    found = dict(texts)
    line = found.pop("wishes", found.pop("attributes", "none"))
    said = (part.split(" ", 1) for part in line.split(", ") if " " in part)
    if "weights" in found and "weights-dcgan" not in found:
        found["weights-dcgan"] = found.pop("weights")
    return {name: value for name, value in said} | found


def _text(value: Value) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else as_hex(value)


def _shortest(value: float) -> str:
    """Return a number as people write it, or with all digits where that would be another."""
    short = f"{value:g}"
    return short if float(short) == value else repr(value)


def _number(name: str, value: Any, kind: type, most: float) -> Any:
    """Return a number from 0 to `most`; texts are read, as addresses and files have them."""
    with suppress(TypeError, ValueError, OverflowError):
        whole = kind is int and not isinstance(value, str)
        number = operator.index(value) if whole else kind(value)
        if 0 <= number <= most and not isinstance(value, bool):
            return number
    what = "a whole number" if kind is int else "a number"
    raise UsageError(
        f"Invalid value for {name}: {repr(value)[:80]}. Expected {what} from 0 to {most}."
    )
