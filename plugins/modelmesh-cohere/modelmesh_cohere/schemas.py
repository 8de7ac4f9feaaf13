"""JSON Schema → the part of it that Cohere's structured outputs take."""

from __future__ import annotations

from typing import Any

import orjson
from modelmesh_core import Json, as_list, as_object, as_text, refused

_KEPT = ("$ref", "type", "enum", "const", "format", "pattern", "title", "default")
_DEFINITIONS = ("$defs", "definitions")
_IGNORED = frozenset({"$schema", "$id", "$comment", "strict", "examples", "nullable", "additionalProperties"})
_DEEPEST = 64


def closed_schema(schema: Any, depth: int = 0) -> Json:
    """``schema`` as Cohere takes it; limits that it does not know are told to the model in the description instead."""
    if depth > _DEEPEST:
        raise refused(f"response_format: the schema is nested deeper than {_DEEPEST} levels")
    source = as_object(schema)
    made: Json = {key: source[key] for key in _KEPT if key in source}
    for key in _DEFINITIONS:
        if key in source:
            made[key] = _each(source[key], depth)
    for key in ("anyOf", "oneOf"):
        if key in source:
            made["anyOf"] = [closed_schema(one, depth + 1) for one in as_list(source[key])]
    parts = as_list(source.get("allOf"))
    if len(parts) == 1:  # what generators write around a $ref
        made |= closed_schema(parts[0], depth + 1)
    if properties := as_object(source.get("properties")):
        made["properties"] = _each(properties, depth)
        # An object needs a required field; one that has all of them satisfies the caller's schema too.
        made["required"] = as_list(source.get("required")) or list(properties)
    if "items" in source:
        made["items"] = closed_schema(source["items"], depth + 1)
    known = {*made, *_IGNORED, "anyOf", "oneOf", "description"} | ({"allOf"} if len(parts) == 1 else set[str]())
    limits = ", ".join(f"{key}: {_written(source[key])}" for key in source if key not in known)
    told = "\n\n".join(text for text in (as_text(source.get("description")), limits and f"{{{limits}}}") if text)
    return {**made, "description": told} if told else made


def _each(schemas: Any, depth: int) -> Json:
    return {name: closed_schema(one, depth + 1) for name, one in as_object(schemas).items()}


def _written(value: Any) -> str:
    try:
        return orjson.dumps(value).decode()
    except TypeError as error:
        raise refused(f"response_format: the schema cannot be written as JSON: {error}") from error
