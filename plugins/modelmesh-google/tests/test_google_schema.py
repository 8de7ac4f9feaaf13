"""Golden schemas: what Google's subset makes of JSON Schema."""

import pytest
from modelmesh_core import InvalidRequestError
from modelmesh_google.schema import compile_schema, json_schema

ADDRESS = {"type": "object", "properties": {"street": {"type": "string"}}, "required": ["street"]}
COMPILED_ADDRESS = {"type": "OBJECT", "properties": {"street": {"type": "STRING"}}, "required": ["street"]}


def prop(schema):
    """The compiled form of a property."""
    compiled = compile_schema({"type": "object", "properties": {"x": schema}})
    return compiled.schema["properties"]["x"], compiled.fits


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"type": "string", "description": "d", "minLength": 1, "pattern": "^a"},
         {"type": "STRING", "description": "d", "minLength": 1, "pattern": "^a"}),
        ({"type": ["string", "null"]}, {"type": "STRING", "nullable": True}),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}], "description": "d", "default": None},
         {"type": "INTEGER", "nullable": True, "description": "d", "default": None}),
        ({"oneOf": [{"type": "string"}, {"type": "integer"}], "description": "d"},
         {"anyOf": [{"type": "STRING", "description": "d"}, {"type": "INTEGER", "description": "d"}]}),
        ({"type": ["string", "integer", "null"]},
         {"anyOf": [{"type": "STRING", "nullable": True}, {"type": "INTEGER", "nullable": True}]}),
        ({"const": "a"}, {"type": "STRING", "enum": ["a"]}),
        ({"enum": ["a", "b", None]}, {"type": "STRING", "nullable": True, "enum": ["a", "b"]}),
        ({"type": "string", "format": "date-time"}, {"type": "STRING", "format": "date-time"}),
        ({"type": "string", "format": "email", "description": "Where"},
         {"type": "STRING", "description": "Where (format: email)"}),
        ({"type": "integer", "exclusiveMinimum": 0, "maximum": 9}, {"type": "INTEGER", "maximum": 9, "minimum": 1}),
        ({"type": "array", "items": {"type": "boolean"}, "minItems": 1, "uniqueItems": True},
         {"type": "ARRAY", "minItems": 1, "items": {"type": "BOOLEAN"}}),
        ({"$ref": "#/nowhere", "type": "number"}, {"type": "NUMBER"}),
        ({"allOf": [ADDRESS, {"properties": {"zip": {"type": "string"}}, "required": ["zip"]}], "title": "T"},
         {"type": "OBJECT", "title": "T", "properties": {"street": {"type": "STRING"}, "zip": {"type": "STRING"}},
          "required": ["street", "zip"]}),
        ({"properties": {"a": {"minimum": 1}}, "additionalProperties": False, "required": ["a", "gone"]},
         {"type": "OBJECT", "properties": {"a": {"type": "NUMBER", "minimum": 1}}, "required": ["a"]}),
        ({**ADDRESS, "anyOf": [{"required": ["street"]}]}, COMPILED_ADDRESS),
    ],
)  # fmt: skip
def test_what_fits(given, expected):
    assert prop(given) == (expected, True)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {"type": "STRING"}),
        (True, {"type": "STRING"}),
        ({"type": "object"}, {"type": "OBJECT"}),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, {"type": "OBJECT"}),
        ({"type": "integer", "enum": [1, 2]}, {"type": "INTEGER", "description": "one of: 1, 2"}),
        ({"const": True}, {"type": "BOOLEAN", "description": "one of: True"}),
        ({"type": "string", "enum": ["", "a"]}, {"type": "STRING", "description": "one of: '', 'a'"}),
        ({"type": "array", "prefixItems": [{"type": "string"}, {"type": "number"}]},
         {"type": "ARRAY", "items": {"anyOf": [{"type": "STRING"}, {"type": "NUMBER"}]}}),
        ({"type": "array"}, {"type": "ARRAY", "items": {"type": "STRING"}}),
        ({"type": "null"}, {"type": "STRING", "nullable": True}),
    ],
)  # fmt: skip
def test_what_does_not_fit_still_has_a_type(given, expected):
    assert prop(given) == (expected, False)


def test_references_are_put_in():
    schema = {
        "type": "object",
        "properties": {"home": {"$ref": "#/$defs/Address"}, "work": {"$ref": "#/$defs/Address", "description": "w"}},
        "$defs": {"Address": ADDRESS},
    }
    compiled = compile_schema(schema, ordered=True)

    assert compiled.fits
    assert compiled.schema == {
        "type": "OBJECT",
        "properties": {"home": COMPILED_ADDRESS, "work": {**COMPILED_ADDRESS, "description": "w"}},
        "propertyOrdering": ["home", "work"],
    }


def test_a_schema_that_holds_itself_ends():
    tree = {"type": "object", "properties": {"kids": {"type": "array", "items": {"$ref": "#"}}}}
    compiled = compile_schema(tree)
    kids = compiled.schema["properties"]["kids"]
    assert not compiled.fits and kids["items"]["properties"]["kids"]["items"] == {"type": "OBJECT"}


def test_references_that_multiply_do_not_take_forever():
    bomb = {
        f"l{n}": {"type": "object", "properties": {k: {"$ref": f"#/$defs/l{n + 1}"} for k in "abcdefgh"}}
        for n in range(30)
    }
    assert not compile_schema({"$ref": "#/$defs/l0", "$defs": bomb}).fits


def test_a_schema_too_deep_is_refused():
    deep = {"type": "string"}
    for _ in range(200):
        deep = {"type": "array", "items": deep}
    for compile_it in (compile_schema, json_schema):
        with pytest.raises(InvalidRequestError, match="levels deep"):
            compile_it(deep)


def test_json_schema_keeps_what_google_knows():
    given = {
        "$schema": "x",
        "type": "object",
        "properties": {
            "const": {"const": 3},
            "pair": {"items": [{"type": "string"}, {"const": "z"}]},
            "home": {"$ref": "#/definitions/A", "description": "dropped beside a reference"},
        },
        "definitions": {"A": {"enum": ["definitions"]}},
        "default": {"const": 1},
    }
    assert json_schema(given) == {
        "$schema": "x",
        "type": "object",
        "properties": {
            "const": {"enum": [3]},
            "pair": {"prefixItems": [{"type": "string"}, {"enum": ["z"]}]},
            "home": {"$ref": "#/$defs/A"},
        },
        "$defs": {"A": {"enum": ["definitions"]}},
        "default": {"const": 1},
    }
