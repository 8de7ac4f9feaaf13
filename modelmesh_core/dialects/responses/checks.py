"""Reading what a caller sent: a value of the wrong type is a DialectError that names its place."""

from __future__ import annotations

from typing import Any, cast

from ...wire.messages import Body
from ..protocol import DialectError

_NAMES = {str: "a string", dict: "an object", list: "a list", bool: "true or false", int: "a whole number"}


def wrong(place: str, expected: str, value: Any) -> DialectError:
    """The error for ``value``, which stands at ``place``."""
    return DialectError(f"{place} has to be {expected}, not {_kind(value)}", place)


def text_at(body: Body, key: str, place: str = "") -> str:
    """The string under ``key``."""
    value = body.get(key)
    if not isinstance(value, str):
        raise wrong(_join(place, key), "a string", value)
    return value


def object_of(value: Any, place: str) -> Body:
    """``value``, an object."""
    if not isinstance(value, dict):
        raise wrong(place, "an object", value)
    return cast("Body", value)


def list_of(value: Any, place: str) -> list[Any]:
    """``value``, a list."""
    if not isinstance(value, list):
        raise wrong(place, "a list", value)
    return cast("list[Any]", value)


def objects_of(value: Any, place: str) -> list[Body]:
    """``value``, a list of objects."""
    return [object_of(item, f"{place}[{index}]") for index, item in enumerate(list_of(value, place))]


def _join(place: str, key: str) -> str:
    return f"{place}.{key}" if place else key


def _kind(value: Any) -> str:
    if value is None:
        return "missing or null"
    return _NAMES.get(cast("type[Any]", type(value)), "a number")
