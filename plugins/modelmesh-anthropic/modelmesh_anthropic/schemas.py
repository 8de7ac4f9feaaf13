"""JSON Schema → the part of it that Anthropic's structured outputs take."""

from __future__ import annotations

from typing import Any

from modelmesh_core import Json, as_list, as_object, as_text, json_text

_KEPT = ("$ref", "type", "enum", "const", "default", "title")
_COMBINED = {"anyOf": "anyOf", "oneOf": "anyOf", "allOf": "allOf"}
_DEFINITIONS = ("$defs", "definitions")
_FORMATS = frozenset({"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"})
_IGNORED = frozenset({"$schema", "$id", "$comment", "strict", "additionalProperties", "examples", "nullable"})


def strict_schema(schema: Any) -> Json:
    """``schema`` with every object closed; what the vendor lacks is told to the model in the description instead."""
    source = as_object(schema)
    made: Json = {key: source[key] for key in _KEPT if key in source}
    for key in _DEFINITIONS:
        if key in source:
            made[key] = {name: strict_schema(one) for name, one in as_object(source[key]).items()}
    for key, name in _COMBINED.items():
        if key in source:
            made[name] = [strict_schema(one) for one in as_list(source[key])]
    if "properties" in source or source.get("type") == "object":
        made["properties"] = {name: strict_schema(one) for name, one in as_object(source.get("properties")).items()}
        made["additionalProperties"] = False
        if "required" in source:
            made["required"] = source["required"]
    if "items" in source:
        made["items"] = strict_schema(source["items"])
    if source.get("format") in _FORMATS:
        made["format"] = source["format"]
    if source.get("minItems") in (0, 1):
        made["minItems"] = source["minItems"]
    told = _told(source, made)
    if told:
        made["description"] = told
    return made


def _told(source: Json, made: Json) -> str:
    known = {*made, *_COMBINED, *_IGNORED, "description"}
    rest = {key: value for key, value in source.items() if key not in known}
    limits = ", ".join(f"{key}: {json_text(value)}" for key, value in rest.items())
    return "\n\n".join(part for part in (as_text(source.get("description")), limits and f"{{{limits}}}") if part)
