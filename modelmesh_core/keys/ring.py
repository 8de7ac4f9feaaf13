"""KeyRing: the keys in memory, for a gateway that asks with every request."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping

import attrs

from ..errors import ModelMeshError
from ..values import Clock
from .access_key import AccessKey, Token, token_id
from .store import KeyStore

_COARSE = 3.0
"""Seconds within which some storages give two changes the same time."""
logger = logging.getLogger("modelmesh.keys")


@attrs.frozen
class Refused:
    """Why a token that was once given out lets nobody in."""

    reason: str
    """``expired`` or ``rotated``."""
    name: str


class KeyRing:
    """Knows every key by its tokens. ``find`` is for every request, ``refresh`` for the background."""

    def __init__(self, store: KeyStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._tokens: Mapping[str, tuple[Token, AccessKey]] = {}
        self._changed_at: float | None = None

    def find(self, token: bytes) -> AccessKey | Refused | None:
        """Whose ``token`` it is; None if nobody's."""
        name = token_id(token)
        known = self._tokens.get(name) if name is not None else None
        if known is None or not known[0].is_of(token, self._store.hash_key):
            return None
        recognized, key = known
        now = self._clock.now()
        if key.expires_at is not None and now >= key.expires_at:
            return Refused("expired", key.name)
        if recognized.valid_until is not None and now >= recognized.valid_until:
            return Refused("rotated", key.name)
        return key

    async def load(self) -> None:
        """Read the keys. Raises StorageError."""
        changed_at = await self._store.changed_at()
        keys = await self._store.list()
        self._tokens = {token.id: (token, key) for key in keys for token in key.tokens if key.revoked_at is None}
        self._changed_at = changed_at

    @property
    def keys(self) -> Collection[AccessKey]:
        """Those that have not been revoked."""
        return {key.name: key for _, key in self._tokens.values()}.values()

    async def refresh(self) -> bool:
        """Read them again if any changed; whether any may have.

        While the storage is out of reach, those that are known go on.
        """
        try:
            changed_at = await self._store.changed_at()
            is_recent = changed_at is not None and self._store.now() - changed_at < _COARSE
            if not is_recent and changed_at == self._changed_at:
                return False
            await self.load()
        except ModelMeshError as error:
            logger.warning("the keys cannot be read again, those that are known go on: %s", error)
            return False
        return True
