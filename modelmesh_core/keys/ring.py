"""KeyRing: the keys in memory, for a gateway that asks with every request."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping

import attrs

from ..errors import ModelMeshError
from ..values import Clock
from .access_key import TOKEN_ID, AccessKey
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
        self._tokens: Mapping[bytes, tuple[Callable[[bytes], bool], float | None, AccessKey]] = {}
        """Id of a token → what recognizes it, until when it is valid, whose it is."""
        self._changed_at: float | None = None

    def find(self, token: bytes) -> AccessKey | Refused | None:
        """Whose ``token`` it is; None if nobody's."""
        known = self._tokens.get(token[TOKEN_ID])
        if known is None:
            return None
        is_it, valid_until, key = known
        if not is_it(token):
            return None
        if key.expires_at is not None and self._clock.now() >= key.expires_at:
            return Refused("expired", key.name)
        if valid_until is not None and self._clock.now() >= valid_until:
            return Refused("rotated", key.name)
        return key

    async def load(self) -> None:
        """Read the keys. Raises StorageError."""
        changed_at = await self._store.changed_at()
        keys = await self._store.list()
        hash_key = self._store.hash_key
        self._tokens = {
            token.id.encode(): (token.recognizer(hash_key), token.valid_until, key)
            for key in keys
            for token in key.tokens
            if key.revoked_at is None
        }
        self._changed_at = changed_at

    @property
    def keys(self) -> Collection[AccessKey]:
        """Those that have not been revoked."""
        return {key.name: key for _, _, key in self._tokens.values()}.values()

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
