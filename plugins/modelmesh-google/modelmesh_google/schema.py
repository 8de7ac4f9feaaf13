"""JSON Schema → what Google takes.

There are two ways to give a schema. ``parameters`` and ``responseSchema`` take a subset of OpenAPI 3.0: no references,
a type on everything, ``nullable`` in place of a null type. Every model and every version of the API knows it.
``parametersJsonSchema`` and ``responseJsonSchema`` take JSON Schema, from Gemini 2 on. A schema goes the first way
where it fits, and the second where only that says it: recursion, maps, tuples, enumerated numbers, values of any type.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import attrs
from modelmesh_core import Json, as_list, as_object, as_objects, as_text

from .shapes import refuse

_DEEPEST = 60
_MOST_NODES = 4000
_TYPES = {"string", "number", "integer", "boolean", "array", "object"}
_FORMATS = {
    "string": {"date-time", "enum"},
    "number": {"float", "double"},
    "integer": {"int32", "int64"},
}
_KEPT = {
    "string": ("minLength", "maxLength"),
    "number": ("minimum", "maximum"),
    "integer": ("minimum", "maximum"),
    "array": ("minItems", "maxItems"),
    "object": ("minProperties", "maxProperties"),
    "boolean": (),
}
_HINTS = (
    ("object", ("properties", "additionalProperties", "required")),
    ("array", ("items", "prefixItems", "minItems", "maxItems")),
    ("string", ("minLength", "maxLength", "pattern", "format")),
    ("number", ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")),
)
"""Keywords that tell the type of a schema that does not state it."""


@attrs.frozen
class Compiled:
    """A schema in the OpenAPI subset."""

    schema: Json
    fits: bool
    """Whether it says all that ``parametersJsonSchema`` could say."""


def compile_schema(schema: Any, *, ordered: bool = False) -> Compiled:
    """``schema`` in the subset; with ``ordered``, properties come in the order in which they are written.

    Raises ProviderError of kind INVALID_REQUEST for one that nests too deeply.
    """
    compiler = _Compiler(schema, ordered)
    compiled = compiler.compile(schema, 0, frozenset())
    return Compiled(compiled, compiler.fits)


def json_schema(schema: Any) -> Json:
    """``schema`` for the fields that take JSON Schema: in the keywords they know, with nothing beside a reference.

    Raises ProviderError of kind INVALID_REQUEST for one that nests too deeply.
    """
    return _plain(schema, 0)


class _Compiler:
    def __init__(self, root: Any, ordered: bool) -> None:
        self.fits = True
        self._root = root
        self._ordered = ordered
        self._nodes = 0

    def compile(self, given: Any, depth: int, seen: frozenset[str]) -> Json:
        """The node ``given``, found ``depth`` levels down and by way of the references ``seen``."""
        self._nodes += 1
        _check_depth(depth)
        node, seen, cycle = self._resolved(given, seen)
        if cycle or self._nodes > _MOST_NODES:
            return self._unfit({"type": "OBJECT", **_described(node)})
        types, nullable = _types_of(node)
        branches = [as_object(branch) for branch in as_list(node.get("anyOf")) or as_list(node.get("oneOf"))]
        if branches:
            return self._union(node, branches, nullable, depth, seen)
        if len(types) > 1:
            return self._union(node, [{"type": name} for name in types], nullable, depth, seen)
        return self._single(node, types[0] if types else _hinted(node), nullable, depth, seen)

    def _resolved(self, given: Any, seen: frozenset[str]) -> tuple[Json, frozenset[str], bool]:
        """The node with its references and ``allOf`` put in, the references on the way, and whether they go round."""
        node = as_object(given)
        for _ in range(_DEEPEST):
            reference = as_text(node.get("$ref"))
            parts = as_objects(node.get("allOf"))
            rest = {key: value for key, value in node.items() if key not in ("$ref", "allOf")}
            if reference:
                if reference in seen:
                    return rest, seen, True
                seen |= {reference}
                parts = [_pointed(self._root, reference), *parts]
            if not parts:
                return node, seen, False
            node = _merged([*parts, rest])
        return node, seen, True

    def _union(self, node: Json, branches: list[Json], nullable: bool, depth: int, seen: frozenset[str]) -> Json:
        shared = {key: value for key, value in node.items() if key not in ("anyOf", "oneOf", "type", "title")}
        own = {"type": node["type"]} if isinstance(node.get("type"), str) else {}
        real = [branch for branch in branches if branch.get("type") != "null"]
        nullable = nullable or len(real) < len(branches)
        nested = [self.compile(_merged([own, shared, branch]), depth + 1, seen) for branch in real]
        compiled = [one for branch in nested for one in branch.get("anyOf", [branch])]
        if nullable:
            compiled = [{**branch, "nullable": True} if "type" in branch else branch for branch in compiled]
        if not compiled:
            return self._unfit({"type": "STRING", "nullable": True, **_described(node)})
        return compiled[0] if len(compiled) == 1 else {"anyOf": compiled}

    def _single(self, node: Json, kind: str, nullable: bool, depth: int, seen: frozenset[str]) -> Json:
        if not kind:  # a value of any type
            self.fits, kind = False, "string"
        result: Json = {"type": kind.upper()}
        if nullable:
            result["nullable"] = True
        result.update(_described(node))
        result.update({key: node[key] for key in ("title", "default", "example") if key in node})
        result.update({key: node[key] for key in _KEPT[kind] if _is_number(node.get(key))})
        if kind == "string" and as_text(node.get("pattern")):
            result["pattern"] = node["pattern"]
        self._add_enum(result, node, kind)
        _add_format(result, node, kind)
        _add_exclusive_bounds(result, node, kind)
        if kind == "array":
            self._add_items(result, node, depth, seen)
        elif kind == "object":
            self._add_properties(result, node, depth, seen)
        return result

    def _add_enum(self, result: Json, node: Json, kind: str) -> None:
        values = [value for value in _enumerated(node) if value is not None]
        if not values:
            return
        if kind == "string" and all(isinstance(value, str) and value for value in values):
            result["enum"] = values
        else:
            self.fits = False
            _append(result, "one of: " + ", ".join(repr(value) for value in values[:50]))

    def _add_items(self, result: Json, node: Json, depth: int, seen: frozenset[str]) -> None:
        first = as_list(node.get("prefixItems")) or as_list(node.get("items"))
        if first:
            self.fits = False
            kinds = [self.compile(item, depth + 1, seen) for item in first]
            result["items"] = kinds[0] if len(kinds) == 1 else {"anyOf": kinds}
        else:
            result["items"] = self.compile(node.get("items"), depth + 1, seen)

    def _add_properties(self, result: Json, node: Json, depth: int, seen: frozenset[str]) -> None:
        properties = as_object(node.get("properties"))
        if not properties or as_object(node.get("additionalProperties")):
            self.fits = False
        if not properties:
            return
        result["properties"] = {name: self.compile(value, depth + 1, seen) for name, value in properties.items()}
        required = [name for name in as_list(node.get("required")) if isinstance(name, str) and name in properties]
        if required:
            result["required"] = required
        if self._ordered and len(properties) > 1:
            result["propertyOrdering"] = list(properties)

    def _unfit(self, schema: Json) -> Json:
        self.fits = False
        return schema


def _types_of(node: Json) -> tuple[list[str], bool]:
    """The types that a node states, without null, and whether null is among them."""
    stated = node.get("type")
    names = [as_text(name).lower() for name in (as_list(stated) or [stated])]
    known = list(dict.fromkeys(name for name in names if name in _TYPES))
    nullable = "null" in names or node.get("nullable") is True or None in _enumerated(node)
    return known, nullable


def _enumerated(node: Json) -> list[Any]:
    return [node["const"]] if "const" in node else as_list(node.get("enum"))


def _hinted(node: Json) -> str:
    values = [value for value in _enumerated(node) if value is not None]
    if values:
        kinds = {"string" if isinstance(v, str) else "boolean" if isinstance(v, bool) else "number" for v in values}
        return kinds.pop() if len(kinds) == 1 else ""
    return next((kind for kind, keywords in _HINTS if any(keyword in node for keyword in keywords)), "")


def _pointed(root: Any, reference: str) -> Json:
    """What a reference within the document points at; an empty schema if nothing is there."""
    target = root
    if not reference.startswith("#"):
        return {}
    for step in reference[1:].split("/")[1:]:
        key = unquote(step).replace("~1", "/").replace("~0", "~")
        items = as_list(target)
        target = items[int(key)] if items and key in _indexes(items) else as_object(target).get(key)
    return as_object(target)


def _indexes(items: list[Any]) -> set[str]:
    return {str(index) for index in range(len(items))}


def _merged(parts: list[Json]) -> Json:
    """Schemas that all hold, as one. Where two state the same keyword, the later wins."""
    result: Json = {}
    for part in parts:
        for key, value in part.items():
            if key == "properties":
                result[key] = {**as_object(result.get(key)), **as_object(value)}
            elif key == "required":
                names = (*as_list(result.get(key)), *as_list(value))
                result[key] = list(dict.fromkeys(name for name in names if isinstance(name, str)))
            elif key == "allOf":
                result[key] = [*as_list(result.get(key)), *as_list(value)]
            else:
                result[key] = value
    return result


def _described(node: Mapping[str, Any]) -> Json:
    text = as_text(node.get("description"))
    return {"description": text} if text else {}


def _append(result: Json, remark: str) -> None:
    text = as_text(result.get("description"))
    result["description"] = f"{text} ({remark})" if text else remark


def _add_format(result: Json, node: Json, kind: str) -> None:
    name = as_text(node.get("format"))
    if name in _FORMATS.get(kind, ()):
        result["format"] = name
    elif name and kind == "string":
        _append(result, f"format: {name}")


def _add_exclusive_bounds(result: Json, node: Json, kind: str) -> None:
    """The subset has inclusive bounds only: exact for whole numbers, the nearest for others."""
    for keyword, bound, step in (("exclusiveMinimum", "minimum", 1), ("exclusiveMaximum", "maximum", -1)):
        value: Any = node.get(keyword)
        if _is_number(value) and kind in ("number", "integer"):
            result.setdefault(bound, value + step if kind == "integer" else value)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _check_depth(depth: int) -> None:
    if depth > _DEEPEST:
        refuse(f"a JSON schema nests more than {_DEEPEST} levels deep")


_MAPS = frozenset({"properties", "$defs", "definitions", "patternProperties", "dependentSchemas"})
_NODES = frozenset({"items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames"})
_LISTS = frozenset({"anyOf", "oneOf", "allOf", "prefixItems"})


def _plain(given: Any, depth: int) -> Json:
    _check_depth(depth)
    node = as_object(given)
    reference = as_text(node.get("$ref"))
    if reference:
        moved = reference.replace("#/definitions/", "#/$defs/")
        node = {**{key: value for key, value in node.items() if key in ("$defs", "definitions")}, "$ref": moved}
    result: Json = {}
    for key, value in node.items():
        if key in _MAPS and isinstance(value, dict):
            named = "$defs" if key == "definitions" else key
            result[named] = {name: _plain(one, depth + 1) for name, one in as_object(value).items()}
        elif key in _LISTS or (key == "items" and isinstance(value, list)):
            result["prefixItems" if key == "items" else key] = [_plain(one, depth + 1) for one in as_list(value)]
        elif key in _NODES and isinstance(value, dict):
            result[key] = _plain(value, depth + 1)
        elif key == "const":
            result["enum"] = [value]
        else:
            result[key] = value
    return result
