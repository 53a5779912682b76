"""The OpenAPI 3.1 document, made from endpoints and the very types that they read and answer."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel

from anime_pipeline import __version__
from anime_pipeline.core.runs import STAGES
from anime_pipeline.web.api.endpoints import FORM, JSON, PREFIX, Endpoint
from anime_pipeline.web.api.requests import FORMS, in_order
from anime_pipeline.web.api.responses import ProblemDocument
from anime_pipeline.web.serving.problems import PROBLEM_TYPE

REFERENCE = "#/components/schemas/"
WORDS = {
    400: "The body cannot be read.",
    404: "There is nothing of that name.",
    406: "None of the accepted media types can be given.",
    409: "In conflict with what is served or asked: other weights, a model that cannot be used, a "
    "ticket in use, cancelled.",
    413: "Too many bytes.",
    415: "The type of the body, or of the picture, is not one that is read.",
    422: "A value is missing or wrong, or the picture is damaged or has too many pixels.",
    429: "Too much for one client; Retry-After says when to go on.",
    503: "Too much to do, or stopping; Retry-After says when to try again.",
}
PICTURES = "image/png, image/jpeg, image/webp, image/gif, image/bmp, image/avif"
PARTS: dict[str, dict[str, Any]] = {
    "ticket": {"description": "The ticket that was sent with the picture."},
    "stage": {"description": "The stage that was trained.", "enum": list(STAGES)},
    "name": {"description": "The run's name, such as 1-cpu."},
}

Json = dict[str, Any]


def document(endpoints: Iterable[Endpoint]) -> Json:
    """Return the document of some endpoints."""
    paths: dict[str, Json] = {}
    schemas: Json = {}
    for one in endpoints:
        path = PREFIX + re.sub(r"<(\w+)>", r"{\1}", one.path)
        paths.setdefault(path, {})[one.method.lower()] = _operation(one)
        if one.takes and one.method == "POST" and one.body == JSON:
            schemas |= schemas_of(one.takes, null=True)
        for answer in one.answers.values():
            schemas |= schemas_of(answer) if answer else {}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "anime-pipeline",
            "version": __version__,
            "summary": "Anime faces from seeds, journeys between them, and enlarged pictures.",
            "description": "The same seed and attributes are the same face as on the command line, "
            "to one grey level. Pictures can be had as files or, with Accept: application/json, as "
            "data URIs with what they show.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name} for name in dict.fromkeys(one.tag for one in endpoints)],
        "paths": paths,
        "components": {"schemas": schemas | schemas_of(ProblemDocument)},
    }


def allowed_in_words(kind: type[BaseModel], name: str) -> str:
    """Say in a sentence what a parameter may be, for people who meet it in an address."""
    schema = schemas_of(kind)[kind.__name__]["properties"].get(name, {})
    whole = "whole number" if schema.get("type") == "integer" else "number"
    if FORMS in schema:
        forms = schema[FORMS]
        allowed = f"one of {', '.join(forms)}" if len(forms) > 1 else forms[0]
    elif "enum" in schema:
        allowed = f"one of {', '.join(map(str, schema['enum']))}"
    elif "maximum" in schema:
        allowed = f"a {whole} from {schema['minimum']:,} to {schema['maximum']:,}"
    else:
        return f"What it says of {name!r} makes no sense."
    return f"Its {name} must be {allowed}."


def schemas_of(kind: type[BaseModel], null: bool = False) -> dict[str, Json]:
    """Return the JSON schemas of a type and of those that it refers to, by their names.

    Args:
        kind: The type.
        null: Whether what may be left out may also be null, as in JSON that is sent.
    """
    schema = kind.model_json_schema(ref_template=REFERENCE + "{model}")
    found: dict[str, Json] = schema.pop("$defs", {}) | {kind.__name__: schema}
    for one in found.values():
        properties, required = one["properties"], one.get("required", [])
        one["properties"] = {
            name: properties[name] if null or name in required else _value(properties[name])
            for name in in_order(properties)
        }
    return found


def _value(schema: Json) -> Json:
    """Describe "a value or null" by the value."""
    kinds = [kind for kind in schema.get("anyOf", []) if kind != {"type": "null"}]
    if len(kinds) != 1:
        return schema
    return kinds[0] | {k: v for k, v in schema.items() if k not in ("anyOf", "default")}


def _operation(one: Endpoint) -> Json:
    done: Json = {"200": {"description": "Done.", "content": _content(one)}}
    if not one.answers:
        done = {"204": {"description": "Done; there is nothing to say."}}
    if one.kept:
        tagged = {"ETag": {"schema": {"type": "string"}, "description": "For If-None-Match."}}
        done["200"]["headers"] = tagged
        done["304"] = {"description": "What the client has is still right."}
    operation: Json = {"tags": [one.tag], "operationId": one.name, "summary": one.summary}
    parameters = [_part(name) for name in re.findall(r"<(\w+)>", one.path)]
    if one.takes and one.method == "GET":
        parameters += _query(one.takes)
    if parameters:
        operation["parameters"] = parameters
    if one.takes and one.method == "POST":
        operation["requestBody"] = _body(one.takes, one.body)
    problems = {str(status): _problem(status) for status in sorted(_statuses(one))}
    return operation | {"responses": done | problems}


def _statuses(one: Endpoint) -> set[int]:
    """Return the statuses of what can go wrong."""
    found = set(one.problems)
    found |= {406} if len(one.answers) > 1 else set()
    found |= {422} if one.takes else set()
    found |= {400, 413, 415} if one.takes and one.method == "POST" else set()
    return found | ({409, 429, 503} if one.queue else set())


def _content(one: Endpoint) -> Json:
    return {
        kind: {"schema": {"type": "string", "contentMediaType": kind} if t is None else _named(t)}
        for kind, t in one.answers.items()
    }


def _body(kind: type[BaseModel], media: str) -> Json:
    content: Json = {"schema": _named(kind)}
    if media == FORM:
        content = {"schema": schemas_of(kind)[kind.__name__]}
        content["encoding"] = {"image": {"contentType": PICTURES}}
    return {"required": True, "content": {media: content}}


def _query(kind: type[BaseModel]) -> list[Json]:
    """Describe a query's parameters; lists are written with commas."""
    schema = schemas_of(kind)[kind.__name__]
    found = []
    for name, inner in schema["properties"].items():
        parameter: Json = {"name": name, "in": "query"}
        parameter["required"] = name in schema.get("required", [])
        if "description" in inner:
            parameter["description"] = inner.pop("description")
        if inner.get("type") == "array":
            parameter |= {"style": "form", "explode": False}
            inner.pop("examples", None)
        found.append(parameter | {"schema": inner})
    return found


def _part(name: str) -> Json:
    schema = {"type": "string", "minLength": 1, **PARTS.get(name, {})}
    described = {"description": schema.pop("description", "A name.")}
    return {"name": name, "in": "path", "required": True, **described, "schema": schema}


def _problem(status: int) -> Json:
    response: Json = {
        "description": WORDS[status],
        "content": {PROBLEM_TYPE: {"schema": _named(ProblemDocument)}},
    }
    if status in (429, 503):
        response["headers"] = {
            "Retry-After": {"schema": {"type": "integer", "minimum": 1}, "description": "Seconds."}
        }
    return response


def _named(kind: type[BaseModel]) -> Json:
    return {"$ref": REFERENCE + kind.__name__}
