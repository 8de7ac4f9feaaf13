"""KeyStore: the keys in a storage. All in one document, so that one look tells whether anything changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any
from uuid import uuid4

import attrs
import orjson

from ..errors import ModelMeshError, StorageError
from ..interfaces.storage import Storage
from ..values import Clock, Secret
from .access_key import NAME, AccessKey, NewKey, hash_key_of, make_token

DOCUMENT = "keys/keys.json"
_LEASE, _WAIT, _AGAIN = 10.0, 10.0, 0.05
"""Seconds."""


class KeyStore:
    """Makes, lists, revokes and rotates keys. Several processes may do so at once."""

    def __init__(self, storage: Storage, clock: Clock, hash_key: Secret | None = None) -> None:
        """``hash_key`` (``proxy.auth.hash_key``): without it, a thief of the storage cannot test a guessed token."""
        self._storage = storage
        self._clock = clock
        self.hash_key = hash_key_of(hash_key.reveal().encode() if hash_key is not None else b"")

    async def create(self, key: AccessKey) -> NewKey:
        """Keep ``key`` with a token of its own. Raises ModelMeshError if its name is not one, or in use."""
        if NAME.fullmatch(key.name) is None:
            raise ModelMeshError(
                f"{key.name!r} cannot be the name of a key.",
                hint="Up to 64 letters, digits, dots, underscores and hyphens; the first a letter or digit.",
            )
        async with self._changing() as keys:
            known = keys.get(key.name)
            if known is not None and known.revoked_at is None:
                raise ModelMeshError(
                    f"there is a key named {key.name!r} already.", hint="Rotate or revoke it, or choose another name."
                )
            token, recognized = make_token(self.hash_key)
            made = attrs.evolve(key, created_at=self._clock.now(), tokens=(recognized,), revoked_at=None)
            keys[key.name] = made
        return NewKey(made, token)

    async def list(self) -> Sequence[AccessKey]:
        """Every key, the revoked ones too, by name."""
        keys = _read(await self._storage.load(DOCUMENT))
        return [keys[name] for name in sorted(keys)]

    async def changed_at(self) -> float | None:
        """When any key changed last, by the storage's clock (UTC epoch seconds); None while there are none."""
        info = await self._storage.stat(DOCUMENT)
        return info.modified_at if info is not None else None

    def now(self) -> float:
        """The storage's clock."""
        return self._storage.now()

    async def revoke(self, name: str) -> AccessKey:
        """No token of ``name`` is accepted any more. Raises ModelMeshError if there is no such key."""
        async with self._changing() as keys:
            key = _named(keys, name)
            if key.revoked_at is None:
                keys[name] = key = attrs.evolve(key, revoked_at=self._clock.now(), tokens=())
            return key

    async def rotate(self, name: str, grace: float = 0.0) -> NewKey:
        """A new token for ``name``; the old one is accepted for ``grace`` more seconds. What is used stays counted.

        Raises ModelMeshError if there is no such key, or it is revoked.
        """
        now = self._clock.now()
        async with self._changing() as keys:
            key = _named(keys, name)
            if key.revoked_at is not None:
                raise ModelMeshError(f"the key {name!r} is revoked.", hint="Create it anew.")
            token, recognized = make_token(self.hash_key)
            old = [
                attrs.evolve(known, valid_until=min(known.valid_until or now + grace, now + grace))
                for known in key.tokens
            ]
            left = tuple(known for known in old if known.valid_until is not None and known.valid_until > now)
            keys[name] = key = attrs.evolve(key, tokens=(*left, recognized))
        return NewKey(key, token)

    @asynccontextmanager
    async def _changing(self) -> AsyncGenerator[dict[str, AccessKey]]:
        """The keys, to be changed by nobody else meanwhile; kept when the block ends well."""
        owner, deadline = uuid4().hex, monotonic() + _WAIT
        while not await self._storage.acquire("keys", owner, _LEASE):
            if monotonic() >= deadline:
                raise StorageError("the keys stayed locked by another process.", hint="Look for one that hangs.")
            await asyncio.sleep(_AGAIN)
        try:
            keys = _read(await self._storage.load(DOCUMENT))
            yield keys
            document = {"format": 1, "keys": [key.to_dict() for key in keys.values()]}
            await self._storage.save(DOCUMENT, orjson.dumps(document))
        finally:
            await self._storage.release("keys", owner)


def _read(data: bytes | None) -> dict[str, AccessKey]:
    """Raises StorageError for a document that holds no keys: nobody is let in by mistake."""
    if data is None:
        return {}
    try:
        document: Any = orjson.loads(data)
        keys = [AccessKey.from_dict(kept) for kept in document["keys"]]
    except Exception as error:  # cattrs raises groups of its own
        raise StorageError(
            f"the keys in {DOCUMENT!r} cannot be read: {type(error).__name__}.", hint="Restore it from a backup."
        ) from error
    return {key.name: key for key in keys}


def _named(keys: dict[str, AccessKey], name: str) -> AccessKey:
    if name not in keys:
        raise ModelMeshError(f"there is no key named {name!r}.", hint="`modelmesh keys list` shows them.")
    return keys[name]
