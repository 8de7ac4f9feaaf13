"""ConnectorRegistry: finds connectors without importing them, imports what the configuration names.

The only room that knows pluggy's PluginManager. Everybody else calls named relays.
"""

from __future__ import annotations

import difflib
import hashlib
import hmac
import inspect
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar, cast

import attrs
import pluggy

from . import hookspecs
from .errors import ConnectorError
from .interfaces.discovery import DiscoveryConnector
from .interfaces.observability import ObservabilityConnector
from .interfaces.provider import ProviderConnector
from .interfaces.secret_store import SecretStoreConnector
from .interfaces.storage import StorageConnector
from .values import is_connector_id

GROUP = "modelmesh.connectors"
KINDS = ("provider", "rotation", "secret-store", "storage", "observability", "discovery")

_RECORDS: dict[str, tuple[type, str]] = {
    "provider": (ProviderConnector, "provider_connectors"),
    "secret-store": (SecretStoreConnector, "secret_store_connectors"),
    "storage": (StorageConnector, "storage_connectors"),
    "observability": (ObservabilityConnector, "observability_connectors"),
    "discovery": (DiscoveryConnector, "discovery_connectors"),
}

Record = ProviderConnector | SecretStoreConnector | StorageConnector | ObservabilityConnector | DiscoveryConnector
R = TypeVar("R")


@attrs.frozen
class ConnectorInfo:
    """One connector as ``list_connectors`` shows it."""

    kind: str
    id: str
    distribution: str
    """Name and version of the distribution it came from; ``in this program`` if it was registered by hand."""
    state: str
    """``available`` (not imported), ``loaded``, ``broken`` or ``conflict``."""
    error: str | None = None
    """Why it cannot be used."""


@attrs.define(slots=True)
class _Entry:
    kind: str
    id: str
    distribution: str
    load: Callable[[], Any]
    plugin: Any = None
    factory: type | None = None
    record: Any = None
    error: str | None = None
    conflict: bool = False

    @property
    def info(self) -> ConnectorInfo:
        if self.conflict:
            state = "conflict"
        elif self.error:
            state = "broken"
        else:
            state = "loaded" if self.plugin is not None or self.record is not None else "available"
        return ConnectorInfo(self.kind, self.id, self.distribution, state, self.error)


class HookRelay:
    """The hooks of one fixed set of plugins, called in an explicit order: the first plugin given answers first."""

    def __init__(self, plugins: Sequence[tuple[str, Any]]) -> None:
        manager = pluggy.PluginManager(hookspecs.PROJECT)
        manager.add_hookspecs(hookspecs)
        self._names: dict[int, str] = {}
        for name, plugin in reversed(plugins):  # pluggy calls the last registered first
            manager.register(plugin, name)
            self._names[id(plugin)] = name
        _refuse_misspelt_hooks(manager, [name for name, _ in plugins])
        self.hook = manager.hook
        self.call = _CompiledHooks(manager.hook)
        """The same hooks, compiled: for the request's path."""

    def implements(self, hook_name: str) -> bool:
        """Whether any of the plugins has an implementation of ``hook_name``."""
        return self.implementations(hook_name) > 0

    def implementations(self, hook_name: str) -> int:
        """How many of the plugins implement ``hook_name``."""
        return len(getattr(self.hook, hook_name).get_hookimpls())

    def failure(self, hook_name: str, error: BaseException) -> ConnectorError:
        """What to raise instead of ``error``, which came out of ``hook_name``: it names the plugin at fault."""
        culprit = self.culprit(hook_name, error) or "the core"
        return ConnectorError(
            f"plugin {culprit} failed in {hook_name}: {type(error).__name__}: {error}",
            hint="Mend or remove the plugin; `modelmesh connectors list` tells where it comes from.",
        )

    def culprit(self, hook_name: str, error: BaseException) -> str | None:
        """The plugin in whose implementation of ``hook_name`` ``error`` was raised."""
        codes = {
            inspect.unwrap(implementation.function).__code__: implementation.plugin_name
            for implementation in getattr(self.hook, hook_name).get_hookimpls()
            if hasattr(inspect.unwrap(implementation.function), "__code__")
        }
        trace = error.__traceback__
        while trace is not None:
            name = codes.get(trace.tb_frame.f_code)
            if name is not None:
                return name
            trace = trace.tb_next
        return None


class _CompiledHooks:
    """Firstresult hooks as plain functions, made when first called.

    Pluggy's own call costs 2 to 4 µs, most of it for wrappers and tracing. Where no plugin wraps a hook, its
    implementations are called one after the other, directly; where one does, pluggy calls them.
    """

    def __init__(self, hooks: pluggy.HookRelay) -> None:
        self._hooks = hooks

    def __getattr__(self, name: str) -> Callable[..., Any]:
        hook: pluggy.HookCaller = getattr(self._hooks, name)
        compiled = _compiled(hook)
        setattr(self, name, compiled)
        return compiled


def _compiled(hook: pluggy.HookCaller) -> Callable[..., Any]:
    implementations = hook.get_hookimpls()[::-1]  # pluggy calls the last one first
    if any(one.wrapper or one.hookwrapper for one in implementations):
        return hook
    every = set(hook.spec.argnames) if hook.spec is not None else None
    plain = [(one.function, None if set(one.argnames) == every else one.argnames) for one in implementations]
    if len(plain) == 1 and plain[0][1] is None:
        return plain[0][0]

    def call(**arguments: Any) -> Any:
        for function, names in plain:  # no names: it takes all that there is
            result = function(**arguments) if names is None else function(*[arguments[name] for name in names])
            if result is not None:
                return result
        return None

    return call


def _refuse_misspelt_hooks(manager: pluggy.PluginManager, names: Sequence[str]) -> None:
    try:
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        known = [name for name in vars(hookspecs) if hasattr(getattr(hookspecs, name), f"{hookspecs.PROJECT}_spec")]
        unknown = [name for name in vars(manager.hook) if not name.startswith("_") and name not in known]
        near = [match for name in unknown for match in difflib.get_close_matches(name, known, n=1)]
        raise ConnectorError(
            f"plugin {' or '.join(names)} implements a hook that does not exist: {', '.join(unknown)}.",
            hint=f"Did you mean {', '.join(near)}?" if near else "hookspecs.py lists every hook.",
        ) from error


class ConnectorRegistry:
    """All connectors of all kinds, by (kind, id).

    Installed ones are found through the entry-point group ``modelmesh.connectors`` and imported when first asked for.
    One that fails to import is reported with its distribution and never takes the others down.
    """

    def __init__(self, *, discover: bool = True) -> None:
        self._entries: dict[tuple[str, str], _Entry] = {}
        self._undiscovered = discover
        self._lock = threading.RLock()

    # --- finding -----------------------------------------------------------------------------------------------------

    def _known(self) -> dict[tuple[str, str], _Entry]:
        with self._lock:
            if self._undiscovered:
                self._undiscovered = False
                import importlib_metadata

                points = cast(Any, importlib_metadata).entry_points
                self._add_entry_points(points(group=GROUP))
        return self._entries

    def _add_entry_points(self, entry_points: Iterable[Any]) -> list[str]:
        added: list[str] = []
        named: dict[int, str] = {}  # reading a distribution's metadata is slow, and each has many entry points
        for point in entry_points:
            key = id(point.dist)
            if key not in named:
                named[key] = f"{point.dist.name} {point.dist.version}" if point.dist else "an unknown distribution"
            distribution = named[key]
            kind, _, connector_id = point.name.partition(".")
            entry = _Entry(kind, connector_id, distribution, point.load)
            if kind not in KINDS or not is_connector_id(connector_id):
                entry.error = (
                    f"{distribution} offers the entry point {point.name!r}, which is not KIND.VENDOR.SERVICE.vN "
                    f"with a kind of {', '.join(KINDS)}"
                )
            other = self._entries.get((kind, connector_id))
            if other is not None and other.distribution != distribution:
                other.conflict = True
                other.error = f"offered by both {other.distribution} and {distribution}; uninstall one of them"
            elif other is None:
                self._entries[kind, connector_id] = entry
                added.append(point.name)
        return added

    def list_connectors(self, kind: str | None = None) -> list[ConnectorInfo]:
        """Every connector that is known, without importing any, sorted by kind and id."""
        entries = [entry for entry in self._known().values() if kind is None or entry.kind == kind]
        return [
            entry.info
            for entry in sorted(
                entries,
                key=lambda entry: (
                    (KINDS.index(entry.kind), entry.id) if entry.kind in KINDS else (len(KINDS), entry.id)
                ),
            )
        ]

    def resolve_id(self, kind: str, name: str) -> str:
        """The full id of the ``kind`` connector that ``name`` means.

        Accepted: the full id, ``kind.id``, ``vendor.service`` without its version, and the service alone where only
        one fits. Raises ConnectorError naming the nearest ids.
        """
        name = name.removeprefix(f"{kind}.")
        known = [entry.id for entry in self._known().values() if entry.kind == kind]
        if name in known:
            return name
        matches = [own for own in known if name in (own.rpartition(".")[0], own.rpartition(".")[0].partition(".")[2])]
        if len(matches) == 1:
            return matches[0]
        if matches:
            raise ConnectorError(f"{name!r} can mean any of {', '.join(sorted(matches))}.", hint="Write the full id.")
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
        raise ConnectorError(
            f"no {kind} connector is named {name!r}.",
            hint=(f"Did you mean {', '.join(near)}? " if near else "")
            + "`modelmesh connectors list` shows what is installed.",
        )

    # --- loading -----------------------------------------------------------------------------------------------------

    def get_plugin(self, kind: str, name: str) -> Any:
        """The plugin object (a module, or an instance of the class) behind a connector, imported if need be."""
        return self._load(kind, name).plugin

    def make_plugin(self, kind: str, name: str) -> Any:
        """A plugin for one pool: a new instance where the connector is a class, so that pools share no memory."""
        entry = self._load(kind, name)
        return entry.factory() if entry.factory is not None else entry.plugin

    def get_connector(self, kind: str, name: str) -> Any:
        """The connector's record (for ``rotation``: its plugin), imported if need be. Raises ConnectorError."""
        entry = self._load(kind, name)
        return entry.plugin if kind == "rotation" else entry.record

    def connector(self, record_type: type[R], name: str) -> R:
        """``get_connector`` for callers that know the record's type."""
        kind = next(kind for kind, (known, _) in _RECORDS.items() if known is record_type)
        return cast(R, self.get_connector(kind, name))

    def _load(self, kind: str, name: str) -> _Entry:
        entry = self._known()[kind, self.resolve_id(kind, name)]
        with self._lock:
            if entry.error is None and entry.plugin is None and entry.record is None:
                self._import(entry)
        if entry.error is not None:
            raise ConnectorError(
                f"connector {entry.kind}.{entry.id} of {entry.distribution} cannot be used: {entry.error}",
                hint="`modelmesh doctor` shows the state of every connector.",
            )
        return entry

    def _import(self, entry: _Entry) -> None:
        try:
            loaded = entry.load()
            entry.factory = loaded if isinstance(loaded, type) else None
            plugin = loaded() if isinstance(loaded, type) else loaded
            if entry.kind != "rotation":
                entry.record = self._record_of(entry, plugin)
            else:
                HookRelay([(entry.id, plugin)])  # refuses misspelt hooks and signatures now, not at the first request
            entry.plugin = plugin
        except Exception as error:
            entry.error = f"{type(error).__name__}: {error}"

    def _record_of(self, entry: _Entry, plugin: Any) -> Any:
        record_type, hook_name = _RECORDS[entry.kind]
        relay = HookRelay([(entry.id, plugin)])
        offered = [record for records in getattr(relay.hook, hook_name)() for record in records]
        for record in offered:
            if isinstance(record, record_type) and getattr(record, "id") == entry.id:  # noqa: B009
                return record
        ids = ", ".join(str(getattr(record, "id", record)) for record in offered) or "nothing"
        raise ConnectorError(f"its hook {hook_name} yields {ids}, not {entry.id}")

    # --- by hand -----------------------------------------------------------------------------------------------------

    def register(self, connector: Record | ModuleType | object, *, id: str | None = None) -> None:
        """Add a connector of this program: a record, or (with ``id``) a rotation plugin.

        Raises ConnectorError if the (kind, id) exists, or the id is malformed.
        """
        kind = next((kind for kind, (known, _) in _RECORDS.items() if isinstance(connector, known)), "rotation")
        own_id = id or getattr(connector, "id", None)
        if not isinstance(own_id, str) or not is_connector_id(own_id):
            raise ConnectorError(f"{own_id!r} is no connector id.", hint="Ids read vendor.service.vN, in lower case.")
        with self._lock:
            if (kind, own_id) in self._known():
                raise ConnectorError(
                    f"{kind}.{own_id} is registered already, by {self._entries[kind, own_id].distribution}."
                )
            entry = _Entry(kind, own_id, "in this program", lambda: connector)
            if kind == "rotation":
                plugin: Any = connector() if isinstance(connector, type) else connector
                HookRelay([(own_id, plugin)])
                entry.plugin = plugin
                entry.factory = connector if isinstance(connector, type) else None
            else:
                entry.record = connector
            self._entries[kind, own_id] = entry

    def load_package(self, path: str | Path, sha256: str) -> list[str]:
        """Take the connectors of a zip or wheel on disk; returns their ``kind.id`` names.

        The file's hash must match; it must declare its connectors as an installed package would (a ``.dist-info``
        with entry points). Nothing is ever loaded from a URL.
        """
        file = Path(path)
        try:
            digest = hashlib.sha256(file.read_bytes()).hexdigest()
        except OSError as error:
            raise ConnectorError(f"package {file} cannot be read: {error.strerror}.") from error
        if not hmac.compare_digest(digest, sha256.lower()):
            raise ConnectorError(
                f"package {file} has SHA-256 {digest}, the configuration says {sha256}.",
                hint="Do not load it unless you know why it changed.",
            )
        import importlib_metadata

        self._known()
        find = cast(Any, importlib_metadata).distributions
        distributions = list(find(path=[str(file)]))
        points = [p for d in distributions for p in d.entry_points.select(group=GROUP)]
        if not points:
            raise ConnectorError(f"package {file} declares no entry points in the group {GROUP}.")
        if str(file.resolve()) not in sys.path:
            sys.path.append(str(file.resolve()))
        return self._add_entry_points(points)


def distribution_of(registry: ConnectorRegistry, kind: str, connector_id: str) -> str:
    """Name and version of the distribution that offers a connector, for error messages."""
    for info in registry.list_connectors(kind):
        if info.id == connector_id:
            return info.distribution
    return "an unknown distribution"
