"""Prompts such as "long silver hair, blue eyes": a small table-driven grammar, no language model.

Words between separators form phrases. A phrase ends at the thing that it describes (hair, skin,
eyes, a girl); what the grammar can express becomes a colour or a word that can be wished for, and
all else is handed back.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal

import numpy as np

from anime_pipeline.core.errors import UsageError
from anime_pipeline.data.words import known_words
from anime_pipeline.images.colour import lab_to_rgb, rgb_to_lab
from anime_pipeline.images.colour_names import Rgb, parse_colour

Thing = Literal["hair", "skin", "eyes"]

_THINGS: dict[str, Thing] = {
    **dict.fromkeys(("hair", "hairs", "haired"), "hair"),
    **dict.fromkeys(("skin", "skinned", "complexion"), "skin"),
    **dict.fromkeys(("eye", "eyes", "eyed"), "eyes"),
}
_LENGTHS = known_words("length")  # of the hair
# Their colour is the hair's; they themselves cannot be asked for.
_HAIRSTYLES = frozenset(
    "twintails pigtails ponytail braid braids bangs fringe bob curls locks ahoge bun".split()
)
# Things that have a colour of their own, which cannot be asked for.
_OTHER_THINGS = frozenset(
    "lips lipstick eyebrow eyebrows eyelash eyelashes eyepatch eyeshadow patch "
    "ribbon ribbons bow hat cap hood hairband headband band hairpin "
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
# Between two things said of one: "long, pink hair", "her hair is pink and long".
_JOINTS = frozenset((",", "and", "but"))
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
    """What a prompt asks for; `ignored` is what it asks for in vain.

    Attributes:
        attributes: RGB 0..255 for `hair` and `skin`, a word for `eyes` and `length`.
        ignored: Phrases that could not be expressed, in the order of the text.
    """

    attributes: dict[str, Any]
    ignored: list[str]


@dataclass
class _Phrase:
    """A run of words, and what it says, if anything; `named` if it says of what."""

    words: list[str]
    attribute: str | None = None
    value: Rgb | str | None = None
    named: bool = False


@dataclass
class _Reader:
    """What has been read so far; `pending` are the words since the last thing described."""

    phrases: list[_Phrase] = field(default_factory=list)
    pending: list[str] = field(default_factory=list)
    thing: str | None = None  # described by nothing yet: "hair: pink"
    more_of: str | None = None  # described just now, perhaps not to the end: "hair: pink, long"
    negated: bool = False

    def read(self, tokens: list[str]) -> None:
        for token, following in pairwise([*tokens, ""]):
            word = _key(token)
            if word in _SEPARATORS:
                self.separate(word)
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
                self.more_of = None  # a short girl
                self.close()
            elif word not in _FILLERS:
                self.pending.append(token)
        self.close()

    def separate(self, word: str) -> None:
        lengths = self.pending and all(_key(each) in _LENGTHS for each in self.pending)
        if word in _JOINTS and lengths and not self.more_of:
            return  # of hair that is still to come: "long, pink hair"
        thing = self.more_of if lengths else self.thing
        # "hair: pink" goes on over its colon.
        self.close(keep_thing=word == ":")
        self.more_of = thing if word in _JOINTS else None

    def describe(self, thing: str, part: Thing | None, style: bool = False) -> None:
        """End a phrase at the thing that it describes; a style of hair is one more to ignore."""
        words, self.pending = self.pending, []
        if self.negated:
            self.phrases.append(_Phrase([*words, thing]))
            self.negated, self.more_of = False, None
            return
        self.close()
        found = _said(words, part, named=True, lengths=not style) if part else []
        if any(phrase.attribute for phrase in found):
            if style:
                found.append(_Phrase([thing]))
            else:
                _most_telling(found).words.append(thing)
            self.phrases += found
        elif words or style:
            self.phrases.append(_Phrase([*words, thing]))
        else:
            self.thing = thing

    def close(self, keep_thing: bool = False) -> None:
        """End a phrase that names nothing: what it says is of the last thing, or of the hair."""
        words, self.pending = self.pending, []
        more_of, self.more_of = self.more_of, None
        if self.negated or not words:
            self.add_ignored(words)
            self.negated = False
            if not keep_thing:
                self.add_ignored([self.thing] if self.thing else [])
                self.thing = None
            return
        thing, self.thing = self.thing, None
        described = _THINGS.get(_key(more_of or ""))
        if not thing and described and all(_key(word) in _LENGTHS for word in words):
            self.phrases += _said(words, described, named=True)
            return
        alone: Thing = "skin" if _key(words[-1]) in _SKIN_ALONE else "hair"
        part = _THINGS.get(_key(thing)) if thing else alone
        found = _said(words, part, named=bool(thing), lengths=bool(thing)) if part else []
        # "red umbrella" says nothing of hair: the colour has to come last.
        if any(phrase.attribute for phrase in found) and (thing or found[-1].attribute):
            if thing:
                telling = _most_telling(found)
                telling.words.insert(0, thing)
                found.sort(key=lambda phrase: phrase is not telling)
            self.phrases += found
        else:
            self.add_ignored(([thing] if thing else []) + words)

    def add_ignored(self, words: list[str]) -> None:
        if words:
            self.phrases.append(_Phrase(words))


def parse_prompt(text: str) -> Prompt:
    """Read what a prompt says of hair, skin and eyes.

    Args:
        text: Words in English, such as ``"long pink hair, dark skin, green eyes"``; colours of hair
            and skin by name or as ``#rrggbb``, which dark, light, pale, bright and pastel change;
            of eyes, one of the words of `data.words`.

    Returns:
        The attributes, and in order everything that could not be expressed, such as ``["a hat"]``;
        nothing said, or nothing understood, is no error. Of two for one thing the first is
        kept, one said of the thing ("pink hair") before one that stands alone ("pink").
    """
    reader = _Reader()
    reader.read(_TOKEN.findall(text.replace("_", " ")))
    chosen: dict[str, _Phrase] = {}
    for phrase in sorted(reader.phrases, key=lambda phrase: not phrase.named):
        if phrase.attribute:
            chosen.setdefault(phrase.attribute, phrase)
    kept = {id(phrase) for phrase in chosen.values()}
    ignored = [" ".join(phrase.words) for phrase in reader.phrases if id(phrase) not in kept]
    order = ("hair", "skin", "eyes", "length")
    return Prompt({name: chosen[name].value for name in order if name in chosen}, ignored)


def _key(token: str) -> str:
    return token.casefold().replace("’", "'")


def _said(words: list[str], part: Thing, named: bool, lengths: bool = True) -> list[_Phrase]:
    """Split words into what they say of a thing and runs that say nothing, by their first words."""
    keys = [_key(word) for word in words]
    attributes: dict[int, str] = {}  # what the word at a place speaks of
    values: dict[str | None, Rgb | str] = {}
    places = [place for place, key in enumerate(keys) if key in _LENGTHS]
    if places and part == "hair" and lengths:
        attributes[places[-1]], values["length"] = "length", _LENGTHS[keys[places[-1]]]
    places = [place for place in range(len(words)) if place not in attributes]
    if colour := _last_colour([keys[place] for place in places], part, named):
        attributes |= dict.fromkeys(places[colour[0] : colour[1]], part)
        values[part] = colour[2]
    phrases: dict[str | int, _Phrase] = {}
    run = 0
    for place, word in enumerate(words):
        name = attributes.get(place)
        run += name is not None  # what says nothing after it is another phrase
        empty = _Phrase([], name, values.get(name), named and name is not None)
        phrases.setdefault(name or run, empty).words.append(word)
    return list(phrases.values())


def _most_telling(phrases: list[_Phrase]) -> _Phrase:
    """Return the phrase that a thing's own name goes with: that of its colour, or else length."""
    return max((one for one in phrases if one.attribute), key=lambda one: one.attribute != "length")


def _last_colour(keys: list[str], part: Thing, named: bool) -> tuple[int, int, Rgb | str] | None:
    """Find the colour closest to the end: where it begins and ends, modifiers included, and it."""
    words = known_words("eyes")
    for first in reversed(range(len(keys))):
        end, word = first + 1, keys[first]
        if part == "eyes":
            if word in words:
                return first, end, words[word]
            continue
        with suppress(UsageError):
            rgb = parse_colour(word, part)
            while first > 0 and keys[first - 1] in _MODIFIERS:
                first -= 1
                rgb = _modify(rgb, keys[first])
            return first, end, rgb
    if named and part == "hair" and keys and keys[-1] in _HAIR_ALONE:
        return len(keys) - 1, len(keys), parse_colour(_HAIR_ALONE[keys[-1]], part)
    return None


def _modify(rgb: Rgb, modifier: str) -> Rgb:
    """Apply a modifier to a colour by its lightness and chroma in Lab."""
    goal, share, chroma = _MODIFIERS[modifier]
    lightness, a, b = rgb_to_lab(np.array(rgb)).tolist()
    lightness += share * (goal - lightness)
    red, green, blue = lab_to_rgb(np.array([lightness, a * chroma, b * chroma])).tolist()
    return red, green, blue
