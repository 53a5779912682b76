"""JSON schemas of what can be asked for, made from the types that requests are read with."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from anime_pipeline.web.api.requests import FORMS, UpscaleFields, in_order
from anime_pipeline.web.serving.settings import MAX_UPLOAD_BYTES, MAX_UPLOAD_PIXELS

Json = dict[str, Any]


def query_parameters(kind: type[BaseModel]) -> list[Json]:
    """Describe a query's parameters; lists are written with commas, and there is no null."""
    schema = _without_null(schema_of(kind))
    required = schema.get("required", [])
    found = []
    for name, inner in schema["properties"].items():
        parameter: Json = {"name": name, "in": "query", "required": name in required}
        if "description" in inner:
            parameter["description"] = inner.pop("description")
        if inner.get("type") == "array":
            parameter |= {"style": "form", "explode": False}
            inner.pop("examples", None)
        found.append(parameter | {"schema": inner})
    return found


def allowed_in_words(kind: type[BaseModel], name: str) -> str:
    """Say in a sentence what a parameter may be, for people who meet it in an address."""
    schema = _without_null(schema_of(kind))["properties"].get(name, {})
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


def upload_schema() -> Json:
    """Describe the form that a picture is sent with."""
    schema = _without_null(schema_of(UpscaleFields))
    image = {
        "type": "string",
        "format": "binary",
        "description": "A PNG, JPEG, WebP, AVIF, GIF or BMP file of at most "
        f"{MAX_UPLOAD_BYTES / 1e6:g} MB and {MAX_UPLOAD_PIXELS / 1e6:g} megapixels.",
    }
    return {
        "type": "object",
        "properties": {"image": image, **schema["properties"]},
        "required": ["image"],
        "additionalProperties": False,
    }


def schema_of(kind: type[BaseModel]) -> Json:
    """Return a type's JSON schema with what it refers to written out and without titles."""
    schema = kind.model_json_schema()
    tidy: Json = _tidy(schema, schema.pop("$defs", {}))
    return _in_order(tidy)


def _tidy(node: Any, inner: Json) -> Any:
    if isinstance(node, list):
        return [_tidy(item, inner) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return _tidy(inner[node["$ref"].rsplit("/", 1)[1]], inner)
    return {key: _tidy(value, inner) for key, value in node.items() if key != "title"}


def _in_order(schema: Json) -> Json:
    """Sort the properties of an object, and of objects in its lists."""
    properties = {name: schema["properties"][name] for name in in_order(schema["properties"])}
    for name, inner in properties.items():
        if "properties" in inner.get("items", {}):
            properties[name] = inner | {"items": _in_order(inner["items"])}
    return schema | {"properties": properties}


def _without_null(schema: Json) -> Json:
    """Describe properties of "a value or null" by the value: to leave them out says the same."""

    def plain(inner: Json) -> Json:
        kinds = [kind for kind in inner.get("anyOf", []) if kind != {"type": "null"}]
        if len(kinds) != 1:
            return inner
        return kinds[0] | {k: v for k, v in inner.items() if k not in ("anyOf", "default")}

    properties = {name: plain(inner) for name, inner in schema["properties"].items()}
    return schema | {"properties": properties}
