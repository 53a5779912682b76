"""What can be asked of the API, as typed requests; the OpenAPI document is made from them too."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from anime_pipeline.core.config import MAX_SEED, SCALE
from anime_pipeline.data.words import RANDOM, WORDS
from anime_pipeline.images.colour_names import Part, named_colours
from anime_pipeline.inference.spec import MOST_TRUNCATION, MOST_VARIATIONS
from anime_pipeline.models.blend import BEST_FOR_DRAWN

MOST_FACES = 32
MOST_STOPS = 8
MOST_FRAMES = 48
MOST_PICTURES = MOST_STOPS * MOST_FRAMES  # of a journey that returns; each costs one
MAX_JSON_BYTES = 64_000
SIZES = (32, 128, 512)  # stage one's, enlarged once, enlarged twice
SCALES = (2, 3, 4, 8)
FORMS = "x-forms"  # what a pattern allows, in words; JSON schema lets others add such keys

FIRST = ("seed", "seeds", "stops", "count", "hair", "skin", "eyes", "length", "size")

# What social networks, mail and advertising add to every link that they carry; nobody typed it.
TRACKERS = frozenset(
    "fbclid gclid gclsrc dclid gbraid wbraid msclkid yclid ysclid twclid ttclid igshid igsh epik "
    "li_fat_id mc_cid mc_eid mkt_tok _ga _gl _hsenc _hsmi __hssc __hstc __hsfp hsctatracking "
    "oly_anon_id oly_enc_id rb_clickid s_cid sccid srsltid vero_id wickedid ref ref_src "
    "ref_url".split()
)
TRACKER_FAMILIES = ("utm_", "hsa_", "mtm_", "pk_")

_HEX = re.compile(r"#(?:[0-9a-f]{3}|[0-9a-f]{6})")

Request = TypeVar("Request", bound=BaseModel)


def _one_of(choices: tuple[int, ...]) -> tuple[Any, ...]:
    """Return a check of a whole number; pydantic's Literal would refuse the texts of a query."""

    def check(value: int) -> int:
        if value not in choices:
            raise ValueError(f"expected one of {', '.join(map(str, choices))}")
        return value

    return AfterValidator(check), Field(json_schema_extra={"enum": list(choices)})


def _colour(part: Part) -> tuple[Any, ...]:
    """Return a check of a colour, written in any case as on the command line."""
    words = (RANDOM, *sorted(named_colours(part)))
    pattern = f"^({_any_case(words)}|#[0-9a-fA-F]{{3}}|#[0-9a-fA-F]{{6}})$"

    def check(text: str) -> str:
        word = text.lower() if text.isascii() else text
        if word not in words and not _HEX.fullmatch(word):
            raise ValueError(f"expected #rrggbb or one of {', '.join(words)}")
        return word

    # People read no patterns: the API's page shows these.
    forms: list[Any] = [*words, "#rgb", "#rrggbb"]
    return AfterValidator(check), Field(json_schema_extra={"pattern": pattern, FORMS: forms})


def _any_case(words: Iterable[str]) -> str:
    """Return a pattern of words; JSON schema has no other way to say that case does not matter."""
    return "|".join("".join(f"[{c}{c.upper()}]" for c in word) for word in words)


def _word(name: str) -> tuple[Any, ...]:
    """Return a check of one of `WORDS`, written in any case as on the command line."""
    words = (RANDOM, *WORDS[name])

    def check(text: str) -> str:
        word = text.lower() if text.isascii() else text
        if word not in words:
            raise ValueError(f"expected one of {', '.join(words)}")
        return word

    extra: dict[str, Any] = {"pattern": f"^({_any_case(words)})$", FORMS: list(words)}
    return AfterValidator(check), Field(json_schema_extra=extra)


def _wish(part: Part) -> Any:
    text = f"Colour of the {part}: a name, #rrggbb, or random (as the seed draws it)."
    examples = [max(named_colours(part)), "#e58bb1"]
    return Field(default=None, description=text, examples=examples)


def _wish_word(text: str, name: str) -> Any:
    text += " One word, or random (as the seed draws it)."
    return Field(default=None, description=text, examples=[WORDS[name][-1]])


Hair = Annotated[str, *_colour("hair")]
Skin = Annotated[str, *_colour("skin")]
Eyes = Annotated[str, *_word("eyes")]
Length = Annotated[str, *_word("length")]
Seed = Annotated[int, Field(ge=0, le=MAX_SEED)]
Size = Annotated[int, *_one_of(SIZES)]
Scale = Annotated[int, *_one_of(SCALES)]
Realism = Annotated[float, Field(ge=0, le=1)]


def is_tracker(name: str) -> bool:
    """Tell whether a parameter of an address follows people about and means nothing to us."""
    name = name.casefold()
    return name in TRACKERS or name.startswith(TRACKER_FAMILIES)


def in_order(names: Iterable[str]) -> list[str]:
    """Sort names of parameters for people who read: what is asked for most comes first."""
    return sorted(names, key=lambda name: FIRST.index(name) if name in FIRST else len(FIRST))


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Wishes(_Strict):
    """What a face shall show."""

    hair: Hair | None = _wish("hair")
    skin: Skin | None = _wish("skin")
    eyes: Eyes | None = _wish_word("Colour of the eyes.", "eyes")
    length: Length | None = _wish_word("Length of the hair.", "length")


WISHES = tuple(_Wishes.model_fields)


class Look(_Wishes):
    """What a face shall show, and which neighbour of it is meant."""

    variation: int = Field(
        default=0,
        ge=0,
        le=MOST_VARIATIONS - 1,
        description="Which neighbour of the face; needs a strength.",
    )
    strength: float = Field(
        default=0.0, ge=0, le=1, description="How far the neighbour is: 0 is the face itself."
    )


class Picture(_Strict):
    """What pictures of faces have in common."""

    truncation: float = Field(
        default=1.0,
        ge=0,
        le=MOST_TRUNCATION,
        description="Below 1 faces are more alike and more regular.",
    )
    realism: Realism = Field(
        default=BEST_FOR_DRAWN,
        description="Between the fidelity (0) and the perceptual (1) upscaler, in steps of 0.05.",
    )
    model: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description="A name that /models lists; else the default.",
    )
    weights: str | None = Field(
        default=None,
        pattern="^[0-9a-f]{8,16}$",
        json_schema_extra={FORMS: ["8 to 16 digits from 0-9 and a-f"]},
        description="Mark of the weights that are meant (or its beginning). The answer is 409 "
        "where others are served, and may be kept for ever otherwise.",
    )


class _Faces(Look, Picture):
    size: Size = Field(
        default=128, description="Side in pixels; 512 is 128 enlarged by the same network again."
    )


class GenerateQuery(_Faces):
    """One face, or several of consecutive seeds."""

    seed: Seed = Field(default=0, description="The same seed and wishes are always the same face.")
    count: int = Field(default=1, ge=1, le=MOST_FACES, description="Faces of consecutive seeds.")

    @property
    def chosen(self) -> list[int]:
        """Return the seeds; those after the largest begin again at 0."""
        return [(self.seed + index) % (MAX_SEED + 1) for index in range(self.count)]


class GenerateBody(_Faces):
    """Faces of any seeds."""

    seeds: list[Seed] = Field(
        default=[0], min_length=1, max_length=MOST_FACES, description="One face for each seed."
    )

    @property
    def chosen(self) -> list[int]:
        """Return the seeds."""
        return self.seeds


class Stop(Look):
    """A face to pass."""

    seed: Seed = Field(description="The face's seed.")


class _Journey(Picture):
    frames: int = Field(
        default=24,
        ge=1,
        le=MOST_FRAMES,
        description="Pictures from one face to the next; with the most faces to pass, "
        f"{MOST_PICTURES} in all.",
    )
    loop: bool = Field(default=False, description="Return to the first face.")
    fps: float = Field(default=12.0, ge=1, le=50, description="Pictures a second, of a GIF.")
    size: Annotated[int, *_one_of(SIZES[:2])] = Field(default=128, description="Side in pixels.")


class InterpolateQuery(_Journey, _Wishes):
    """A journey over faces that are given by their seeds."""

    seeds: list[Seed] = Field(
        min_length=2, max_length=MOST_STOPS, description="Faces to pass.", examples=["3,17"]
    )

    @property
    def chosen(self) -> list[Stop]:
        """Return the faces to pass."""
        look = {name: getattr(self, name) for name in WISHES}
        return [Stop(seed=seed, **look) for seed in self.seeds]


class InterpolateBody(_Journey):
    """A journey over faces that each may have wishes of their own."""

    stops: list[Stop] = Field(
        min_length=2,
        max_length=MOST_STOPS,
        description="Faces to pass, in this order, each with its seed and wishes of its own.",
    )

    @property
    def chosen(self) -> list[Stop]:
        """Return the faces to pass."""
        return self.stops


class UpscaleFields(_Strict):
    """What goes with an uploaded picture."""

    scale: Scale = Field(default=SCALE, description="How many times as wide and high.")
    realism: Realism = Field(default=0.0, description="From faithful (0) to crisp (1).")
    ticket: str | None = Field(
        default=None,
        pattern="^[A-Za-z0-9-]{8,64}$",
        json_schema_extra={FORMS: ["8 to 64 letters, digits and hyphens"]},
        description="A random name of your choice, under which progress can be asked for.",
    )
