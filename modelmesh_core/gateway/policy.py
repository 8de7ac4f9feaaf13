"""What one configuration means for the gateway: made once for each engine, then only read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

import attrs

from ..config.schema import ProxyConfig
from ..engine import Engine
from ..execution import Router
from ..interfaces.observability import Snapshot
from .access import Authenticator, CorsPolicy, is_open_door
from .redaction import Redactor, redactor_for
from .routes import DOCUMENT

if TYPE_CHECKING:
    from ..mesh import ModelMesh


@attrs.frozen
class Policy:
    """A running engine, and the rules under which callers reach it."""

    mesh: ModelMesh
    engine: Engine
    config: ProxyConfig
    authenticator: Authenticator
    cors: CorsPolicy
    redact: Redactor
    metrics_peers: Callable[[], Awaitable[Sequence[Snapshot]]]
    """What the other processes that serve the same address have counted."""

    @property
    def router(self) -> Router:
        """The present one: while a body was read, a reload may have retired the engine."""
        return self.mesh.engine.router

    def serves(self, endpoint: str) -> bool:
        """Whether ``proxy.endpoints`` leaves ``endpoint`` switched on."""
        return not self.config.endpoints or endpoint in self.config.endpoints or endpoint == DOCUMENT


def make_policy(
    mesh: ModelMesh, engine: Engine, host: str, metrics_peers: Callable[[], Awaitable[Sequence[Snapshot]]]
) -> Policy:
    """The policy of a gateway that listens on ``host``.

    A reload that takes the tokens away from a gateway that others can reach leaves it locked, not open.
    """
    proxy = engine.config.proxy
    tokens, keys = proxy.auth.tokens, mesh.keys if proxy.auth.keys else None
    return Policy(
        mesh,
        engine,
        proxy,
        Authenticator(
            (token for token in tokens if token),
            keys,
            required=bool(tokens) or keys is not None or is_open_door(proxy, host),
        ),
        CorsPolicy(proxy.cors),
        redactor_for(engine, mesh.get_registry()),
        metrics_peers,
    )
