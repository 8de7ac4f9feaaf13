"""``modelmesh.keyring.v1``: secrets in the keyring of the operating system, through the library keyring."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import attrs
from modelmesh_core import ModelMeshError, Secret, SecretStore, SecretStoreConnector, hookimpl

from ._common import missing_library

R = TypeVar("R")
_INDEX = "modelmesh:names"


@attrs.frozen
class KeyringOptions:
    """Options of ``modelmesh.keyring.v1``."""

    service: str = "modelmesh"
    """The service under which the keyring files the secrets."""


class KeyringSecretStore(SecretStore):
    """One keyring entry a secret. Keyrings cannot list, so one more entry holds the names that were set here.

    ``backend`` is a ``keyring.backend.KeyringBackend``; default: the one that keyring chooses.
    Raises ModelMeshError when there is no keyring, or it stays locked.
    """

    writable = True

    def __init__(self, options: KeyringOptions | None = None, backend: Any = None) -> None:
        self._service = (options or KeyringOptions()).service
        self._backend = backend
        self._lock = threading.Lock()

    async def get(self, name: str) -> Secret | None:
        if name == _INDEX:
            return None
        value = await asyncio.to_thread(self._ask, lambda keyring: keyring.get_password(self._service, name))
        return None if value is None else Secret(value)

    async def set(self, name: str, value: Secret) -> None:
        if name == _INDEX:
            raise ModelMeshError(f"{_INDEX!r} is the keyring entry that lists the names.", hint="Choose another name.")
        await asyncio.to_thread(self._ask, lambda keyring: self._set(keyring, name, value))

    async def delete(self, name: str) -> bool:
        return await asyncio.to_thread(self._ask, lambda keyring: self._delete(keyring, name))

    async def list(self) -> Sequence[str]:
        return sorted(await asyncio.to_thread(self._ask, self._names))

    # --- in a worker thread ------------------------------------------------------------------------------------------

    def _ask(self, work: Callable[[Any], R]) -> R:
        try:
            import keyring
            from keyring.errors import NoKeyringError
        except ImportError:
            raise missing_library("modelmesh.keyring.v1", "keyring", "keyring") from None
        try:
            with self._lock:
                return work(self._backend or keyring.get_keyring())
        except NoKeyringError:
            raise ModelMeshError(
                "this machine has no keyring that modelmesh.keyring.v1 could use.",
                hint="Start a Secret Service such as GNOME Keyring or KWallet, or use modelmesh.encrypted-file.v1.",
            ) from None
        except Exception as error:
            # Backends raise what their system raises, and their words may quote what they were given to keep.
            raise ModelMeshError(
                f"the keyring refused: {type(error).__name__}.", hint="Unlock it, and allow this program to use it."
            ) from None

    def _names(self, keyring: Any) -> set[str]:
        index = keyring.get_password(self._service, _INDEX)
        return set(json.loads(index)) if index else set()

    def _keep_names(self, keyring: Any, names: set[str]) -> None:
        keyring.set_password(self._service, _INDEX, json.dumps(sorted(names)))

    def _set(self, keyring: Any, name: str, value: Secret) -> None:
        keyring.set_password(self._service, name, value.reveal())
        names = self._names(keyring)
        if name not in names:
            self._keep_names(keyring, names | {name})

    def _delete(self, keyring: Any, name: str) -> bool:
        if name == _INDEX or keyring.get_password(self._service, name) is None:
            return False
        keyring.delete_password(self._service, name)
        self._keep_names(keyring, self._names(keyring) - {name})
        return True


@hookimpl
def secret_store_connectors() -> Iterable[SecretStoreConnector]:
    yield SecretStoreConnector(
        id="modelmesh.keyring.v1",
        create=KeyringSecretStore,
        options=KeyringOptions,
        description="The keyring of the operating system.",
    )
