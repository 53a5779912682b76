"""Prompts such as "long silver hair, tan skin": a small table-driven grammar, no language model.

Words between separators form phrases. A phrase ends at the thing that it describes (hair, skin,
eyes, a girl); what the grammar can express becomes a colour, and all else is handed back.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from anime_pipeline.images.colour import lab_to_rgb, rgb_to_lab
from anime_pipeline.images.colour_names import Part, Rgb, named_colours, parse_colour

_THINGS: dict[str, Part] = {
    **dict.fromkeys(("hair", "hairs", "haired"), "hair"),
    **dict.fromkeys(("skin", "skinned", "complexion"), "skin"),
}
# Their colour is the hair's; they themselves cannot be asked for.
_HAIRSTYLES = frozenset(
    "twintails pigtails ponytail braid braids bangs fringe bob curls locks ahoge bun".split()
)
# Things that have a colour of their own, which cannot be asked for.
_OTHER_THINGS = frozenset(
    "eye eyes eyed lips lipstick ribbon ribbons bow hat cap hood hairband headband band hairpin "
    "ornament clip flower flowers glasses dress shirt uniform clothes scarf choker ears horns "
    "background sky".split()
)
_PERSONS = frozenset("girl girls boy boys woman man lady person character 1girl 1boy".split())
_FILLERS = frozenset(
    "a an the of in is are has have having who s her his she he draw make generate show please "
    "picture image portrait drawing illustration face faces anime manga style color colour "
    "colored coloured headed".split()
)
_SEPARATORS = frozenset("and with but also plus , ; . : | / & + \n ( )".split(" "))
_NEGATIONS = frozenset("no not without never non isn't".split())

# How a modifier changes Lab: (lightness it tends to, how far 0..1, factor of chroma).
_MODIFIERS: dict[str, tuple[float, float, float]] = {
    "dark": (10, 0.4, 0.9),
    "deep": (20, 0.3, 1.15),
    "light": (95, 0.4, 0.9),
    "pale": (95, 0.5, 0.6),
    "pastel": (88, 0.6, 0.7),
    "bright": (75, 0.3, 1.6),
    "vivid": (65, 0.2, 1.9),
}
# What these say without a colour: "dark hair", "a pale girl".
_HAIR_ALONE = {"dark": "black", "fair": "blonde"}
_SKIN_ALONE = frozenset(("pale", "fair", "tan", "tanned"))

_TOKEN = re.compile(r"#\w*|\w+(?:['’]\w+)*|[,;.:|/&+()\n]|[^\x00-\x7f\w\s]+")


@dataclass(frozen=True)
class Prompt:
    """What a prompt asks for: RGB 0..255 or nothing; `ignored` is what it asks for in vain."""

    hair: Rgb | None
    skin: Rgb | None
    ignored: list[str]


@dataclass
class _Phrase:
    """A run of words, and the colour that it says, if any; `named` if it says of what."""

    words: list[str]
    part: Part | None = None
    rgb: Rgb | None = None
    named: bool = False


@dataclass
class _Reader:
    """What has been read so far; `pending` are the words since the last thing described."""

    phrases: list[_Phrase] = field(default_factory=list)
    pending: list[str] = field(default_factory=list)
    thing: str | None = None  # described by nothing yet: "hair: pink"
    negated: bool = False

    def read(self, tokens: list[str]) -> None:
        for token, following in pairwise([*tokens, ""]):
            word = _key(token)
            if word in _SEPARATORS:
                # "hair: pink" goes on over its colon.
                self.close(keep_thing=word == ":")
            elif word in _NEGATIONS:
                self.close()
                self.negated = True
                self.pending.append(token)
            elif word in _THINGS and _key(following) not in _OTHER_THINGS:
                self.describe(token, _THINGS[word])
            elif word in _HAIRSTYLES:
                self.describe(token, "hair", style=True)
            elif word in _OTHER_THINGS:
                self.describe(token, None)
            elif word in _PERSONS:
                self.close()
            elif word not in _FILLERS:
                self.pending.append(token)
        self.close()

    def describe(self, thing: str, part: Part | None, style: bool = False) -> None:
        """End a phrase at the thing that it describes; a style of hair is one more to ignore."""
        words, self.pending = self.pending, []
        if self.negated:
            self.phrases.append(_Phrase([*words, thing]))
            self.negated = False
            return
        self.drop_thing()
        found = _last_colour(words, part, named=True) if part else None
        if found:
            first, end, rgb = found
            self.add_ignored(words[:first])
            name = [] if style else [thing]
            self.phrases.append(_Phrase(words[first:end] + name, part, rgb, named=True))
            self.add_ignored(words[end:] + ([thing] if style else []))
        elif words or style:
            self.phrases.append(_Phrase([*words, thing]))
        else:
            self.thing = thing

    def close(self, keep_thing: bool = False) -> None:
        """End a phrase that names nothing: its colour is the last thing's, or the hair's."""
        words, self.pending = self.pending, []
        if self.negated or not words:
            self.add_ignored(words)
            self.negated = False
            if not keep_thing:
                self.drop_thing()
            return
        thing, self.thing = self.thing, None
        part = _THINGS.get(_key(thing)) if thing else _part_of(words[-1])
        found = _last_colour(words, part, named=bool(thing)) if part else None
        # "red umbrella" says nothing of hair: the colour has to come last.
        if found and (thing or found[1] == len(words)):
            first, end, rgb = found
            name = [thing] if thing else []
            phrase = _Phrase(name + words[first:end], part, rgb, named=bool(thing))
            before, after = _Phrase(words[:first]), _Phrase(words[end:])
            ordered = (phrase, before, after) if thing else (before, phrase, after)
            self.phrases += [phrase for phrase in ordered if phrase.words]
        else:
            self.add_ignored(([thing] if thing else []) + words)

    def drop_thing(self) -> None:
        self.add_ignored([self.thing] if self.thing else [])
        self.thing = None

    def add_ignored(self, words: list[str]) -> None:
        if words:
            self.phrases.append(_Phrase(words))


def parse_prompt(text: str) -> Prompt:
    """Read what a prompt says of hair and skin.

    Args:
        text: Words in English, such as ``"pink-haired girl, dark skin, green eyes"``; colours by
            name or as ``#rrggbb``; dark, light, pale, bright and pastel change a colour.

    Returns:
        The colours, and in order everything that could not be expressed, such as
        ``["green eyes"]``; nothing said, or nothing understood, is no error. Of two colours for
        one part the first is kept, one said of the part ("pink hair") before one that stands
        alone ("pink").
    """
    reader = _Reader()
    reader.read(_TOKEN.findall(text.replace("_", " ")))
    chosen: dict[Part, _Phrase] = {}
    for phrase in sorted(reader.phrases, key=lambda phrase: not phrase.named):
        if phrase.part and phrase.rgb:
            chosen.setdefault(phrase.part, phrase)
    kept = {id(phrase) for phrase in chosen.values()}
    ignored = [" ".join(phrase.words) for phrase in reader.phrases if id(phrase) not in kept]
    colours = {part: phrase.rgb for part, phrase in chosen.items()}
    return Prompt(colours.get("hair"), colours.get("skin"), ignored)


def _key(token: str) -> str:
    return token.casefold().replace("’", "'")


def _part_of(word: str) -> Part:
    """Return what a colour that stands alone is said of."""
    return "skin" if _key(word) in _SKIN_ALONE else "hair"


def _last_colour(words: list[str], part: Part, named: bool) -> tuple[int, int, Rgb] | None:
    """Find the colour closest to the end: where it begins and ends, modifiers included, and it."""
    names = named_colours(part)
    keys = [_key(word) for word in words]
    for place in reversed(range(len(keys))):
        word = keys[place]
        if word in names or re.fullmatch(r"#(?:[0-9a-f]{3}|[0-9a-f]{6})", word, re.ASCII):
            rgb = parse_colour(word, part)
            first = place
            while first > 0 and keys[first - 1] in _MODIFIERS:
                first -= 1
                rgb = _modify(rgb, keys[first])
            return first, place + 1, rgb
    if named and part == "hair" and keys and keys[-1] in _HAIR_ALONE:
        return len(keys) - 1, len(keys), names[_HAIR_ALONE[keys[-1]]]
    return None


def _modify(rgb: Rgb, modifier: str) -> Rgb:
    """Apply a modifier to a colour by its lightness and chroma in Lab."""
    goal, share, chroma = _MODIFIERS[modifier]
    lightness, a, b = rgb_to_lab(np.array(rgb)).tolist()
    lightness += share * (goal - lightness)
    red, green, blue = lab_to_rgb(np.array([lightness, a * chroma, b * chroma])).tolist()
    return red, green, blue
