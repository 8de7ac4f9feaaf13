"""SecretRenewal: what running providers were made with, and what the stores say now."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Mapping
from concurrent.futures import Future
from typing import Any

import attrs

from ..config import MeshConfig, SecretReference
from ..config.schema import ProviderConfig
from ..errors import ModelMeshError
from ..interfaces.provider import Provider
from ..values import Clock, Secret
from .filling import value_of
from .resolver import SecretResolver

logger = logging.getLogger("modelmesh.secrets")

MakeProvider = Callable[[ProviderConfig], Provider]
RunOnLoop = Callable[[Coroutine[Any, Any, Any]], "Future[Any]"]
_TRANSPORT_KEYS = frozenset({"proxy_url"})
"""Keys of a provider that belong to its connections: they are read at start and at a reload."""


@attrs.define
class _Known:
    """A provider's references, and the values that its present Provider was made with."""

    references: tuple[SecretReference, ...]
    made_with: dict[str, Secret | None]
    looks: int = 0
    """Begun so far."""
    lock: asyncio.Lock = attrs.field(factory=asyncio.Lock)


class SecretRenewal:
    """Notices that a provider's secrets have changed, and makes the provider anew.

    Stores are asked on the mesh's own loop, where they were opened, whoever wants to know: ``run`` brings work there.
    A store that cannot be asked, and a secret that is gone, change nothing: the provider keeps what it has.
    """

    def __init__(
        self,
        config: MeshConfig,
        resolver: SecretResolver,
        environ: Mapping[str, str],
        clock: Clock,
        run: RunOnLoop,
    ) -> None:
        self._config = config
        self._resolver = resolver
        self._environ = environ
        self._clock = clock
        self._run = run
        self._known: dict[str, _Known] = {}
        self._round_at = clock.monotonic() + config.secrets.cache_ttl
        self._values: dict[str, Secret] = {}

    async def fill(self) -> MeshConfig:
        """The configuration with every reference filled in. Raises as ``fill_references`` does."""
        from .filling import fill_references

        filled = await fill_references(self._config, self._resolver, self._environ)
        if self._config.secrets.reload_on_rotation:
            await self._remember()
        return filled

    async def _remember(self) -> None:
        """Note which provider holds which references, and their present values."""
        found: dict[str, list[SecretReference]] = {}
        for reference in self._config.references():
            path = reference.path
            if len(path) > 2 and path[0] == "providers" and path[2] not in _TRANSPORT_KEYS:
                found.setdefault(str(path[1]), []).append(reference)
        for name, references in found.items():
            values = {one.key: await value_of(one, self._resolver, self._environ) for one in references}
            self._known[name] = _Known(tuple(references), values)

    def looks(self, provider: str) -> int:
        """How often the stores were asked for this provider's secrets since the mesh started."""
        known = self._known.get(provider)
        return known.looks if known is not None else 0

    async def renewed(self, provider: str, looks: int, make: MakeProvider) -> Provider | None:
        """The provider with what the stores say now; None if that is what it has.

        ``looks`` is what ``looks`` said before the call that failed: of many that fail at once, one asks.
        """
        known = self._known.get(provider)
        if known is None:
            return None
        return await asyncio.wrap_future(self._run(self._look(provider, known, looks, make)))

    def is_due(self) -> bool:
        """Whether ``cache_ttl`` has passed since the last round; if so, the next one is counted from now."""
        if not self._known or self._clock.monotonic() < self._round_at:
            return False
        self._round_at = self._clock.monotonic() + self._config.secrets.cache_ttl
        return True

    async def close(self) -> None:
        await self._resolver.close()

    # --- on the mesh's own loop --------------------------------------------------------------------------------------

    async def _look(self, provider: str, known: _Known, looks: int, make: MakeProvider) -> Provider | None:
        async with known.lock:
            if known.looks != looks:
                return None  # asked since, by somebody else
            known.looks += 1
            try:
                values = {**known.made_with, **await self._ask(known.references)}
                if values == known.made_with:
                    return None
                made = make(self._entry(provider, values))
            except Exception as error:  # the provider goes on with what it has, and its own error is told
                told = error if isinstance(error, ModelMeshError) else type(error).__name__
                logger.warning("provider %s keeps its secrets: the new ones cannot be had: %s", provider, told)
                return None
            known.made_with = values
            logger.info("provider %s has new secrets", provider)
            return made

    async def _ask(self, references: Iterable[SecretReference]) -> dict[str, Secret | None]:
        """Key → value of those that have one."""
        unique = {one.key: one for one in references}.values()
        values = await asyncio.gather(*(value_of(one, self._resolver, self._environ, fresh=True) for one in unique))
        return {one.key: value for one, value in zip(unique, values, strict=True) if value is not None}

    def _entry(self, provider: str, values: Mapping[str, Secret | None]) -> ProviderConfig:
        present = {key: value for key, value in values.items() if value is not None}
        return self._config.resolve(present, partial=True).providers[provider]
