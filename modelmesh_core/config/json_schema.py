"""The JSON Schema of a configuration, for editors: made from the same classes as the loader."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import attrs

from ..catalogue.definitions import FEATURES
from ..errors import ConnectorError
from ..registry import ConnectorRegistry
from ..settings import PoolSettings
from ..wire.http import HttpTimeouts
from .containers import is_list, is_mapping
from .documentation import describe_class, describe_fields
from .fields import Field, fields_of
from .scalars import MARKED, SCALARS
from .schema import (
    ConnectorsConfig,
    HealthConfig,
    ProviderConfig,
    SecretsConfig,
    Sections,
    SinkConfig,
    StorageConfig,
    SyncConfig,
)

Schema = dict[str, Any]

_REFERENCE: Schema = {"$ref": "#/$defs/reference"}
_PATTERN = r"\$\{(secrets|env):[^{}]+\}"
_CONNECTOR_FIELDS: Mapping[tuple[type, str], str] = {
    (ProviderConfig, "connector"): "provider",
    (StorageConfig, "connector"): "storage",
    (SinkConfig, "connector"): "observability",
    (SyncConfig, "connector"): "discovery",
    (HealthConfig, "connector"): "discovery",
    (SecretsConfig, "store"): "secret-store",
    (PoolSettings, "strategy"): "rotation",
    (PoolSettings, "selector"): "rotation",
    (PoolSettings, "fallback_strategy"): "rotation",
    (ConnectorsConfig, "plugins"): "rotation",
}
_KINDS_WITH_OPTIONS: Mapping[type, str] = {
    ProviderConfig: "provider",
    StorageConfig: "storage",
    SinkConfig: "observability",
    SyncConfig: "discovery",
    HealthConfig: "discovery",
}


def json_schema(registry: ConnectorRegistry | None = None) -> Schema:
    """The schema (draft 2020-12) of a configuration file, with the ids and the options of every installed connector.

    Imports every installed connector; one that cannot be imported takes part without its options.
    """
    return _Maker(registry or ConnectorRegistry()).make()


class _Maker:
    def __init__(self, registry: ConnectorRegistry) -> None:
        self._registry = registry
        self._definitions: dict[str, Schema] = {
            "reference": {
                "type": "string",
                "pattern": _PATTERN,
                "description": "A value that stands elsewhere: ${env:NAME} or ${secrets:NAME}.",
            }
        }

    def make(self) -> Schema:
        body = self._section(Sections)
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": "ModelMesh configuration",
            **body,
            "$defs": self._definitions,
        }

    # --- sections ----------------------------------------------------------------------------------------------------

    def _section(self, cls: type, options: type | None = None) -> Schema:
        """The object that ``cls`` stands for, with the keys of ``options`` among its own."""
        properties: Schema = {}
        required: list[str] = []
        for owner in (cls, options):
            documentation = describe_fields(owner) if owner else dict[str, str]()
            for field in fields_of(owner) if owner else ():
                if field.is_written and field.name not in properties:
                    properties[field.name] = self._property(owner or cls, field, documentation.get(field.name))
                    required.extend([field.name] if field.default is attrs.NOTHING else [])
        if cls is SecretsConfig:
            for record in self._records("secret-store").values():
                if options_class := getattr(record, "options", None):
                    properties = {**self._section(options_class)["properties"], **properties}
        schema: Schema = {"type": ["object", "null"], "properties": properties, "additionalProperties": False}
        if required:
            schema["required"] = required
        if description := describe_class(cls):
            schema["description"] = description
        return schema

    def _property(self, cls: type, field: Field, description: str | None) -> Schema:
        kind = _CONNECTOR_FIELDS.get((cls, field.name))
        schema = self._type(field.type, field) if kind is None else self._connector_field(kind, field)
        if description:
            schema = {**schema, "description": description}
        default: Any = field.default
        if isinstance(default, (str, int, float)) and default != "":
            schema = {**schema, "default": default}
        return schema

    def _define(self, name: str, make: Any) -> Schema:
        if name not in self._definitions:
            self._definitions[name] = {}  # so that a class that names itself ends
            self._definitions[name] = make()
        return {"$ref": f"#/$defs/{name}"}

    # --- connectors --------------------------------------------------------------------------------------------------

    def _records(self, kind: str) -> dict[str, Any]:
        records: dict[str, Any] = {}
        for info in self._registry.list_connectors(kind):
            try:
                records[info.id] = self._registry.get_connector(kind, info.id) if kind != "rotation" else None
            except ConnectorError:
                records[info.id] = None
        return records

    def _spellings(self, kind: str, connector_id: str) -> list[str]:
        """Everything that the loader takes for a connector, the full id first."""
        unversioned = connector_id.rpartition(".")[0]
        spellings = [connector_id]
        for name in (unversioned, unversioned.partition(".")[2], f"{kind}.{connector_id}"):
            try:
                spellings.extend([name] if self._registry.resolve_id(kind, name) == connector_id else [])
            except ConnectorError:
                continue  # ambiguous, so that the loader refuses it as well
        return spellings

    def _connector_id(self, kind: str) -> Schema:
        ids = [info.id for info in self._registry.list_connectors(kind)]
        short = [name for own in ids for name in self._spellings(kind, own)[1:]]
        return {"anyOf": [{"enum": ids}, {"enum": short}, _REFERENCE]} if ids else {"type": "string"}

    def _connector_field(self, kind: str, field: Field) -> Schema:
        one = self._define(f"{kind}-id", lambda: self._connector_id(kind))
        if field.name == "fallback_strategy":
            one = {"anyOf": [one, {"const": "error"}]}
        if field.name == "store":
            return {"anyOf": [one, {"type": ["array", "null"], "items": one}]}
        if field.name == "plugins":
            return {"type": ["array", "null"], "items": one}
        return {"anyOf": [one, {"type": "null"}]} if get_origin(field.type) in (Union, UnionType) else one

    def _with_options(self, cls: type, kind: str) -> Schema:
        """Which options are known is decided by ``connector``."""
        plain = self._section(cls)
        cases: list[Schema] = []
        known: list[str] = []
        for connector_id, record in self._records(kind).items():
            spellings = self._spellings(kind, connector_id)
            known.extend(spellings)
            cases.append({"if": _names(spellings), "then": self._variant(cls, kind, connector_id, record)})
        cases.append({"if": {"not": _names(known)}, "then": plain})
        return {"type": ["object", "null"], "properties": plain["properties"], "allOf": cases}

    def _variant(self, cls: type, kind: str, connector_id: str, record: Any) -> Schema:
        options = getattr(record, "options", None)
        return self._define(f"{kind}-{connector_id}", lambda: self._section(cls, options))

    def _providers(self) -> Schema:
        """An entry without ``connector`` is known by its name."""
        general = self._define("ProviderConfig", lambda: self._with_options(ProviderConfig, "provider"))
        named: dict[str, list[Schema]] = {}
        spelt: dict[str, list[Schema]] = {}
        for connector_id, record in self._records("provider").items():
            variant = self._variant(ProviderConfig, "provider", connector_id, record)
            name = getattr(record, "default_name", "") or connector_id.partition(".")[0]
            named.setdefault(name, []).append(variant)
            for spelling in self._spellings("provider", connector_id):
                spelt.setdefault(spelling, []).append(variant)
        named = {**spelt, **named}
        properties = {
            name: {"if": {"required": ["connector"]}, "then": general, "else": variants[0]}
            for name, variants in named.items()
            if len(variants) == 1
        }
        return {"type": ["object", "null"], "properties": properties, "additionalProperties": general}

    # --- types -------------------------------------------------------------------------------------------------------

    def _type(self, kind: Any, field: Field | None = None) -> Schema:
        if get_origin(kind) is Annotated:
            return self._annotated(kind)
        if get_origin(kind) in (Union, UnionType):
            return {"anyOf": [self._type(member, field) for member in get_args(kind)]}
        if kind is type(None):
            return {"type": "null"}
        if kind in SCALARS:
            return _or_reference(_bounded(dict(SCALARS[kind].schema), field))
        if get_origin(kind) is Literal:
            return _or_reference({"enum": list(get_args(kind))})
        if isinstance(kind, type) and issubclass(kind, Enum):
            return _or_reference({"enum": [member.value for member in kind]})
        if is_list(kind):
            return {"type": ["array", "null"], "items": self._type(next(iter(get_args(kind)), Any))}
        if is_mapping(kind):
            element = (*get_args(kind), Any, Any)[1]
            if element is ProviderConfig:
                return self._providers()
            return {"type": ["object", "null"], "additionalProperties": self._type(element)}
        if isinstance(kind, type) and attrs.has(kind):
            return self._class(kind)
        return {}

    def _class(self, cls: type) -> Schema:
        connector_kind = _KINDS_WITH_OPTIONS.get(cls)
        if connector_kind:
            return self._define(cls.__name__, lambda: self._with_options(cls, connector_kind))
        name = cls.__name__ if cls.__module__.startswith("modelmesh_core.") else f"{cls.__module__}.{cls.__qualname__}"
        section = self._define(name, lambda: self._section(cls))
        if cls is HttpTimeouts:
            return {"anyOf": [_or_reference(dict(MARKED["duration"].schema)), section]}
        return section

    def _annotated(self, kind: Any) -> Schema:
        base, marker = get_args(kind)[:2]
        if isinstance(marker, type):
            return self._class(marker)
        if marker in MARKED:
            return _or_reference(dict(MARKED[marker].schema))
        if marker == "one or many":
            return {"anyOf": [{"type": "string"}, {"type": ["array", "null"], "items": {"type": "string"}}]}
        if marker == "sinks":
            one = {"anyOf": [self._define("observability-id", lambda: self._connector_id("observability"))]}
            one["anyOf"].append(self._class(SinkConfig))
            return {"anyOf": [*one["anyOf"], {"type": ["array", "null"], "items": one}]}
        if marker == "features":
            names = sorted(FEATURES)
            switches = {name: _or_reference({"type": "boolean"}) for name in names}
            mapping: Schema = {"type": ["object", "null"], "properties": switches, "additionalProperties": False}
            return {"anyOf": [mapping, {"type": "array", "items": {"enum": names}}]}
        if marker == "capability paths":
            return self._define("capabilities", _capabilities)
        return self._type(base)


def _names(spellings: list[str]) -> Schema:
    return {"required": ["connector"], "properties": {"connector": {"enum": spellings}}}


def _or_reference(schema: Schema) -> Schema:
    return schema if schema.get("type") == "string" and "pattern" not in schema else {"anyOf": [schema, _REFERENCE]}


def _bounded(schema: Schema, field: Field | None) -> Schema:
    if field is None or schema.get("type") not in ("integer", "number", ["number", "string"]):
        return schema
    if field.minimum is not None:
        schema["minimum"] = field.minimum
    if field.maximum is not None:
        schema["maximum"] = field.maximum
    return schema


def _capabilities() -> Schema:
    below: Schema = {"$ref": "#/$defs/capabilities"}
    return {
        "anyOf": [
            {"type": ["object", "null"], "additionalProperties": below},
            {"type": "array", "items": {"anyOf": [{"type": "string"}, below]}},
        ]
    }
