"""SecretRenewal: what running providers were made with, and what the stores say now."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from ..config import MeshConfig, SecretReference
from ..config.schema import ProviderConfig
from ..errors import ModelMeshError
from ..values import Clock, Secret
from .filling import find_values, value_of
from .resolver import SecretResolver

logger = logging.getLogger("modelmesh.secrets")

Put = Callable[[ProviderConfig], None]
"""Makes a provider anew, by the entry as it is now, and puts it in the place of the old one."""
RunOnLoop = Callable[[Coroutine[Any, Any, None]], "Future[None]"]
_OF_CONNECTIONS = frozenset({"proxy_url"})
"""Keys of a provider that its open connections depend on: they are read at start and at a reload."""


class SecretRenewal:
    """Notices that providers' secrets have changed: in a round every ``cache_ttl``, and when one was refused.

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
        """``config`` is not filled in yet."""
        self._config = config
        self._resolver = resolver
        self._environ = environ
        self._clock = clock
        self._run = run
        self._values: dict[str, Secret] = {}
        self._round_at = clock.monotonic() + config.secrets.cache_ttl

    async def fill(self) -> MeshConfig:
        """The configuration with every reference filled in. Raises as ``fill_references`` does."""
        self._values = await find_values(self._config, self._resolver, self._environ)
        return self._config.resolve(self._values)

    def of(self, provider: str, put: Put) -> ProviderSecrets | None:
        """The secrets of one entry of ``providers``; None if it has none that could change while the mesh runs."""
        if not self._config.secrets.reload_on_rotation:
            return None
        references = [
            found
            for found in self._config.references()
            if found.path[:2] == ("providers", provider) and found.path[2] not in _OF_CONNECTIONS
        ]
        return ProviderSecrets(provider, references, self, put) if references else None

    def is_due(self) -> bool:
        """Whether ``cache_ttl`` has passed since the last round; if so, the next one is counted from now."""
        if self._clock.monotonic() < self._round_at:
            return False
        self._round_at = self._clock.monotonic() + self._config.secrets.cache_ttl
        return True

    async def close(self) -> None:
        await self._resolver.close()

    async def on_own_loop(self, work: Coroutine[Any, Any, None]) -> None:
        """Wait for ``work`` there. Giving up the wait leaves the work going on: others wait for it too."""
        await asyncio.shield(asyncio.wrap_future(self._run(work)))

    async def ask(self, references: Sequence[SecretReference]) -> dict[str, Secret]:
        """Key → value in the stores now, of the references that have one. Raises ModelMeshError."""
        unique = {one.key: one for one in references}
        values = await asyncio.gather(
            *(value_of(one, self._resolver, self._environ, fresh=True) for one in unique.values())
        )
        return {key: value for key, value in zip(unique, values, strict=True) if value is not None}

    def known(self, references: Sequence[SecretReference]) -> dict[str, Secret]:
        """Key → value as it was when the configuration was filled in."""
        return {one.key: self._values[one.key] for one in references if one.key in self._values}

    def entry(self, provider: str, values: Mapping[str, Secret]) -> ProviderConfig:
        """The entry of ``provider`` with ``values`` in the place of its references."""
        return self._config.resolve({**self._values, **values}).providers[provider]


class ProviderSecrets:
    """The references in one provider's entry, and the values that the provider was made with."""

    def __init__(self, provider: str, references: Sequence[SecretReference], renewal: SecretRenewal, put: Put) -> None:
        self._provider = provider
        self._references = references
        self._renewal = renewal
        self._put = put
        self._made_with = renewal.known(references)
        self._lock = asyncio.Lock()
        self.looks = 0
        """Begun so far."""

    async def look(self, looks: int) -> None:
        """Ask the stores again, and put the provider in place anew if they say something else.

        ``looks`` is what that was when the call that was refused began: of many that are refused at once, one asks.
        """
        await self._renewal.on_own_loop(self._look(looks))

    async def _look(self, looks: int) -> None:
        async with self._lock:
            if self.looks != looks:
                return
            self.looks += 1
            try:
                values = {**self._made_with, **await self._renewal.ask(self._references)}
                if values == self._made_with:
                    return
                self._put(self._renewal.entry(self._provider, values))
            except Exception as error:  # the provider goes on with what it has, and its own error is told
                told = error if isinstance(error, ModelMeshError) else type(error).__name__
                logger.warning("provider %s keeps the secrets it has: %s", self._provider, told)
                return
            self._made_with = values
            logger.info("provider %s: its secrets have changed, and the new ones are in use", self._provider)
