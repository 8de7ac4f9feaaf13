"""The reference of the configuration, as Markdown: every section, key, type, default and meaning.

Made from the attrs classes that the loader itself works from, so that it cannot say anything else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from types import UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

import attrs
from docs_meanings import MEANINGS
from modelmesh_core.config.containers import is_list, is_mapping
from modelmesh_core.config.documentation import describe_class, describe_fields
from modelmesh_core.config.fields import IDENTITY, Field, fields_of
from modelmesh_core.config.schema import (
    HealthConfig,
    ProviderConfig,
    SecretsConfig,
    Sections,
    SinkConfig,
    StorageConfig,
    SyncConfig,
)
from modelmesh_core.wire.http import HttpTimeouts

_WORDS: Mapping[Any, str] = {str: "text", bool: "true or false", int: "whole number", float: "number", Any: "anything"}
_NAMED: Mapping[str, str] = {
    "Decimal": "amount in USD",
    "Secret": "secret",
    "Path": "path",
    "duration": "duration",
    "size": "size",
    "time zone": "time zone",
    "cron": "five cron fields",
    "url": "address",
    "sha256": "64 hexadecimal digits",
    "error code": "HTTP status, `timeout` or `connection`",
    "endpoint": "endpoint",
    "one or many": "text, or list of texts",
    "capability paths": "list of paths, or nested mapping",
    "features": "mapping of feature to true or false, or list of features",
    "sinks": "id, mapping of `connector` and its options, or list of these",
}
_WITH_OPTIONS = (SecretsConfig, ProviderConfig, StorageConfig, SinkConfig, SyncConfig, HealthConfig)


class Part(NamedTuple):
    """A section of the configuration: where it stands, and the class that it is read into."""

    path: str
    cls: type


def reference() -> str:
    """Every section, top down."""
    return "\n".join(line for part in _parts(Part("", Sections)) for line in _section(part))


def options_table(cls: type) -> str:
    """The options of a connector."""
    return "\n".join(_table(Part("", cls), _own_fields(cls)))


def undocumented() -> list[str]:
    """``Class.key`` of every key without a meaning."""
    return [
        f"{part.cls.__name__}.{field.name}"
        for part in _parts(Part("", Sections))
        for field in _own_fields(part.cls)
        if not _meaning(part.cls, field)
    ]


def unused() -> list[str]:
    """The meanings that are said in the code by now, or whose key is gone."""
    classes = [part.cls for part in _parts(Part("", Sections))]
    keys = {f"{cls.__name__}.{field.name}" for cls in classes for field in _own_fields(cls)}
    said = {f"{cls.__name__}.{name}" for cls in classes for name in describe_fields(cls)}
    return sorted(name for name in MEANINGS if name not in keys or name in said)


def slug(heading: str) -> str:
    """The anchor that a heading gets."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _parts(part: Part) -> Iterator[Part]:
    """``part`` and what is below it; the destinations, which three sections share, once."""
    yield from dict.fromkeys(_all_parts(part))


def _all_parts(part: Part) -> Iterator[Part]:
    yield part
    for field in fields_of(part.cls):
        below = _below(field)
        if below is not None:
            yield from _all_parts(_part_below(part, field, below))


def _part_below(part: Part, field: Field, below: Part) -> Part:
    if below.cls is SinkConfig:
        return Part("observability.*.connector", SinkConfig)
    return Part(f"{part.path}.{field.name}{below.path}".lstrip("."), below.cls)


def _below(field: Field) -> Part | None:
    """The section that a key holds: its class, and what stands between the key and the section's own keys."""
    for kind in _members(field.type):
        if get_origin(kind) is Annotated:
            marker = get_args(kind)[1]
            if isinstance(marker, type):
                return Part("", marker)
            if marker == "sinks":
                return Part("", SinkConfig)
        elif is_mapping(kind) and attrs.has(element := (*get_args(kind), Any, Any)[1]):
            return Part(f".<{IDENTITY.get(element, 'name')}>", element)
        elif is_list(kind) and attrs.has(element := next(iter(get_args(kind)), Any)):
            return Part("[]", element)
        elif isinstance(kind, type) and attrs.has(kind):
            return Part("", kind)
    return None


def _members(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)


def _own_fields(cls: type) -> list[Field]:
    return [field for field in fields_of(cls) if field.is_written]


def _section(part: Part) -> Iterator[str]:
    yield _heading(part)
    yield ""
    yield _in_yaml(describe_class(part.cls) or "")
    if part.cls in _WITH_OPTIONS:
        yield ""
        yield "The options of the connector stand beside these keys: see [below](#connectors-that-come-with-modelmesh)."
    yield ""
    yield from _table(part, _own_fields(part.cls))
    yield ""


def _heading(part: Part) -> str:
    return f"### `{part.path}`" if part.path else "### The whole file"


def _table(part: Part, fields: list[Field]) -> Iterator[str]:
    yield "| key | type | default | meaning |"
    yield "|---|---|---|---|"
    for field in fields:
        kind = _type_of(field)
        below = _below(field)
        if below is not None:
            anchor = slug(_heading(_part_below(part, field, below)).removeprefix("### "))
            kind = re.sub(r"\b(sections?|mapping of `connector`)", rf"[\1](#{anchor})", kind, count=1)
        cells = (f"`{field.name}`", kind, _default_of(field), _in_yaml(_meaning(part.cls, field)))
        yield f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


def _in_yaml(text: str) -> str:
    return re.sub(r"\bNone\b(?!:)", "null", text)


def _meaning(cls: type, field: Field) -> str:
    described = describe_fields(cls).get(field.name)
    if described:
        return described
    below = _below(field)
    return MEANINGS.get(f"{cls.__name__}.{field.name}") or (describe_class(below.cls) or "" if below else "")


# --- types -----------------------------------------------------------------------------------------------------------


def _type_of(field: Field) -> str:
    text = " or ".join(_described(kind) for kind in _members(field.type) if kind is not type(None))
    if type(None) in _members(field.type) and field.default not in (None, attrs.NOTHING):
        text += " or null"
    return text + _bounds(field)


def _described(kind: Any) -> str:
    if get_origin(kind) is Annotated:
        marker = get_args(kind)[1]
        return "section" if isinstance(marker, type) else _NAMED[marker]
    if get_origin(kind) is Literal:
        return ", ".join(f"`{choice}`" for choice in get_args(kind))
    if is_list(kind):
        return f"list of {_plural(_described(next(iter(get_args(kind)), Any)))}"
    if is_mapping(kind):
        return f"mapping of names to {_plural(_described((*get_args(kind), Any, Any)[1]))}"
    if kind is HttpTimeouts:
        return "section, or duration"
    if isinstance(kind, type) and attrs.has(kind):
        return "section"
    return _WORDS.get(kind) or _NAMED[kind.__name__]


def _plural(text: str) -> str:
    if text.startswith("`"):
        return text
    return text if " or " in text else text + "s"


def _bounds(field: Field) -> str:
    lowest, highest = field.minimum, field.maximum
    if highest is not None:
        return f", {lowest} to {highest}"
    return f", at least {lowest}" if lowest == 1 else ", longer than 0" if lowest == 0.001 else ""


# --- defaults --------------------------------------------------------------------------------------------------------


def _default_of(field: Field) -> str:
    default = field.default
    if default is attrs.NOTHING:
        return "required"
    if isinstance(default, attrs.Factory):  # pyright: ignore[reportArgumentType]
        default = default.factory()
    if default is None or default in ("", (), {}) or attrs.has(type(default)):
        return "–"
    return f"`{_written(default, field.type)}`"


def _written(value: Any, kind: Any) -> str:
    markers = {get_args(member)[1] for member in _members(kind) if get_origin(member) is Annotated}
    if isinstance(value, str):
        return value
    if "duration" in markers:
        return duration(value)
    if "size" in markers:
        return f"{value // 1024**2}MB"
    if isinstance(value, tuple):
        return f"[{', '.join(_written(item, None) for item in value)}]"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value.normalize() if isinstance(value, Decimal) else value)


def duration(seconds: float) -> str:
    """As it would be written in a file, in the largest unit that fits."""
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * length and seconds % length == 0:
            return f"{seconds / length:g}{unit}"
    return f"{seconds * 1000:g}ms" if seconds < 1 else f"{seconds:g}s"
