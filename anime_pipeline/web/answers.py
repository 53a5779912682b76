"""What the API answers, as JSON schemas for its OpenAPI document."""

from __future__ import annotations

from typing import Any

from anime_pipeline.core.runs import STAGES
from anime_pipeline.data.words import WORDS

Json = dict[str, Any]

TEXT: Json = {"type": "string"}
NUMBER: Json = {"type": "number"}
WHOLE: Json = {"type": "integer", "minimum": 0}
COLOUR: Json = {"type": "string", "pattern": "^#[0-9a-f]{6}$"}
DATA_URI: Json = {"type": "string", "pattern": "^data:image/png;base64,"}
MARK: Json = {"type": "string", "pattern": "^[0-9a-f]{16}$"}
TRUTH: Json = {"type": "boolean"}
EYES: Json = {"type": "string", "enum": list(WORDS["eyes"])}
LENGTH: Json = {"type": "string", "enum": list(WORDS["length"])}


def _list_of(schema: Json) -> Json:
    return {"type": "array", "items": schema}


def _table_of(schema: Json) -> Json:
    return {"type": "object", "additionalProperties": schema}


def _object(optional: Json | None = None, **required: Json) -> Json:
    return {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": list(required),
    }


def _nullable(kind: str) -> Json:
    return {"type": [kind, "null"]}


_RUN: Json = {
    "name": TEXT,
    "stage": {"type": "string", "enum": list(STAGES)},
    "preset": TEXT,
    "state": TEXT,
    "step": WHOLE,
    "total_steps": WHOLE,
    "warnings": _list_of(TEXT),
    "latest_sample": _nullable("string"),
    "metrics": _table_of(NUMBER),
    "headlines": _list_of(_object(name=TEXT, label=TEXT, value=TEXT)),
    "title": TEXT,
}
_WHERE_KNOWN: Json = {"epoch": WHOLE, "seconds_left": NUMBER, "error": TEXT}

SCHEMAS: Json = {
    "Faces": _object(
        weights=MARK,
        size=WHOLE,
        faces=_list_of(
            _object(
                {"hair": COLOUR, "skin": COLOUR, "eyes": EYES, "length": LENGTH},
                seed=WHOLE,
                variation=WHOLE,
                strength=NUMBER,
                url=TEXT,
                image=DATA_URI,
            )
        ),
    ),
    "Frames": _object(weights=MARK, size=WHOLE, frames=_list_of(DATA_URI)),
    "Enlarged": _object(
        input_width=WHOLE, input_height=WHOLE, width=WHOLE, height=WHOLE, image=DATA_URI
    ),
    "Progress": _object(
        state={"type": "string", "enum": ["waiting", "running", "done"]}, done=WHOLE, total=WHOLE
    ),
    "Models": _object(
        default=TEXT,
        models=_list_of(
            _object(
                name=TEXT,
                shipped=TRUTH,
                weights=TEXT,
                image_size=WHOLE,
                wishes=_list_of(TEXT),
                error=_nullable("string"),
            )
        ),
        upscaler=_object(weights=MARK, realism=TRUTH),
        colours=_object(**dict.fromkeys(("hair", "skin", "eyes"), _table_of(COLOUR))),
        limits=_table_of(WHOLE),
    ),
    "Runs": _object(runs=_list_of(_object(_WHERE_KNOWN, **_RUN))),
    "RunDetails": _object(
        _WHERE_KNOWN,
        **_RUN,
        samples=_list_of(_object(epoch=WHOLE, url=TEXT)),
        curves=_table_of(_list_of({"type": "array", "items": NUMBER})),
        measured=_list_of(_object(name=TEXT, label=TEXT, meaning=TEXT, value=TEXT, step=NUMBER)),
        config={"type": "object"},
    ),
    "Problem": _object(
        {"errors": _list_of(_object(parameter=TEXT, detail=TEXT))},
        type=TEXT,
        title=TEXT,
        status={"type": "integer", "minimum": 400, "maximum": 599},
        detail=TEXT,
    ),
}
