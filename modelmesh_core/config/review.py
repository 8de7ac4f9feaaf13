"""What the checks share: the configuration under review, the connectors, and the problems found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from ..catalogue.assembly import ListedProvider
from ..errors import ConnectorError, Problem
from ..interfaces.provider import CatalogueModel, ProviderConnector
from ..registry import ConnectorRegistry
from .document import Section, child, locate
from .mistakes import Path, describe, nearest, shown
from .references import Reference, SecretText
from .schema import Sections
from .structure import structure_options

R = TypeVar("R")


class Review:
    """One pass over a configuration. Problems are noted with their places, and the pass goes on."""

    def __init__(self, sections: Sections, root: Section, registry: ConnectorRegistry) -> None:
        self.sections = sections
        self.root = root
        self.registry = registry
        self.problems: list[Problem] = []
        self.providers: dict[str, ProviderConnector] = {}
        """Name of the entry → its connector, as far as it could be loaded."""
        self._catalogues: dict[str, Mapping[str, CatalogueModel]] = {}

    def report(self, message: str, *path: str | int, at_key: bool = False) -> None:
        """Note a problem at ``path``."""
        self.problems.append(Problem(message, path, *locate(self.root, path, at_key=at_key)))

    def raw(self, *path: str | int) -> Any:
        """What was written at ``path``; None if nothing was."""
        node: Any = self.root
        for step in path:
            node, _ = child(node, step)
        return node

    def resolve(self, kind: str, name: str | Reference, *path: str | int) -> str | Reference:
        """The full id of a connector; the name itself, with a problem noted, if there is none."""
        if isinstance(name, Reference):
            return name
        if len(name) > 100:
            self.report(f"expected the id of a {kind} connector, found {shown(name)}.", *path)
            return name
        try:
            return self.registry.resolve_id(kind, name)
        except ConnectorError as error:
            is_secret = isinstance(name, SecretText)
            self.report(f"this reference names no {kind} connector." if is_secret else str(error), *path)
            return name

    def load(self, record_type: type[R], kind: str, name: str | Reference, *path: str | int) -> tuple[Any, R | None]:
        """The full id of a connector and its record; None, with a problem noted, if it cannot be had."""
        before = len(self.problems)
        connector_id = self.resolve(kind, name, *path)
        if isinstance(connector_id, Reference) or len(self.problems) > before:
            return connector_id, None
        try:
            return connector_id, self.registry.connector(record_type, connector_id)
        except ConnectorError as error:
            self.report(str(error), *path)
            return connector_id, None

    def options(self, options_class: type | None, raw: Mapping[str, Any], own_keys: Sequence[str], *path: str) -> Any:
        """An instance of a connector's options class, made from the keys at ``path`` that the section left over."""
        made, found = structure_options(options_class, raw, own_keys)
        self.take(found, *path)
        return made

    def take(self, found: Sequence[tuple[Path, Exception]], *prefix: str | int) -> None:
        """Note what the hooks found wrong below ``prefix``."""
        for path, error in found:
            whole = (*prefix, *path)
            self.report(describe(error, whole), *whole, at_key=getattr(error, "is_about_key", False))

    def catalogue(self, provider: str) -> Mapping[str, CatalogueModel]:
        """What the connector of a provider lists, by the ids that it has under this entry. May be empty."""
        known = self._catalogues.get(provider)
        if known is None:
            connector = self.providers.get(provider)
            known = {}
            try:
                if connector is not None:
                    vendor = connector.default_name or connector.id.partition(".")[0]
                    models = list(connector.models())
                    entry = ListedProvider(provider, vendor, models)
                    known = {entry.own_id(model): model for model in models}
            except Exception as error:
                self.report(f"the connector's catalogue cannot be read: {type(error).__name__}.", "providers", provider)
            self._catalogues[provider] = known
        return known

    def expect_known(self, what: str, name: Any, known: Sequence[str], *path: str | int) -> bool:
        """Whether ``name`` is one of ``known``; a reference counts as known. Notes a problem otherwise."""
        if isinstance(name, Reference) or name in known:
            return True
        self.report(f"no {what} is named {shown(name)}.{nearest(str(name), known)}", *path)
        return False


def is_known(value: Any) -> bool:
    """Whether a value is there to be checked: not a reference that waits, nor one that was refused."""
    return not isinstance(value, Reference)
