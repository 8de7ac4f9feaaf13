"""Secret-store connectors: where ``${secrets:NAME}`` comes from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import attrs

from ..errors import ModelMeshError
from ..values import Secret


class SecretStore(ABC):
    """One configured store. Methods may wait on a socket or a file; they are called at start, not per request."""

    writable: bool = False
    """Whether ``set``, ``delete`` and ``list`` work: the `modelmesh secrets` commands need it."""

    @abstractmethod
    async def get(self, name: str) -> Secret | None:
        """The secret, or None when this store has none of that name.

        Raise ModelMeshError (never carrying a secret in its text) when the store itself cannot be asked.
        """

    async def set(self, name: str, value: Secret) -> None:
        """Create or replace."""
        raise ModelMeshError(f"{type(self).__name__} cannot be written to.", hint="Use a store that can.")

    async def delete(self, name: str) -> bool:
        """Remove; False if there was none."""
        raise ModelMeshError(f"{type(self).__name__} cannot be written to.", hint="Use a store that can.")

    async def list(self) -> Sequence[str]:
        """Names only, sorted."""
        raise ModelMeshError(f"{type(self).__name__} cannot list its names.")

    async def close(self) -> None:  # noqa: B027  (nothing to close is the common case)
        """Release what was opened."""


@attrs.frozen
class SecretStoreConnector:
    """A secret store, as a plugin's ``secret_store_connectors`` hook yields it."""

    id: str
    create: Callable[[Any], SecretStore]
    """Takes an instance of ``options`` (None if there is no options class)."""
    options: type | None = None
    description: str = ""
