"""What ``modelmesh doctor`` looks at. Each check gives its findings; what it raises is a finding, too."""

from __future__ import annotations

import asyncio
import os
import platform
import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple

from .meshes import DEFAULT_STORAGE, config_file, load_config, open_mesh
from .stores import make_store, with_environment
from .words import count

if TYPE_CHECKING:
    from ..config import MeshConfig, SecretReference
    from ..mesh import ModelMesh
    from ..registry import ConnectorRegistry
    from ..secrets import SecretResolver

OK, WARN, FAIL = "OK", "WARN", "FAIL"

PROBE_KEY = "doctor/probe"
HEALTH_SECONDS = 10.0


class Finding(NamedTuple):
    """One line of the report."""

    check: str
    status: str
    """``OK``, ``WARN`` or ``FAIL``."""
    detail: str
    advice: str = ""
    """What to do about it."""


def check_python() -> Iterator[Finding]:
    from .. import __version__

    where = f"{platform.python_implementation()} {platform.python_version()} at {sys.executable}"
    yield Finding("python", OK, where)
    yield Finding("modelmesh-core", OK, __version__)


def check_fast_engine() -> Iterator[Finding]:
    parts = ("httptools", "pyreqwest", *(() if sys.platform == "win32" else ("uvloop",)))
    missing = [name for name in parts if find_spec(name) is None]
    if missing:
        detail = f"{', '.join(missing)} not installed: slower ones serve instead"
        yield Finding("fast engine", WARN, detail, "pip install 'modelmesh-core[fast]'")
    else:
        yield Finding("fast engine", OK, f"{', '.join(parts)} installed")


def check_connectors(registry: ConnectorRegistry) -> Iterator[Finding]:
    """Imports every installed connector."""
    from ..errors import ConnectorError

    usable = 0
    for info in registry.list_connectors():
        try:
            registry.get_connector(info.kind, info.id)
            usable += 1
        except ConnectorError:
            continue  # its state is read below, with the reason in it
    for info in registry.list_connectors():
        if info.error is not None:
            detail = f"{info.kind}.{info.id} of {info.distribution}: {info.error}"
            yield Finding("connectors", FAIL, detail, f"Update or uninstall {info.distribution.partition(' ')[0]}.")
    yield Finding("connectors", OK if usable else FAIL, f"{count(usable, 'connector')} can be used")


def check_configuration(
    arguments: Namespace, registry: ConnectorRegistry
) -> tuple[MeshConfig | None, Sequence[Finding]]:
    """The configuration, or None if it cannot be used."""
    from ..errors import ConfigurationError

    file = config_file(arguments)
    where = str(file) if file is not None else "found by the variables that are set"
    try:
        config = load_config(arguments, registry)
    except ConfigurationError as error:
        advice = error.hint or "Mend it; `modelmesh config check` tells when it is right."
        return None, [Finding("configuration", FAIL, str(problem), advice) for problem in error.problems]
    made_of = f"{count(len(config.providers), 'provider')} ({', '.join(config.providers) or 'none'})"
    if not config.providers:
        return config, [Finding("configuration", WARN, f"{where}: {made_of}", "Add an entry under providers.")]
    return config, [Finding("configuration", OK, f"{where}: {made_of}")]


def check_secrets(config: MeshConfig, registry: ConnectorRegistry) -> list[Finding]:
    """Whether every reference has a value. Only names are told."""
    from ..secrets import SecretResolver
    from ..values import SystemClock

    references = {reference.key: reference for reference in config.references()}
    if not references:
        return [Finding("secrets", OK, "the configuration refers to none")]
    filled = with_environment(config)
    stores = [(store_id, make_store(store_id, filled, registry)) for store_id in filled.secrets.store]
    resolver = SecretResolver(stores, SystemClock())

    async def look() -> list[Finding]:
        try:
            return [await _check_reference(found, resolver, config) for found in references.values()]
        finally:
            await resolver.close()

    return asyncio.run(look())


async def _check_reference(reference: SecretReference, resolver: SecretResolver, config: MeshConfig) -> Finding:
    from ..errors import ModelMeshError

    what = f"${{{reference.key}}}"
    try:
        if reference.kind == "env":
            has_value, advice = reference.name in os.environ, f"Set the variable {reference.name}."
        else:
            has_value = await resolver.resolve(reference.name) is not None
            advice = f"modelmesh secrets set {reference.name}"
    except ModelMeshError as error:
        return Finding("secrets", FAIL, f"{what}: {error}")
    if has_value:
        return Finding("secrets", OK, f"{what} has a value")
    status = FAIL if config.secrets.fail_on_missing else WARN
    return Finding("secrets", status, str(reference.problem(f"{what} has no value")), advice)


def check_storage(config: MeshConfig, registry: ConnectorRegistry) -> Iterator[Finding]:
    """Whether state can be written and read back."""
    from ..errors import StorageError
    from ..interfaces.storage import StorageConnector

    name = config.storage.connector or DEFAULT_STORAGE[0]
    storage = registry.connector(StorageConnector, name).create(with_environment(config).storage.options)

    async def probe() -> None:
        await storage.open()
        try:
            await storage.save(PROBE_KEY, b"probe")
            if await storage.load(PROBE_KEY) != b"probe":
                raise StorageError(f"{name} did not give back what it was given.")
            await storage.delete(PROBE_KEY)
        finally:
            await storage.close()

    asyncio.run(probe())
    kept = "; sync_policy in-memory keeps nothing in it" if config.storage.sync_policy == "in-memory" else ""
    yield Finding("storage", OK, f"{name} can be written to{kept}")


def check_mesh(arguments: Namespace) -> Iterator[Finding]:
    """Whether the mesh starts, whom it can ask, and (``--online``) whether the providers answer."""
    with open_mesh(arguments) as mesh:
        yield from _check_pools(mesh)
        yield from _check_providers(mesh, online=arguments.online)


def _check_pools(mesh: ModelMesh) -> Iterator[Finding]:
    models = mesh.engine.models.list_models()
    if not models:
        yield Finding("models", WARN, "no model is known", "Add models under `models`: this connector lists none.")
        return
    yield Finding("models", OK, count(len(models), "model"))
    for name, snapshots in mesh.pool_status().items():
        active = sum(snapshot.status.value != "standby" for snapshot in snapshots)
        status = OK if active else WARN
        advice = "" if active else "`modelmesh pools` tells why, and until when."
        yield Finding("pools", status, f"{name}: {active} of {count(len(snapshots), 'model')} can serve", advice)


def _check_providers(mesh: ModelMesh, *, online: bool) -> Iterator[Finding]:
    from ..errors import ProviderError

    for name, service in mesh.engine.providers.items():
        what = f"{name} ({service.connector_id})"
        if not online:
            yield Finding("providers", OK, f"{what} is set up; not asked, --online does that")
            continue
        try:
            mesh.background.run(service.get_health(HEALTH_SECONDS))
        except ProviderError as error:
            yield Finding("providers", FAIL, f"{what}: {error}", "Check its key, its address and the network.")
        except NotImplementedError:
            yield Finding("providers", WARN, f"{what} has no free call to ask it by")
        else:
            yield Finding("providers", OK, f"{what} answers")
