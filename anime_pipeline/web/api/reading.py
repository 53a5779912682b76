"""Reading requests from queries, forms and JSON bodies; what is wrong is told in words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, get_args, get_origin

import flask
from pydantic import BaseModel, ValidationError
from werkzeug.exceptions import RequestEntityTooLarge

from anime_pipeline.core.config import MAX_SEED
from anime_pipeline.web.api.requests import MAX_JSON_BYTES, Request, in_order, is_tracker
from anime_pipeline.web.errors import Problem

UNKNOWN = "extra_forbidden"  # what pydantic calls a parameter that does not exist


def read_query(kind: type[Request], values: Mapping[str, list[str]]) -> Request:
    """Read a request from a query.

    Args:
        kind: What it shall be.
        values: All values of each name; lists are written with commas. What trackers have added is
            passed over; any other unknown name may be a slip, and is refused.

    Raises:
        Problem: 422, naming every parameter that is wrong.
    """
    own = {name: given for name, given in values.items() if not is_tracker(name)}
    return _read(kind, _texts(kind, own), "query")


def read_form(kind: type[Request], request: flask.Request) -> Request:
    """Read a request from a form with one file, in the field ``image``.

    Raises:
        Problem: 422, naming every parameter that is wrong.
    """
    try:
        values, files = request.form.to_dict(flat=False), request.files
    except RequestEntityTooLarge:  # which Werkzeug says of too many texts as of too many bytes
        if (request.content_length or 0) > (request.max_content_length or 0):
            raise
        raise Problem(
            422, "The form has too many fields, or one that is too long. Send what /api names."
        ) from None
    sent = files.getlist("image")
    if "image" not in values and len(sent) == len(files) == 1:
        return _read(kind, _texts(kind, values) | {"image": sent[0]}, "form")
    received = "words there" if "image" in values else f"{len(sent)} there, {len(files)} in all"
    raise Problem(
        422,
        f"Expected one file, in the field 'image'. Received {received}. Send one, by curl as "
        "-F image=@FILE.",
        errors=[{"parameter": "image", "detail": "expected one file"}],
    )


def read_json(kind: type[Request], content: bytes) -> Request:
    """Read a request from a JSON body.

    Raises:
        Problem: 400 for what is no JSON, 413 for too much of it, 422 for wrong values.
    """
    if len(content) > MAX_JSON_BYTES:
        raise Problem(413, f"More than {MAX_JSON_BYTES} bytes of JSON. Send less.")
    try:
        values = json.loads(
            content.decode("utf-8"), parse_float=_number, parse_constant=_refuse_constant
        )
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise Problem(400, f"The body is not JSON ({reason}). Send one JSON object.") from None
    return _read(kind, values, "body", strict=True)


def _texts(kind: type[BaseModel], values: Mapping[str, list[str]]) -> dict[str, Any]:
    """Return the one text of each name, those of lists split at commas."""
    texts: dict[str, Any] = {}
    for name, given in values.items():
        if len(given) > 1:
            raise Problem(
                422,
                f"{name[:80]!r} was given {len(given)} times. Give it once.",
                errors=[{"parameter": name[:80], "detail": "given more than once"}],
            )
        field = kind.model_fields.get(name)
        is_list = field is not None and get_origin(field.annotation) is list
        texts[name] = given[0].split(",") if is_list else given[0]
    return texts


def _read(kind: type[Request], values: Any, place: str, strict: bool = False) -> Request:
    try:
        return kind.model_validate(values, strict=strict or None)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        errors = []
        for one in found:
            name = ".".join(map(str, one["loc"]))[:200] or place
            if one["type"] == UNKNOWN:
                detail = f"Unknown parameter {name!r}. {_known(kind, one['loc'])}"
            else:
                detail = f"Invalid value for {name!r}: {one['msg'].removeprefix('Value error, ')}"
            errors.append({"parameter": name, "detail": detail})
        raise Problem(
            422, f"{errors[0]['detail']}. See /api for what can be asked for.", errors=errors[:20]
        ) from None


def _number(text: str) -> int | float:
    """Read a number; in JSON 7.0 is a whole one."""
    value = float(text)
    return int(value) if value.is_integer() and abs(value) <= MAX_SEED else value


def _refuse_constant(text: str) -> None:
    raise ValueError(f"{text} is no number")


def _known(kind: type[BaseModel], place: tuple[int | str, ...]) -> str:
    """Say which parameters there are where an unknown one was found."""
    for part in place[:-1]:
        if isinstance(part, str):  # else one of a list
            annotation: Any = kind.model_fields[part].annotation
            kind = next(iter(get_args(annotation)), annotation)
    return f"Expected some of: {', '.join(in_order(kind.model_fields))}"
