"""SecretResolver: a name through the configured stores, in order."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

import attrs

from ..errors import ModelMeshError, SecretNotFoundError
from ..interfaces.secret_store import SecretStore
from ..values import Clock, Secret


@attrs.frozen
class _Cached:
    secret: Secret
    until: float


class SecretResolver:
    """Asks several stores in order for a name, and remembers the answer for ``cache_ttl`` seconds."""

    def __init__(
        self,
        stores: Sequence[tuple[str, SecretStore]],
        clock: Clock,
        *,
        cache_ttl: float = 300.0,
        cache_enabled: bool = True,
    ) -> None:
        self._stores = stores
        self._clock = clock
        self._ttl = cache_ttl if cache_enabled else 0.0
        self._cache: dict[str, _Cached] = {}

    @property
    def store_ids(self) -> list[str]:
        return [store_id for store_id, _ in self._stores]

    async def resolve(self, name: str, *, fresh: bool = False) -> Secret | None:
        """The secret, or None where no store has it. ``fresh`` asks the stores whatever is remembered.

        Raises ModelMeshError when a store cannot be asked; what was remembered stays remembered.
        """
        cached = self._cache.get(name)
        if cached is not None and not fresh and self._clock.monotonic() < cached.until:
            return cached.secret
        for store_id, store in self._stores:
            try:
                secret = await store.get(name)
            except ModelMeshError:
                raise
            except Exception as error:  # a stranger's store may raise anything; its text may hold what must not print
                raise ModelMeshError(
                    f"secret store {store_id} failed for {name!r}: {type(error).__name__}.",
                    hint="`modelmesh doctor` shows the state of every connector.",
                ) from None
            if secret is not None:
                if self._ttl:
                    self._cache[name] = _Cached(secret, self._clock.monotonic() + self._ttl)
                return secret
        self.invalidate(name)
        return None

    async def resolve_all(self, names: Iterable[str]) -> dict[str, Secret]:
        """Name → secret, for every name. Raises SecretNotFoundError naming all that are missing."""
        wanted = list(dict.fromkeys(names))
        found = await asyncio.gather(*(self.resolve(name) for name in wanted))
        missing = [name for name, secret in zip(wanted, found, strict=True) if secret is None]
        if missing:
            stores = ", ".join(store_id for store_id, _ in self._stores)
            raise SecretNotFoundError(
                f"no secret store has {', '.join(missing)} (asked: {stores}).",
                hint="`modelmesh secrets set NAME` stores one; environment variables go by the same name.",
            )
        return {name: secret for name, secret in zip(wanted, found, strict=True) if secret is not None}

    def invalidate(self, name: str | None = None) -> None:
        """Forget one remembered secret, or all of them."""
        if name is None:
            self._cache.clear()
        else:
            self._cache.pop(name, None)

    async def reload(self) -> list[str]:
        """Ask again for everything that is remembered; returns the names whose value changed."""
        before = {name: cached.secret for name, cached in self._cache.items()}
        return [name for name, secret in before.items() if await self.resolve(name, fresh=True) != secret]

    async def close(self) -> None:
        for _, store in self._stores:
            await store.close()
