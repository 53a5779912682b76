"""Prompts: what is understood of them, and that the rest is said."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import anime_pipeline.data.prompt as grammar
from anime_pipeline.data.prompt import parse_prompt
from anime_pipeline.data.words import known_words
from anime_pipeline.images.colour import rgb_to_lab
from anime_pipeline.images.colour_names import HAIR_COLOURS, SILVER, SKIN_COLOURS, named_colours

PINK, BLACK, TAN = HAIR_COLOURS["pink"], HAIR_COLOURS["black"], SKIN_COLOURS["tan"]


@pytest.mark.parametrize(
    ("text", "hair", "skin", "ignored"),
    [
        ("wavy silver hair, tan skin", SILVER, TAN, ["wavy"]),
        ("pink-haired girl", PINK, None, []),
        ("a Black_hair girl, 1girl", BLACK, None, []),
        ("blonde", HAIR_COLOURS["blonde"], None, []),
        ("dark skin", None, SKIN_COLOURS["dark"], []),
        ("closed eyes", None, None, ["closed eyes"]),
        ("a tan girl with #f80 hair and red lips!", (255, 136, 0), TAN, ["red lips"]),
        ("hair: pink, lips: green", PINK, None, ["lips green"]),
        ("her hair is pink and wavy", PINK, None, ["wavy"]),
        ("red hair ribbon, black hair", BLACK, None, ["red hair ribbon"]),
        ("red umbrella", None, None, ["red umbrella"]),
        ("pink twintails", PINK, None, ["twintails"]),
        ("black and pink hair", PINK, None, ["black"]),
        ("pink hair, black hair", PINK, None, ["black hair"]),
        ("pink hair without glasses", PINK, None, ["without glasses"]),
        ("not black hair but pink", PINK, None, ["not black hair"]),
        ("no pink hair", None, None, ["no pink hair"]),
        ("blue skin", None, None, ["blue skin"]),
        ("dark hair", BLACK, None, []),
        ("smiling anime face 🙂 日本 #12", None, None, ["smiling 🙂 日本 #12"]),
        ("", None, None, []),
        (" , : ;", None, None, []),
    ],
)
def test_prompts(text, hair, skin, ignored):
    found = parse_prompt(text)
    assert [found.attributes.get(part) for part in ("hair", "skin")] == [hair, skin]
    assert found.ignored == ignored


@pytest.mark.parametrize(
    ("text", "eyes", "length", "ignored"),
    [
        ("long pink hair, blue eyes", "blue", "long", []),
        ("a girl with short black hair and red eyes", "red", "short", []),
        ("long hair blue eyes", "blue", "long", []),
        ("short-haired, amber-eyed girl", "orange", "short", []),
        ("eyes: Grey, hair: pink, long", "gray", "long", []),
        ("her hair is pink and long", None, "long", []),
        ("hair long and pink", None, "long", []),
        ("long, pink hair", None, "long", []),
        ("a short girl with pink hair", None, None, ["short"]),
        ("hair: pink, short girl", None, None, ["short"]),
        ("short, with teal eyes", "aqua", None, ["short"]),
        ("very long pink hair, light violet eyes", "purple", "long", ["very", "light"]),
        ("long twintails, short bangs", None, None, ["long twintails", "short bangs"]),
        ("a black eye patch", None, None, ["black eye patch"]),
        ("a ribbon and short", None, None, ["ribbon", "short"]),
        ("not long hair, no red eyes, golden eyes", "yellow", None,
         ["not long hair", "no red eyes"]),
        ("red eyes, blue eyes, long hair, short hair", "red", "long", ["blue eyes", "short hair"]),
        ("pink eyes and #f00 eyes", "pink", None, ["#f00 eyes"]),
    ],
)  # fmt: skip
def test_prompts_say_eyes_and_length(text, eyes, length, ignored):
    found = parse_prompt(text)
    assert (found.attributes.get("eyes"), found.attributes.get("length")) == (eyes, length)
    assert found.ignored == ignored


@given(
    st.sampled_from(list(named_colours("hair"))),
    st.sampled_from(list(known_words("eyes"))),
    st.sampled_from(["long", "short"]),
    st.permutations(range(2)),
    st.sampled_from([", ", " and ", " with ", "; ", " "]),
)
def test_every_word_is_understood_in_any_order(hair, eyes, length, order, joint):
    parts = (f"{length} {hair} hair", f"{eyes} eyes")
    found = parse_prompt(joint.join(parts[place] for place in order))
    assert found.attributes == {
        "hair": named_colours("hair")[hair], "eyes": known_words("eyes")[eyes], "length": length,
    }  # fmt: skip
    assert found.ignored == []


def lightness_and_chroma(text):
    lightness, a, b = rgb_to_lab(np.array(parse_prompt(text).attributes["hair"]))
    return lightness, np.hypot(a, b)


@pytest.mark.parametrize("name", ["red", "blue", "green", "pink", "#4060c0"])
def test_modifiers_change_lightness_and_chroma(name):
    plain = lightness_and_chroma(f"{name} hair")
    assert lightness_and_chroma(f"dark {name} hair")[0] < plain[0] - 5
    assert lightness_and_chroma(f"light {name} hair")[0] > plain[0] + 5
    assert lightness_and_chroma(f"light-{name}-haired")[0] > plain[0] + 5
    assert lightness_and_chroma(f"pale {name} hair")[1] < plain[1]
    assert lightness_and_chroma(f"pastel {name} hair")[1] < plain[1]
    assert lightness_and_chroma(f"bright {name} hair")[1] > plain[1]


WORDS = st.sampled_from(
    "pink black dark pale light tan hair skin eyes amber girl long short ribbon "
    "twintails no with and , : ; #fa0 #12 hair-bow the xyz".split()
)
KNOWN = (
    grammar._FILLERS | grammar._SEPARATORS | grammar._PERSONS | set(grammar._MODIFIERS)
    | set(grammar._THINGS) | set(named_colours("hair")) | set(named_colours("skin"))
    | set(known_words("eyes")) | set(known_words("length"))
)  # fmt: skip


@given(st.lists(WORDS, max_size=12).map(" ".join) | st.text(max_size=40))
def test_nothing_is_lost_in_silence(text):
    found = parse_prompt(text)
    ignored = " ".join(found.ignored)
    for word in re.findall(r"\w+", text.replace("_", " ")):
        colour = f"#{word}" in text and len(word) in (3, 6)
        assert colour or word.casefold() in KNOWN or word in ignored, (word, found)
    # In the order of the text.
    place = 0
    for phrase in found.ignored:
        place = text.replace("_", " ").find(phrase.split()[0], place)
        assert place >= 0
