"""What a face should look like, as the numbers that stage one is conditioned on.

`hair` and `skin` are colours: Lab, standardised, and a 1 that says that they are known. `eyes` and
`length` (of the hair) are one of a few words each. Any other name is a tag such as CelebA's
``Blond_Hair``: 1 yes, -1 no, 0 unknown. What is unknown is zeros, so that a network learns to do
without.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from anime_pipeline.core.errors import UsageError
from anime_pipeline.core.presets import AUTO
from anime_pipeline.core.randomness import stream
from anime_pipeline.data.records import Record, Records, as_records
from anime_pipeline.data.words import WORDS
from anime_pipeline.images.colour import lab_to_rgb, rgb_to_lab

# Mean and spread of Lab over the colour tables of 14,310 faces (`inspect` shows a set's own), so
# that no statistics need to travel with the weights.
CENTRE_AND_SPREAD: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "hair": ((49.0, 12.0, 4.0), (22.0, 17.0, 20.0)),
    "skin": ((93.5, 2.0, 11.0), (5.0, 4.6, 6.4)),
}
COLOUR_WIDTH = 4
WORD = 2.0  # what stands at the word that is true: as much in all as a colour's three numbers
ENOUGH = 0.1  # share of pictures that must have a word for it to be a condition by itself
MAX_TABLE = 4096  # drawn from at random; more rows would only make the weights larger
JITTER = 0.1  # of a colour's spread: the tables are noisy, and any colour may be asked for
DROPPED = 0.12

Attributes = Mapping[str, Any]  # by name: a colour, a word, or yes or no


def parse_names(text: str) -> tuple[str, ...]:
    """Split a configuration's `condition`, such as ``"hair,skin"``.

    Raises:
        UsageError: If a name is given twice or is no name.
    """
    names = tuple(part.strip() for part in text.split(",") if part.strip())
    bad = [name for name in names if not re.fullmatch(r"[\w-]+", name)]
    if bad or len(set(names)) != len(names):
        raise UsageError(
            f"Invalid value for --condition: {text!r}. Expected hair, skin or tags such as "
            "Blond_Hair, each once."
        )
    return names


def resolve(text: str, records: Sequence[Record]) -> str:
    """Return the condition that pictures allow.

    ``AUTO`` means the colours if most pictures have them, and each kind of word that many have.

    Raises:
        UsageError: If a name is asked for that no picture says anything about.
    """
    held = as_records(records)
    colours = int(held.has_colours.sum())
    tags = held.all_tags()
    counts = {name: int((_words(name, held) >= 0).sum()) for name in WORDS}
    if text == AUTO:
        found = list(CENTRE_AND_SPREAD) if 2 * colours > len(records) else []
        found += [name for name, count in counts.items() if count > ENOUGH * len(records)]
        return ",".join(found)
    known = tags | (set(CENTRE_AND_SPREAD) if colours else set())
    known |= {name for name, count in counts.items() if count}
    unknown = [name for name in parse_names(text) if name not in known]
    if unknown:
        there = ", ".join(sorted(known)) or "nothing: annotate writes the colours of hair and skin"
        raise UsageError(
            f"Invalid value for --condition: no picture says anything about {', '.join(unknown)}. "
            f"Expected some of what is known of these pictures: {there}."
        )
    return ",".join(parse_names(text))


def silent_names(names: Sequence[str], records: Sequence[Record]) -> list[str]:
    """Return those of `names` that no picture says anything about."""
    return [name for name in names if not of_records([name], records).any()]


def without_tags(names: Sequence[str]) -> tuple[str, ...]:
    """Return those of `names` that are colours or words, always in the same order."""
    return tuple(name for name in (*CENTRE_AND_SPREAD, *WORDS) if name in names)


def word_of(name: str, tags: frozenset[str] | None) -> int | None:
    """Return which of `WORDS[name]` tags such as ``{"blue_eyes"}`` give; None if not just one."""
    found = [place for place, word in enumerate(WORDS[name]) if f"{word}_{name}" in (tags or ())]
    return found[0] if len(found) == 1 else None


def width(names: Sequence[str]) -> int:
    """Return how many numbers a condition on `names` has."""
    return sum(
        COLOUR_WIDTH if name in CENTRE_AND_SPREAD else len(WORDS.get(name, "1")) for name in names
    )


def _words(name: str, records: Records) -> np.ndarray:
    """Return `word_of` each picture, int [N]; -1 for None."""
    found = np.stack([records.has(f"{word}_{name}") for word in WORDS[name]])
    return np.where(found.sum(axis=0) == 1, found.argmax(axis=0), -1)


def columns(names: Sequence[str], wanted: str) -> slice:
    """Return where a name's numbers stand in a condition."""
    start = width(names[: names.index(wanted)])
    return slice(start, start + width([wanted]))


def encode_colour(part: str, rgb: np.ndarray) -> np.ndarray:
    """Map RGB colours 0..255 [..., 3] of `hair` or `skin` to float32 [..., 4]."""
    centre, spread = np.array(CENTRE_AND_SPREAD[part], np.float32)
    lab = (rgb_to_lab(rgb) - centre) / spread
    return np.concatenate([lab, np.ones((*lab.shape[:-1], 1), np.float32)], axis=-1)


def decode_colour(part: str, values: np.ndarray) -> np.ndarray:
    """Map what `encode_colour` made [..., 4] back to uint8 RGB [..., 3]."""
    centre, spread = np.array(CENTRE_AND_SPREAD[part], np.float32)
    return lab_to_rgb(values[..., :3] * spread + centre)


def of_records(names: Sequence[str], records: Sequence[Record]) -> np.ndarray:
    """Return the conditions of pictures: float32 [N, width(names)], zeros where unknown."""
    held = as_records(records)
    result = np.zeros((len(held), width(names)), np.float32)
    for name in names:
        place = columns(names, name)
        if name in CENTRE_AND_SPREAD:
            rows = np.flatnonzero(held.has_colours)
            part = list(CENTRE_AND_SPREAD).index(name)
            if len(rows):
                result[rows, place] = encode_colour(name, held.colours[rows, part].astype(int))
        elif name in WORDS:
            words = _words(name, held)
            rows = np.flatnonzero(words >= 0)
            result[rows, place.start + words[rows]] = WORD
        else:
            signs = np.where(held.has(name), np.float32(1), np.float32(-1))
            result[:, place.start] = np.where(held.has_tags, signs, np.float32(0))
    return result


def label_hashes(names: Sequence[str], records: Sequence[Record]) -> np.ndarray:
    """Return a hash of what each picture's labels say about `names`.

    Taken from the labels, not from the condition made of them: that one is computed in floating
    point, which another machine may round otherwise.

    Args:
        names: What a condition is on, such as ``("hair", "eyes")``.
        records: Pictures.

    Returns:
        uint64 [N], 0 where nothing is known.
    """
    return np.array([_label_hash(names, record) for record in records], np.uint64)


def _label_hash(names: Sequence[str], record: Record) -> int:
    known: list[object] = []
    for name in names:
        if name in CENTRE_AND_SPREAD:
            known.append(record.colors and getattr(record.colors, name))
        elif name in WORDS:
            known.append(word_of(name, record.tags))
        else:
            known.append(None if record.tags is None else name in record.tags)
    if all(value is None for value in known):
        return 0
    return int.from_bytes(hashlib.sha256(repr((names, known)).encode()).digest()[:8], "big")


def words_asked(names: Sequence[str], row: np.ndarray) -> dict[str, str]:
    """Return the words that one condition [K] asks for, by name.

    What it leaves open is left out, and what it only hints at, as a condition may that was searched
    for.
    """
    found = {}
    for name in names:
        values = row[columns(names, name)]
        if name in WORDS and values.max() > WORD / 2:
            found[name] = WORDS[name][int(values.argmax())]
    return found


def draw(seeds: Sequence[int], table: np.ndarray) -> np.ndarray:
    """Draw a condition per seed from a table of training conditions: float32 [N, K]."""
    rows = [int(stream(seed, "condition").integers(len(table))) for seed in seeds]
    return table[rows].astype(np.float32)


def table_of(conditions: np.ndarray, seed: int) -> np.ndarray:
    """Return the rows that `draw` draws from: known ones, evenly taken from all of them."""
    known = conditions[np.any(conditions != 0, axis=1)]
    order = stream(seed, "condition table").permutation(len(known))[:MAX_TABLE]
    # Rounded as shipped weights are, so that a seed's colours are the same in both.
    return known[np.sort(order)].astype(np.float16).astype(np.float32)


def perturb(names: Sequence[str], conditions: np.ndarray, seed: int, step: int) -> np.ndarray:
    """Jitter colours and make some names unknown: float32 like `conditions` [N, K]."""
    generator = stream(seed, "condition noise", step)
    result = conditions.copy()
    for name in names:
        place = columns(names, name)
        kept = generator.random((len(result), 1)) >= DROPPED
        if name in CENTRE_AND_SPREAD:
            known = result[:, place][:, 3:]
            noise = generator.standard_normal((len(result), 3)).astype(np.float32) * JITTER
            result[:, place][:, :3] += noise * known
        result[:, place] *= kept
    return result


def known_values(names: Sequence[str], conditions: np.ndarray) -> np.ndarray:
    """Return 1 where a condition holds a known value to be shown, 0 elsewhere: float32 [N, K]."""
    result = (conditions != 0).astype(np.float32)
    for name in names:
        place = columns(names, name)
        if name in CENTRE_AND_SPREAD:
            result[:, place] = conditions[:, place][:, 3:]
            result[:, place.stop - 1] = 0
        elif name in WORDS:
            result[:, place] = (conditions[:, place] != 0).any(axis=1, keepdims=True)
    return result


def fulfil(names: Sequence[str], conditions: np.ndarray, attributes: Attributes) -> np.ndarray:
    """Return conditions [N, K] in which what is wished for replaces what was there.

    Args:
        names: What the conditions are on.
        conditions: float32 [N, K], such as `draw` makes.
        attributes: Colours 0..255 for `hair` and `skin`, one [3] or one each [N, 3]; a word for
            `eyes` and `length`; yes or no for tags.

    Raises:
        UsageError: If something is wished for that the conditions say nothing about, or a word is
            none of those known.
    """
    result = conditions.copy()
    for name, attribute in attributes.items():
        if name not in names:
            known = f"know only {', '.join(names)}" if names else "were trained without attributes"
            raise UsageError(
                f"Received a wish for {name}, and these weights {known}. Leave it out, choose "
                "other weights, or train some with --condition."
            )
        result[:, columns(names, name)] = _encode(name, attribute)
    return result


def _encode(name: str, attribute: Any) -> Any:
    if name in CENTRE_AND_SPREAD:
        return encode_colour(name, np.asarray(attribute))
    if name not in WORDS:
        return 1.0 if attribute else -1.0
    if not isinstance(attribute, str) or attribute not in WORDS[name]:
        raise UsageError(
            f"Invalid value for {name}: {attribute!r}. Expected one of: {', '.join(WORDS[name])}."
        )
    return WORD * np.equal(WORDS[name], attribute)
