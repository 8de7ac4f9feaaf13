"""What one configuration means for the gateway: made once for each engine, then only read."""

from __future__ import annotations

import attrs

from ..config.schema import ProxyConfig
from ..engine import Engine
from ..registry import ConnectorRegistry
from .access import Authenticator, CorsPolicy, is_open_door
from .redaction import Redactor, redactor_for


@attrs.frozen
class Policy:
    """A running engine, and the rules under which callers reach it."""

    engine: Engine
    config: ProxyConfig
    authenticator: Authenticator
    cors: CorsPolicy
    redact: Redactor

    def serves(self, endpoint: str) -> bool:
        """Whether ``proxy.endpoints`` leaves ``endpoint`` switched on."""
        return not self.config.endpoints or endpoint in self.config.endpoints


def make_policy(engine: Engine, registry: ConnectorRegistry, host: str) -> Policy:
    """The policy of a gateway that listens on ``host``.

    A reload that takes the tokens away from a gateway that others can reach leaves it locked, not open.
    """
    proxy = engine.config.proxy
    tokens = proxy.auth.tokens
    return Policy(
        engine,
        proxy,
        Authenticator((token for token in tokens if token), required=bool(tokens) or is_open_door(proxy, host)),
        CorsPolicy(proxy.cors),
        redactor_for(engine.config, registry),
    )
