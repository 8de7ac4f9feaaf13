"""What is known of a key: who it is, what it may do, and how its token is recognized without being kept."""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cached_property
from hashlib import blake2b
from typing import Any

import attrs
from cattrs import Converter

from ..limits import BudgetSettings, KeyLimits, QuotaSettings

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
TOKEN_ID = slice(len("mm-"), len("mm-") + 16)
"""Where a token's id stands in it."""
_SALT_BYTES = 16


@attrs.frozen
class Token:
    """How one token of a key is recognized."""

    id: str
    """In the token itself, so that it is found without trying every hash. 16 hexadecimal digits; no secret."""
    salt: str = attrs.field(validator=attrs.validators.matches_re("(?:[0-9a-f]{2}){1,16}"))
    digest: str = attrs.field(validator=attrs.validators.matches_re("[0-9a-f]{64}"))
    """BLAKE2b of the token with the salt, and with ``proxy.auth.hash_key`` where there is one. Hexadecimal."""
    valid_until: float | None = None
    """UTC epoch seconds. Set when a new token has taken its place."""

    def recognizer(self, hash_key: bytes) -> Callable[[bytes], bool]:
        """What tells whether a token is this one. It takes the same time whatever it is given."""
        begun, own = _hasher(bytes.fromhex(self.salt), hash_key), bytes.fromhex(self.digest)

        def is_it(token: bytes) -> bool:
            hasher = begun.copy()
            hasher.update(token)
            return hmac.compare_digest(hasher.digest(), own)

        return is_it


@attrs.frozen(slots=False, eq=False)
class AccessKey:
    """One key, as it is kept. Times are UTC epoch seconds."""

    name: str
    created_at: float
    tokens: tuple[Token, ...] = ()
    expires_at: float | None = None
    revoked_at: float | None = None
    pools: tuple[str, ...] = ()
    """May be asked; empty: all."""
    models: tuple[str, ...] = ()
    """Full ids, or patterns of them (``openai.*``), that may answer; empty: all."""
    endpoints: tuple[str, ...] = ()
    """Paths that may be called; empty: all."""
    quota: QuotaSettings | None = None
    budget: BudgetSettings | None = None
    metadata: Mapping[str, str] = attrs.field(factory=dict[str, str])
    """In the records of every request."""

    @cached_property
    def limits(self) -> KeyLimits:
        """What a request with this key may use."""
        return KeyLimits(
            quota=None if self.quota is None else self.quota.limits(),
            budget=None if self.budget is None else self.budget.limits(),
            pools=frozenset(self.pools),
            models=self.models,
            metadata=self.metadata,
        )

    def state(self, now: float) -> str:
        """``active``, ``expired`` or ``revoked``."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and now >= self.expires_at else "active"

    def to_dict(self) -> dict[str, Any]:
        """JSON-able, as it is kept; ``describe`` is for people."""
        found: dict[str, Any] = _converter().unstructure(self)
        return found

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any]) -> AccessKey:
        """Raises ValueError, TypeError or KeyError (in a group of cattrs) for what is no key."""
        return _converter().structure(kept, cls)

    def describe(self, now: float) -> dict[str, Any]:
        """JSON-able, without anything that its tokens could be recognized by."""
        found = self.to_dict()
        found.pop("tokens", None)
        return {"name": self.name, "state": self.state(now), **found}


@attrs.frozen
class NewKey:
    """A key with its token, which is shown once and kept nowhere."""

    key: AccessKey
    token: str = attrs.field(repr=False)


def make_token(hash_key: bytes) -> tuple[str, Token]:
    """A new token (256 random bits), and what recognizes it."""
    token_id, salt = secrets.token_hex(8), secrets.token_bytes(_SALT_BYTES)
    token = f"mm-{token_id}-{secrets.token_urlsafe(32)}"
    return token, Token(token_id, salt.hex(), _digest(token.encode(), salt, hash_key).hex())


def _digest(token: bytes, salt: bytes, hash_key: bytes) -> bytes:
    hasher = _hasher(salt, hash_key)
    hasher.update(token)
    return hasher.digest()


def _hasher(salt: bytes, hash_key: bytes) -> blake2b:
    return blake2b(digest_size=32, key=hash_key, salt=salt)


def hash_key_of(secret: bytes) -> bytes:
    """The key of the hashes, from a secret of any length."""
    return blake2b(secret, digest_size=32).digest() if secret else b""


_converters: list[Converter] = []


def _converter() -> Converter:
    if not _converters:
        converter = Converter(omit_if_default=True, forbid_extra_keys=False)
        converter.register_unstructure_hook(Decimal, str)
        converter.register_structure_hook(Decimal, lambda value, _: Decimal(str(value)))
        _converters.append(converter)
    return _converters[0]
