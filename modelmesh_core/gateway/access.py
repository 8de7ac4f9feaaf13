"""Who may use the gateway: tokens, addresses, web pages."""

from __future__ import annotations

import hmac
import ipaddress
import secrets
from collections.abc import Iterable
from hashlib import blake2b

import attrs

from ..config.schema import CorsConfig, ProxyConfig
from ..errors import ConfigurationError
from ..keys import AccessKey, KeyRing
from ..keys.ring import Refused
from ..limits import KeyLimits
from ..values import Secret
from .channel import HeaderList
from .exchange import Exchange
from .refusals import Refusal

MODELS = "/v1/models"
_OPEN = frozenset({MODELS, "/openapi.json"})
"""To every key: the one lists only what the key may ask for, the other only what anybody can."""
METRICS = "/metrics"
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
            hint="Set proxy.auth.keys or proxy.auth.tokens, listen on 127.0.0.1, or set "
            "proxy.allow_unauthenticated: true.",
        )


def is_open_door(config: ProxyConfig, host: str) -> bool:
    """Whether strangers could use the gateway at ``host`` though nobody said that they may."""
    return not (config.auth.tokens or config.auth.keys or config.allow_unauthenticated or is_loopback(host))


@attrs.frozen
class Caller:
    """Who sent a request."""

    name: str | None = None
    """Of the key, or of the token (``token-1`` is the first); None where none is needed."""
    endpoints: frozenset[str] = frozenset()
    """What may be called; empty: everything."""
    limits: KeyLimits | None = None

    def may_call(self, endpoint: str) -> bool:
        """Whether ``endpoint``, as ``proxy.endpoints`` calls it, is open to the caller."""
        return not self.endpoints or endpoint in self.endpoints or endpoint in _OPEN

    @property
    def may_watch(self) -> bool:
        """Whether the caller may read ``/metrics``, which tells what all keys use. One of ``modelmesh keys`` may only
        if it names that endpoint."""
        return self.limits is None or METRICS in self.endpoints

    def may_share(self, endpoint: str) -> bool:
        """Whether the caller may use what the accounts of all providers keep, which no pool or model bounds."""
        return self.limits is None or not self.limits.narrows or endpoint in self.endpoints


ANYBODY = Caller()


class Authenticator:
    """Knows the accepted tokens by their keyed digests, and compares in constant time."""

    def __init__(self, tokens: Iterable[Secret], keys: KeyRing | None = None, *, required: bool) -> None:
        self._required = required
        self._keys = keys
        self._salt = secrets.token_bytes(32)
        self._digests = [
            (Caller(f"token-{place}"), self._digest(token.reveal().encode())) for place, token in enumerate(tokens, 1)
        ]
        self._callers: dict[AccessKey, Caller] = {}
        """Of the keys as they are now, and some as they were."""

    def _digest(self, token: bytes) -> bytes:
        return blake2b(token, key=self._salt).digest()

    def admit(self, exchange: Exchange) -> Caller:
        """Who the caller is. Raises Refusal for nobody who is known."""
        if not self._required:
            return ANYBODY
        offered = _offered(exchange)
        why = "the API key is not valid here" if offered else "an API key is needed"
        for token in offered:
            if self._keys is not None:
                caller = self._of_key(token)
                if isinstance(caller, Caller):
                    return caller
                if caller is not None:
                    why = f"the API key {caller.name!r} has {_ENDED[caller.reason]}"
            digest, found = self._digest(token), None
            for listed, known in self._digests:
                if hmac.compare_digest(digest, known):
                    found = found or listed
            if found is not None:
                return found
        hint = "send one of the gateway's keys as `Authorization: Bearer`, `x-api-key` or `api-key`"
        raise Refusal(401, f"{why}: {hint}", code="invalid_api_key", headers={"www-authenticate": "Bearer"})

    def _of_key(self, token: bytes) -> Caller | Refused | None:
        assert self._keys is not None
        found = self._keys.find(token)
        if not isinstance(found, AccessKey):
            return found
        caller = self._callers.get(found)
        if caller is None:
            if len(self._callers) > 2 * len(self._keys.keys):
                self._callers.clear()
            caller = self._callers[found] = Caller(found.name, frozenset(found.endpoints), found.limits)
        return caller


_ENDED = {"expired": "expired", "rotated": "been replaced by a newer one"}


def _offered(exchange: Exchange) -> list[bytes]:
    headers = exchange.headers
    offered: list[bytes] = []
    if b"authorization" in headers:
        scheme, _, credential = headers[b"authorization"].partition(b" ")
        if scheme.lower() == b"bearer" and (token := credential.strip()):
            offered.append(token)
    if not headers.keys().isdisjoint(_KEY_HEADERS):
        offered += [token for name in _KEY_HEADERS if name in headers and (token := headers[name].strip())]
    return offered


class CorsPolicy:
    """Which web pages a browser lets read the gateway's answers."""

    def __init__(self, config: CorsConfig) -> None:
        self._origins = {origin.rstrip("/").encode() for origin in config.origins} if config.enabled else set[bytes]()
        self.is_on = bool(self._origins)
        """Whether any are named."""

    def headers(self, exchange: Exchange) -> HeaderList:
        """For every answer; what else is in it is there only if the page that asks is allowed to."""
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
