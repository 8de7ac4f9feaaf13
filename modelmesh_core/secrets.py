"""SecretResolver: ``${secrets:NAME}`` through the configured stores, in order."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence

import attrs

from .config import MeshConfig
from .errors import ModelMeshError, SecretNotFoundError
from .interfaces.secret_store import SecretStore
from .values import Clock, Secret


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

    async def resolve(self, name: str) -> Secret | None:
        """The secret, or None where no store has it. Raises ModelMeshError when a store cannot be asked."""
        cached = self._cache.get(name)
        if cached is not None and self._clock.monotonic() < cached.until:
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
        self.invalidate()
        return [name for name, secret in before.items() if await self.resolve(name) != secret]

    async def close(self) -> None:
        for _, store in self._stores:
            await store.close()


def fill_environment(config: MeshConfig, environ: Mapping[str, str]) -> MeshConfig:
    """``config`` with the ``${env:NAME}`` references filled in that have a value: what secret stores are made from."""
    names = {reference.name for reference in config.references() if reference.kind == "env"}
    values = {f"env:{name}": Secret(environ[name]) for name in names if name in environ}
    return config.resolve(values, partial=True)


async def fill_references(config: MeshConfig, resolver: SecretResolver, environ: Mapping[str, str]) -> MeshConfig:
    """``config`` with every reference filled in: ``${secrets:NAME}`` by the stores, ``${env:NAME}`` by ``environ``.

    Raises SecretNotFoundError naming every reference without a value and its place, unless
    ``secrets.fail_on_missing`` is false: the key that holds it then counts as left out.
    """
    references = config.references()
    values: dict[str, Secret] = {}
    missing: list[str] = []
    for reference in references:
        if reference.key in values:
            continue
        if reference.kind == "env":
            text = environ.get(reference.name)
            secret = Secret(text) if text is not None else None
        else:
            secret = await resolver.resolve(reference.name)
        if secret is not None:
            values[reference.key] = secret
        else:
            missing.append(str(reference.problem(f"${{{reference.key}}} has no value")))
    if missing and config.secrets.fail_on_missing:
        raise SecretNotFoundError(
            "\n".join(missing) + ".",
            hint=f"env: set the variable. secrets: asked {', '.join(resolver.store_ids)}; `modelmesh secrets set NAME` "
            "stores one.",
        )
    return config.resolve(values)
