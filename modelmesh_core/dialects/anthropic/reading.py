"""Reading a caller's body: what has another type than it must have is a DialectError that names the place."""

from __future__ import annotations

from typing import Any, cast

import orjson

from ...wire.shapes import Json
from ..protocol import DialectError


def wrong(place: str, expected: str) -> DialectError:
    """The error for a value that is not what ``place`` has to hold."""
    return DialectError(f"{place}: expected {expected}", place)


def object_at(value: Any, place: str) -> Json:
    """``value``, which must be an object. Raises DialectError."""
    if not isinstance(value, dict):
        raise wrong(place, "an object")
    return cast("Json", value)


def list_at(value: Any, place: str) -> list[Any]:
    """``value``, which must be a list. Raises DialectError."""
    if not isinstance(value, list):
        raise wrong(place, "a list")
    return cast("list[Any]", value)


def text_at(value: Any, place: str) -> str:
    """``value``, which must be a string. Raises DialectError."""
    if not isinstance(value, str):
        raise wrong(place, "a string")
    return value


def name_at(value: Any, place: str) -> str:
    """``value``, which must be a string with something in it. Raises DialectError."""
    if not isinstance(value, str) or not value:
        raise wrong(place, "a string that is not empty")
    return value


def flag_at(value: Any, place: str) -> bool:
    """``value``, which must be true or false. Raises DialectError."""
    if not isinstance(value, bool):
        raise wrong(place, "true or false")
    return value


def number_at(value: Any, place: str) -> int | float:
    """``value``, which must be a number. Raises DialectError."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise wrong(place, "a number")
    return value


def count_at(value: Any, place: str) -> int:
    """``value``, which must be an integer that is not negative. Raises DialectError."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise wrong(place, "an integer that is not negative")
    return value


def json_at(value: Any, place: str) -> str:
    """``value`` as JSON text. Raises DialectError for what JSON cannot hold."""
    try:
        return orjson.dumps(value).decode()
    except TypeError as error:
        raise wrong(place, f"what can be written as JSON ({error})") from error


def without(source: Json, *known: str) -> Json:
    """The fields of ``source`` that are not ``known`` and say something."""
    return {key: value for key, value in source.items() if key not in known and value is not None}
