"""``modelmesh secrets``: put secrets into a store, list their names, take them out. A value is never printed."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from .exits import Exit, UsageError
from .meshes import config_file, load_config
from .parser import Commands
from .stores import make_store, store_ids, with_environment
from .words import count

if TYPE_CHECKING:
    from ..interfaces.secret_store import SecretStore
    from ..registry import ConnectorRegistry
    from ..values import Secret
    from .output import Output

T = TypeVar("T")
DOTENV_STORE = "modelmesh.dotenv.v1"
MEMORY_STORE = "modelmesh.memory-secrets.v1"
"""Can be written to, and forgets everything when the command ends."""

_EXAMPLES = """\
  modelmesh secrets set OPENAI_API_KEY
  pass show openai | modelmesh secrets set OPENAI_API_KEY --store modelmesh.keyring.v1
  modelmesh secrets import .env
"""


def declare(commands: Commands) -> None:
    group = commands.group("secrets", "keep the secrets that ${secrets:NAME} refers to")

    def add(name: str, run: Callable[[Namespace, Output], int], summary: str, *, json: bool = False) -> None:
        parser = group.add(name, run, summary, examples=_EXAMPLES if name == "set" else "", json=json)
        parser.add_argument(
            "--store", metavar="ID", help="a secret store; default: the first configured one that can be written to"
        )
        if name in ("set", "delete"):
            parser.add_argument("name", metavar="NAME", help="the NAME of ${secrets:NAME}")
        elif name == "import":
            parser.add_argument("file", metavar="FILE", help="a .env file")

    add("set", run_set, "store a secret: asked for without echo, or read from a pipe; never an argument")
    add("list", run_list, "list the names that a store holds", json=True)
    add("import", run_import, "store everything that a .env file holds")
    add("delete", run_delete, "remove a secret")


def run_set(arguments: Namespace, output: Output) -> int:
    _, store_id, store = _chosen(arguments)
    value = _asked_for(arguments.name)
    _do(store, lambda: store.set(arguments.name, value))
    output.text(f"{arguments.name} is stored in {store_id}.")
    return Exit.SUCCESS


def run_list(arguments: Namespace, output: Output) -> int:
    _, store_id, store = _chosen(arguments)
    names = list(_do(store, store.list))
    if arguments.json:
        output.json({"store": store_id, "names": names})
    else:
        for name in names:
            output.text(name)
        output.note(f"{count(len(names), 'secret')} in {store_id}")
    return Exit.SUCCESS


def run_import(arguments: Namespace, output: Output) -> int:
    registry, store_id, store = _chosen(arguments)
    found = _read_dotenv(arguments.file, registry)

    async def set_all() -> None:
        for name, value in found.items():
            await store.set(name, value)

    _do(store, set_all)
    names = f": {', '.join(found)}" if found else ""
    output.text(f"{count(len(found), 'secret')} stored in {store_id}{names}")
    return Exit.SUCCESS


def run_delete(arguments: Namespace, output: Output) -> int:
    _, store_id, store = _chosen(arguments)
    if not _do(store, lambda: store.delete(arguments.name)):
        output.error(f"{store_id} has no secret named {arguments.name}.")
        return Exit.FAILED
    output.text(f"{arguments.name} is deleted from {store_id}.")
    return Exit.SUCCESS


# --- stores ----------------------------------------------------------------------------------------------------------


def _chosen(arguments: Namespace) -> tuple[ConnectorRegistry, str, SecretStore]:
    """The store that the command means. Raises ModelMeshError if none can be written to."""
    from ..errors import ModelMeshError
    from ..registry import ConnectorRegistry

    registry = ConnectorRegistry()
    config = None
    if config_file(arguments) is not None:
        config = with_environment(load_config(arguments, registry))
    if arguments.store:
        chosen = registry.resolve_id("secret-store", arguments.store)
        return registry, chosen, make_store(chosen, config, registry)
    configured = store_ids(config)
    for store_id in configured:
        store = make_store(store_id, config, registry)
        if store.writable and store_id != MEMORY_STORE:
            return registry, store_id, store
    raise ModelMeshError(
        f"none of the configured secret stores ({', '.join(configured)}) can be written to.",
        hint="Name one with --store, such as modelmesh.keyring.v1 or modelmesh.encrypted-file.v1, and in the "
        "configuration under secrets.store.",
    )


def _do(store: SecretStore, work: Callable[[], Awaitable[T]]) -> T:
    import asyncio

    async def run() -> T:
        try:
            return await work()
        finally:
            await store.close()

    return asyncio.run(run())


def _asked_for(name: str) -> Secret:
    from ..values import Secret

    if sys.stdin.isatty():
        from getpass import getpass

        text = getpass(f"Value of {name} (not shown): ")
    else:
        text = sys.stdin.read().removesuffix("\n").removesuffix("\r")
    if not text:
        raise UsageError(f"no value was given for {name}.")
    return Secret(text)


def _read_dotenv(file: str, registry: ConnectorRegistry) -> dict[str, Secret]:
    from ..interfaces.secret_store import SecretStoreConnector

    if not Path(file).is_file():
        raise UsageError(f"there is no file {file}.")
    connector = registry.connector(SecretStoreConnector, DOTENV_STORE)
    assert connector.options is not None
    source = connector.create(connector.options(path=file))

    async def read() -> dict[str, Secret]:
        values = {name: await source.get(name) for name in await source.list()}
        return {name: value for name, value in values.items() if value is not None}

    return _do(source, read)
