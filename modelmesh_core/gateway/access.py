"""Who may use the gateway: tokens, addresses, web pages."""

from __future__ import annotations

import hmac
import ipaddress
import secrets
from collections.abc import Iterable
from hashlib import blake2b

from ..config.schema import CorsConfig, ProxyConfig
from ..errors import ConfigurationError
from ..values import Secret
from .exchange import Exchange, HeaderList
from .refusals import Refusal

_KEY_HEADERS = (b"x-api-key", b"api-key", b"x-goog-api-key")
_PREFLIGHT_SECONDS = b"600"
_EXPOSED = (
    b"x-request-id, x-modelmesh-model, x-modelmesh-provider, x-modelmesh-pool, x-modelmesh-attempts, "
    b"x-modelmesh-cost, x-modelmesh-overhead-ms, retry-after, retry-after-ms"
)


def is_loopback(host: str) -> bool:
    """Whether ``host`` can be reached from this machine only."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def refuse_open_door(config: ProxyConfig, host: str) -> None:
    """Raises ConfigurationError for a gateway that anybody who reaches ``host`` could use without a token."""
    if is_open_door(config, host):
        raise ConfigurationError(
            f"the gateway would listen on {host!r}, where others can reach it, without asking for a token.",
            hint="Set proxy.auth.tokens, listen on 127.0.0.1, or set proxy.allow_unauthenticated: true.",
        )


def is_open_door(config: ProxyConfig, host: str) -> bool:
    """Whether strangers could use the gateway at ``host`` though nobody said that they may."""
    return not (config.auth.tokens or config.allow_unauthenticated or is_loopback(host))


class Authenticator:
    """Knows the accepted tokens by their keyed digests, and compares in constant time."""

    def __init__(self, tokens: Iterable[Secret], *, required: bool) -> None:
        self._required = required
        self._salt = secrets.token_bytes(32)
        self._digests = [
            (f"token-{place}", self._digest(token.reveal().encode())) for place, token in enumerate(tokens, 1)
        ]

    def _digest(self, token: bytes) -> bytes:
        return blake2b(token, key=self._salt).digest()

    def admit(self, exchange: Exchange) -> str | None:
        """The name of the token that lets the caller in (``token-1`` is the first); None if none is needed.

        Raises Refusal.
        """
        if not self._required:
            return None
        offered = _offered(exchange)
        found: str | None = None
        for token in offered:
            digest = self._digest(token)
            for name, known in self._digests:
                if hmac.compare_digest(digest, known):
                    found = found or name
        if found is None:
            message = "the API key is not valid here" if offered else "an API key is needed"
            hint = "send one of the gateway's tokens as `Authorization: Bearer`, `x-api-key` or `api-key`"
            raise Refusal(401, f"{message}: {hint}", code="invalid_api_key", headers={"www-authenticate": "Bearer"})
        return found


def _offered(exchange: Exchange) -> list[bytes]:
    scheme, _, credential = exchange.headers.get(b"authorization", b"").partition(b" ")
    offered = [credential.strip()] if scheme.lower() == b"bearer" else []
    offered.extend(exchange.headers.get(name, b"").strip() for name in _KEY_HEADERS)
    return [token for token in offered if token]


class CorsPolicy:
    """Which web pages a browser lets read the gateway's answers."""

    def __init__(self, config: CorsConfig) -> None:
        self._origins = {origin.rstrip("/").encode() for origin in config.origins} if config.enabled else set[bytes]()

    def headers(self, exchange: Exchange) -> HeaderList:
        """For every answer; empty unless the page that asks is allowed to."""
        if not self._origins:
            return []
        vary = (b"vary", b"origin")
        origin = exchange.headers.get(b"origin")
        if origin is None or not (origin in self._origins or b"*" in self._origins):
            return [vary]
        return [vary, (b"access-control-allow-origin", origin), (b"access-control-expose-headers", _EXPOSED)]

    def is_preflight(self, exchange: Exchange) -> bool:
        """Whether a browser asks if a page may call, and that page is allowed to."""
        return (
            exchange.method == "OPTIONS"
            and b"access-control-request-method" in exchange.headers
            and len(self.headers(exchange)) > 1
        )

    def preflight_headers(self, exchange: Exchange) -> HeaderList:
        """What such a page may send."""
        wanted = exchange.headers.get(b"access-control-request-headers", b"authorization, content-type")
        return [
            (b"access-control-allow-methods", b"GET, POST"),
            (b"access-control-allow-headers", wanted),
            (b"access-control-max-age", _PREFLIGHT_SECONDS),
        ]
