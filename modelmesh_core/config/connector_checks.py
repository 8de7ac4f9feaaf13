"""Checks of everything that names a connector: ids, options, packages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Any, TypeVar

import attrs

from ..errors import ConnectorError
from ..interfaces.discovery import DiscoveryConnector
from ..interfaces.observability import ObservabilityConnector
from ..interfaces.provider import ProviderConnector
from ..interfaces.secret_store import SecretStoreConnector
from ..interfaces.storage import StorageConnector
from .document import locate, references_in
from .fields import written_keys
from .mistakes import UnknownKeyError, did_you_mean, shortened
from .references import Reference
from .review import Review, is_known
from .schema import (
    ConnectorPackage,
    ConnectorsConfig,
    DiscoveryConfig,
    HealthConfig,
    ObservabilityConfig,
    ProviderConfig,
    SecretsConfig,
    SinkConfig,
    StorageConfig,
    SyncConfig,
)
from .spellings import one_or_many
from .structure import structure_options

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def check_packages(review: Review) -> ConnectorsConfig:
    """Loads the packages, so that the ids in them are known to the checks that follow."""
    connectors = review.sections.connectors
    packages: list[ConnectorPackage] = []
    for index, package in enumerate(connectors.packages):
        place = ("connectors", "packages", index)
        if not is_known(package.path) or not is_known(package.sha256):
            continue
        if "://" in package.path:
            review.report("expected a file on disk; nothing is loaded from a URL.", *place, "path")
            continue
        file, _, _ = locate(review.root, (*place, "path"))
        path = FilePath(file).parent / package.path if file else FilePath(package.path)
        try:
            review.registry.load_package(path, package.sha256)
        except ConnectorError as error:
            review.report(str(error), *place, "path")
        packages.append(attrs.evolve(package, path=str(path)))
    plugins = tuple(
        review.resolve("rotation", name, "connectors", "plugins", index)
        for index, name in enumerate(connectors.plugins)
    )
    return ConnectorsConfig(tuple(packages), plugins)  # pyright: ignore[reportArgumentType]


# --- providers -------------------------------------------------------------------------------------------------------


def check_providers(review: Review) -> Mapping[str, ProviderConfig]:
    """The providers with full connector ids and typed options."""
    return {name: _check_provider(review, name, provider) for name, provider in review.sections.providers.items()}


def _check_provider(review: Review, name: str, provider: ProviderConfig) -> ProviderConfig:
    place = ("providers", name)
    if not _NAME.fullmatch(name):
        message = f"a provider's name has letters, digits, dots, dashes and underscores, found {shortened(name)}."
        review.report(message, *place, at_key=True)
    if provider.connector == "":
        connector_id, record = _default_connector(review, name)
    else:
        connector_id, record = review.load(ProviderConnector, "provider", provider.connector, *place, "connector")
    if record is None:
        return attrs.evolve(provider, connector=connector_id, options=None)
    review.providers[name] = record
    options = review.options(record.options, provider.options, written_keys(ProviderConfig), *place)
    can_be_found = record.environment is not None and record.environment.api_key
    if record.requires_api_key and provider.enabled is True and provider.api_key is None and not can_be_found:
        message = f"the key api_key is missing, and {record.id} needs one: write ${{env:NAME}} or ${{secrets:NAME}}."
        if review.raw(*place, "api_key") is None:  # otherwise it was refused, and that is said already
            review.report(message, *place, at_key=True)
    return attrs.evolve(provider, connector=connector_id, options=options)


def _default_connector(review: Review, name: str) -> tuple[str, ProviderConnector | None]:
    """The connector that an entry's name stands for: a vendor, a connector's default name, or an id."""
    place = ("providers", name)
    known = [info.id for info in review.registry.list_connectors("provider")]
    fitting = [connector_id for connector_id in known if connector_id.partition(".")[0] == name]
    if len(fitting) != 1:
        fitting = [info for info in known if _default_name(review, info) == name]
    if len(fitting) == 1:
        return review.load(ProviderConnector, "provider", fitting[0], *place)
    try:
        return review.load(ProviderConnector, "provider", review.registry.resolve_id("provider", name[:100]), *place)
    except ConnectorError as error:
        review.report(f"the key connector is missing: {error}", *place, at_key=True)
        return name, None


def _default_name(review: Review, connector_id: str) -> str:
    try:
        return review.registry.connector(ProviderConnector, connector_id).default_name
    except ConnectorError:
        return ""  # a broken connector is reported where it is named


# --- the rest --------------------------------------------------------------------------------------------------------


def check_secrets(review: Review) -> SecretsConfig:
    """The secret stores with full ids, and each store's own options out of the keys they share."""
    secrets = review.sections.secrets
    for reference in references_in(review.root):
        if reference.path[0] == "secrets" and reference.kind == "secrets":
            message = "a secret store cannot wait for a secret of the stores; use ${env:NAME}."
            review.report(message, *reference.path)
    installed = {info.id for info in review.registry.list_connectors("secret-store")}
    if review.raw("secrets", "store") is None and not secrets.options and not installed.issuperset(secrets.store):
        return attrs.evolve(secrets, options={})  # a configuration without secrets needs no store
    places = [path for path, _ in one_or_many(review.raw("secrets", "store"))] or [()]
    stores: dict[Any, Any] = {}
    taken: set[str] = set()
    records = [
        review.load(SecretStoreConnector, "secret-store", name, "secrets", "store", *place)
        for name, place in zip(secrets.store, places, strict=False)
    ]
    keys = [key for _, record in records if record and record.options for key in written_keys(record.options)]
    for connector_id, record in records:
        own = frozenset(written_keys(record.options)) if record and record.options else frozenset[str]()
        given = {key: value for key, value in secrets.options.items() if key in own}
        made, found = structure_options(record.options, given) if record and record.options else (None, [])
        review.take(found, "secrets")
        stores[connector_id] = made
        taken |= own
    if all(record for _, record in records):
        known = [*written_keys(SecretsConfig), *keys]
        review.take([((key,), UnknownKeyError(key, known)) for key in secrets.options if key not in taken], "secrets")
    return attrs.evolve(secrets, store=tuple(stores), options=stores)


def check_storage(review: Review) -> StorageConfig:
    """The storage with its full connector id and typed options."""
    storage = review.sections.storage
    own_keys = written_keys(StorageConfig)
    if storage.connector is None:
        for key in storage.options or ():
            hint = " Options of a connector need the key connector beside them." + did_you_mean(key, own_keys)
            review.take([((key,), UnknownKeyError(key, own_keys, hint))], "storage")
        return attrs.evolve(storage, options=None)
    connector_id, record = review.load(StorageConnector, "storage", storage.connector, "storage", "connector")
    options = review.options(record.options, storage.options, own_keys, "storage") if record else None
    return attrs.evolve(storage, connector=connector_id, options=options)


def check_discovery(review: Review) -> DiscoveryConfig:
    """The services with full connector ids, typed options, and providers that exist."""
    discovery = review.sections.discovery
    sync = _check_service(review, discovery.sync, "sync")
    return attrs.evolve(discovery, sync=sync, health=_check_service(review, discovery.health, "health"))


S = TypeVar("S", SyncConfig, HealthConfig)


def _check_service(review: Review, section: S, name: str) -> S:
    place = ("discovery", name)
    known = list(review.sections.providers)
    for index, provider in enumerate(section.providers):
        review.expect_known("provider", provider, known, *place, "providers", index)
    if not section.enabled and review.raw(*place, "connector") is None:
        return attrs.evolve(section, options=None)
    connector_id, record = review.load(DiscoveryConnector, "discovery", section.connector, *place, "connector")
    options = None
    if record is not None:
        options = review.options(record.options, section.options, written_keys(type(section)), *place)
    return attrs.evolve(section, connector=connector_id, options=options)


def check_observability(review: Review) -> ObservabilityConfig:
    """The observability sections with full connector ids and typed options."""
    observability = review.sections.observability
    sections: dict[str, Any] = {}
    for name in ("routing", "logging", "statistics"):
        section = getattr(observability, name)
        items = one_or_many(review.raw("observability", name, "connector"))
        sinks = tuple(
            _check_sink(review, sink, ("observability", name, "connector", *path), isinstance(item, Mapping))
            for sink, (path, item) in zip(section.connector, items, strict=False)
        )
        sections[name] = attrs.evolve(section, connector=sinks)
    return attrs.evolve(observability, **sections)


def _check_sink(review: Review, sink: Any, place: tuple[Any, ...], is_mapping: bool) -> Any:
    if isinstance(sink, Reference):
        return sink
    key = (*place, "connector") if is_mapping else place
    connector_id, record = review.load(ObservabilityConnector, "observability", sink.connector, *key)
    options = review.options(record.options, sink.options, written_keys(SinkConfig), *place) if record else None
    return SinkConfig(connector_id, options)
