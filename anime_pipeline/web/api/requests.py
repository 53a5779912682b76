"""What can be asked of the API, as typed requests; the OpenAPI document is made from them too."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema
from werkzeug.datastructures import FileStorage

from anime_pipeline.core.config import MAX_SEED, SCALE
from anime_pipeline.data.words import RANDOM, WORDS
from anime_pipeline.images.colour_names import named_colours
from anime_pipeline.inference.spec import MOST_TRUNCATION, MOST_VARIATIONS
from anime_pipeline.models.blend import BEST_FOR_DRAWN
from anime_pipeline.web.serving.settings import MAX_UPLOAD_BYTES, MAX_UPLOAD_PIXELS

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


def _word(words: Iterable[str], is_colour: bool = False) -> tuple[Any, ...]:
    """Return a check of one of some words or, of a colour, #rrggbb; case does not matter."""
    words = (RANDOM, *words)
    expected = f"expected {'#rrggbb or ' if is_colour else ''}one of {', '.join(words)}"

    def check(text: str) -> str:
        word = text.lower() if text.isascii() else text
        if word not in words and not (is_colour and _HEX.fullmatch(word)):
            raise ValueError(expected)
        return word

    # JSON schema has no other way to say that case does not matter.
    patterns = ["".join(f"[{c}{c.upper()}]" for c in word) for word in words]
    patterns += ["#[0-9a-fA-F]{3}", "#[0-9a-fA-F]{6}"] if is_colour else []
    # People read no patterns: the API's page shows these.
    forms: list[Any] = [*words, *(["#rgb", "#rrggbb"] if is_colour else [])]
    extra: dict[str, Any] = {"pattern": f"^({'|'.join(patterns)})$", FORMS: forms}
    return AfterValidator(check), Field(json_schema_extra=extra)


def _attribute(text: str, example: str, *more: str) -> Any:
    text += " or random (as the seed draws it)."
    return Field(default=None, description=text, examples=[example, *more])


Hair = Annotated[str, *_word(sorted(named_colours("hair")), is_colour=True)]
Skin = Annotated[str, *_word(sorted(named_colours("skin")), is_colour=True)]
Eyes = Annotated[str, *_word(WORDS["eyes"])]
Length = Annotated[str, *_word(WORDS["length"])]
Seed = Annotated[int, Field(ge=0, le=MAX_SEED)]
Size = Annotated[int, *_one_of(SIZES)]
Scale = Annotated[int, *_one_of(SCALES)]
Upload = Annotated[FileStorage, WithJsonSchema({"type": "string", "format": "binary"})]
Share = Annotated[float, Field(ge=0, le=1)]


def is_tracker(name: str) -> bool:
    """Tell whether a parameter of an address follows people about and means nothing to us."""
    name = name.casefold()
    return name in TRACKERS or name.startswith(TRACKER_FAMILIES)


def in_order(names: Iterable[str]) -> list[str]:
    """Sort names of parameters for people who read: what is asked for most comes first."""
    return sorted(names, key=lambda name: FIRST.index(name) if name in FIRST else len(FIRST))


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Attributes(_Strict):
    """What a face shall show."""

    hair: Hair | None = _attribute(
        "Colour of the hair: a name, #rrggbb,", max(named_colours("hair")), "#e58bb1"
    )
    skin: Skin | None = _attribute(
        "Colour of the skin: a name, #rrggbb,", max(named_colours("skin")), "#e58bb1"
    )
    eyes: Eyes | None = _attribute("Colour of the eyes. One word,", WORDS["eyes"][-1])
    length: Length | None = _attribute("Length of the hair. One word,", WORDS["length"][-1])


ATTRIBUTES = tuple(_Attributes.model_fields)


class Look(_Attributes):
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
    realism: Share = Field(
        default=BEST_FOR_DRAWN,
        description="Between the fidelity (0) and the faces (1) upscaler, in steps of 0.05.",
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
        description="Hash of the weights that are meant (or its beginning). The answer is 409 "
        "where others are served, and may be kept for ever otherwise.",
    )


class _Faces(Look, Picture):
    size: Size = Field(
        default=128, description="Side in pixels; 512 is 128 enlarged by the same network again."
    )


class GenerateQuery(_Faces):
    """One face, or several of consecutive seeds."""

    seed: Seed = Field(default=0, description="The same seed and attributes: always the same face.")
    count: int = Field(default=1, ge=1, le=MOST_FACES, description="Faces of consecutive seeds.")

    @property
    def seeds(self) -> list[int]:
        """Return the seeds; those after the largest begin again at 0."""
        return [(self.seed + index) % (MAX_SEED + 1) for index in range(self.count)]


class GenerateBody(_Faces):
    """Faces of any seeds."""

    seeds: list[Seed] = Field(
        default=[0], min_length=1, max_length=MOST_FACES, description="One face for each seed."
    )


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


class InterpolateQuery(_Journey, _Attributes):
    """A journey over faces that are given by their seeds."""

    seeds: list[Seed] = Field(
        min_length=2, max_length=MOST_STOPS, description="Faces to pass.", examples=["3,17"]
    )

    @property
    def stops(self) -> list[Stop]:
        """Return the faces to pass."""
        look = {name: getattr(self, name) for name in ATTRIBUTES}
        return [Stop(seed=seed, **look) for seed in self.seeds]


class InterpolateBody(_Journey):
    """A journey over faces that each may have attributes of their own."""

    stops: list[Stop] = Field(
        min_length=2,
        max_length=MOST_STOPS,
        description="Faces to pass, in this order, each with its seed and attributes of its own.",
    )


class UpscaleForm(_Strict):
    """A picture, and how it shall be enlarged."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    image: Upload = Field(
        description="A PNG, JPEG, WebP, AVIF, GIF or BMP file of at most "
        f"{MAX_UPLOAD_BYTES / 1e6:g} MB and {MAX_UPLOAD_PIXELS / 1e6:g} megapixels."
    )
    scale: Scale = Field(default=SCALE, description="How many times as wide and high.")
    realism: Share = Field(default=0.0, description="From faithful (0) to crisp (1).")
    denoise: Share = Field(
        default=0.0, description="How much blur, noise and JPEG's marks are taken away."
    )
    ticket: str | None = Field(
        default=None,
        pattern="^[A-Za-z0-9-]{8,64}$",
        json_schema_extra={FORMS: ["8 to 64 letters, digits and hyphens"]},
        description="A random name of your choice, under which progress can be asked for.",
    )
