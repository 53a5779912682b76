"""What the API answers, as typed responses; the OpenAPI document is made from them too.

What is not known of something is left out: a field with a default is only sent where it is set.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from anime_pipeline.core.runs import STAGES
from anime_pipeline.data.words import WORDS
from anime_pipeline.web.models.catalogue import Offer

Whole = Annotated[int, Field(ge=0)]
Colour = Annotated[str, Field(pattern="^#[0-9a-f]{6}$")]
DataUri = Annotated[str, Field(pattern="^data:image/png;base64,")]
WeightsHash = Annotated[str, Field(pattern="^[0-9a-f]{16}$")]


def _one_of(words: Any) -> Any:
    return Field(default=None, json_schema_extra={"enum": list(words)})


class Face(BaseModel):
    """A face: how to have it again, what it was asked to show, and its picture."""

    seed: Whole
    hair: Colour | None = None
    skin: Colour | None = None
    eyes: str | None = _one_of(WORDS["eyes"])
    length: str | None = _one_of(WORDS["length"])
    variation: Whole
    strength: float
    url: str
    image: DataUri


class Faces(BaseModel):
    """Faces of one model."""

    weights: WeightsHash
    size: Whole
    faces: list[Face]


class Frames(BaseModel):
    """The pictures of a journey."""

    weights: WeightsHash
    size: Whole
    frames: list[DataUri]


class Enlarged(BaseModel):
    """An enlarged picture."""

    input_width: Whole
    input_height: Whole
    width: Whole
    height: Whole
    image: DataUri


class Progress(BaseModel):
    """How far an upload is: so many of all its tiles."""

    model_config = ConfigDict(from_attributes=True)

    state: Literal["waiting", "running", "done"]
    done: Whole
    total: Whole


class UpscalerOffer(BaseModel):
    """Stage two, and whether there is realism to choose, and cleaning up."""

    weights: WeightsHash
    realism: bool
    denoise: bool


class Models(BaseModel):
    """What there is to choose from, and the limits."""

    default: str
    models: list[Offer]
    upscaler: UpscalerOffer
    colours: dict[str, dict[str, Colour]]  # by what they are of, and their names
    limits: dict[str, Whole]


class Headline(BaseModel):
    """A figure as a page shows it."""

    name: str
    label: str
    value: str


class Measured(Headline):
    """A figure with what it means, and the step that it was measured at."""

    meaning: str
    step: float


class Run(BaseModel):
    """A training run."""

    name: str
    stage: str = Field(json_schema_extra={"enum": list(STAGES)})
    preset: str
    state: str
    step: Whole
    total_steps: Whole
    warnings: list[str]
    latest_sample: str | None
    metrics: dict[str, float]
    headlines: list[Headline]
    title: str
    epoch: Whole | None = None
    seconds_left: float | None = None
    error: str | None = None


class Runs(BaseModel):
    """All training runs."""

    runs: list[Run]


class Sample(BaseModel):
    """A grid of samples."""

    epoch: Whole
    url: str


class RunDetails(Run):
    """A training run with all there is to see of it."""

    samples: list[Sample]
    curves: dict[str, list[list[float]]]
    measured: list[Measured]
    config: dict[str, Any]


class WrongParameter(BaseModel):
    """What is wrong with one parameter."""

    parameter: str
    detail: str


class ProblemDocument(BaseModel):
    """Why there is no other answer (RFC 9457)."""

    type: str
    title: str
    status: Annotated[int, Field(ge=400, le=599)]
    detail: str
    errors: list[WrongParameter] | None = None
