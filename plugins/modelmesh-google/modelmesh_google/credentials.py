"""Who asks Vertex AI: an access token as it is, or one that a service account's key is exchanged for."""

from __future__ import annotations

import base64
from collections.abc import Generator
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlencode

import orjson
from modelmesh_core import (
    Clock,
    Failure,
    FailureKind,
    HttpRequest,
    HttpResponse,
    Json,
    Secret,
    as_object,
    as_text,
    provider_error,
)

from .errors import failure_of_response
from .shapes import as_count

_TOKEN_URI = "https://oauth2.googleapis.com/token"
_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_LIFETIME = 3600
_EARLY = 120.0
"""Seconds before its end at which a token is replaced."""


class _Signer(Protocol):
    def sign(self, data: bytes, padding: Any, algorithm: Any) -> bytes: ...


class TokenSource:
    """Access tokens for one account, asked for when needed and kept until they end."""

    def __init__(self, account: Json, clock: Clock, place: str) -> None:
        """``account`` is the JSON that Google Cloud hands out; ``place`` names the option in errors.

        Raises ValueError for an account that cannot be used.
        """
        self._account = account
        self._clock = clock
        self._token = ""
        self._until = 0.0
        self._uri = as_text(account.get("token_uri")) or _TOKEN_URI
        kind = as_text(account.get("type"))
        needed = _NEEDED.get(kind)
        if needed is None:
            known = " or ".join(_NEEDED)
            raise ValueError(f"{place}: expected the JSON of a {known}, found one of type {kind[:40]!r}")
        missing = [name for name in needed if not as_text(account.get(name))]
        if missing:
            raise ValueError(f"{place}: the JSON of the {kind} lacks {', '.join(missing)}")
        if not self._uri.startswith("https://"):
            raise ValueError(f"{place}: token_uri has to begin with https://")
        self._signer = _load_key(account["private_key"], place) if kind == "service_account" else None

    def token(self) -> Generator[HttpRequest, HttpResponse, str]:
        """A token that is good for a while. Raises ProviderError where none is given."""
        if self._token and self._clock.now() < self._until - _EARLY:
            return self._token
        headers = {"content-type": "application/x-www-form-urlencoded"}
        response = yield HttpRequest("POST", self._uri, headers, urlencode(self._grant()).encode())
        if not 200 <= response.status < 300:
            raise provider_error(self._refusal(response))
        answer = as_object(response.json())
        token = as_text(answer.get("access_token"))
        if not token or not token.isascii() or not token.isprintable():
            message = f"the token endpoint answered without an access token (it has: {', '.join(list(answer)[:8])})"
            raise provider_error(Failure(FailureKind.UNDECODABLE, message, status=response.status))
        self._token = token
        self._until = self._clock.now() + (as_count(answer.get("expires_in")) or _LIFETIME)
        return token

    def forget(self) -> None:
        """Ask for a new token next time: this one was refused."""
        self._token = ""

    def secrets(self) -> list[str]:
        """What must not be shown."""
        return [self._token, *(as_text(self._account.get(name)) for name in ("client_secret", "refresh_token"))]

    def _grant(self) -> dict[str, str]:
        if self._signer is None:
            names = ("client_id", "client_secret", "refresh_token")
            return {"grant_type": "refresh_token", **{name: self._account[name] for name in names}}
        return {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": self._assertion(self._signer)}

    def _assertion(self, signer: _Signer) -> str:
        """The signed claim to be this account (RFC 7523)."""
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.hashes import SHA256

        now = int(self._clock.now())
        head: Json = {"alg": "RS256", "typ": "JWT"}
        if as_text(self._account.get("private_key_id")):
            head["kid"] = self._account["private_key_id"]
        email = self._account["client_email"]
        claims = {"iss": email, "sub": email, "scope": _SCOPE, "aud": self._uri, "iat": now, "exp": now + _LIFETIME}
        signed = f"{_base64url(orjson.dumps(head))}.{_base64url(orjson.dumps(claims))}"
        return f"{signed}.{_base64url(signer.sign(signed.encode(), PKCS1v15(), SHA256()))}"

    def _refusal(self, response: HttpResponse) -> Failure:
        failure = failure_of_response(response)
        of_the_account = response.status in (400, 401, 403, 404)
        kind = FailureKind.AUTHENTICATION if of_the_account else failure.kind
        message = f"Google gave no access token: {failure.message}"
        return Failure(kind, message, response.status, failure.code, failure.retry_after, failure.body)


_NEEDED = {
    "service_account": ("client_email", "private_key"),
    "authorized_user": ("client_id", "client_secret", "refresh_token"),
}


def read_account(given: Secret, place: str) -> Json:
    """The JSON of an account, given itself or as the path of its file. Raises ValueError, without showing it."""
    text = given.reveal().strip()
    if not text.startswith("{"):
        try:
            text = Path(text).expanduser().read_text("utf-8")
        except (OSError, ValueError, RuntimeError) as error:
            reason = getattr(error, "strerror", None) or type(error).__name__
            raise ValueError(f"{place}: expected JSON, or the path of a readable file ({reason})") from None
    try:
        account: Any = orjson.loads(text)
    except ValueError:
        raise ValueError(f"{place}: what is there is not JSON") from None
    return as_object(account)


def _load_key(pem: str, place: str) -> Any:
    try:
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
    except ImportError:
        message = "a service account's key needs cryptography: pip install 'modelmesh-google[service-account]'"
        raise ValueError(f"{place}: {message}") from None
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except Exception:  # cryptography raises many kinds, some of which quote the key
        raise ValueError(f"{place}: private_key is not a key in PEM form") from None
    if not isinstance(key, RSAPrivateKey):
        raise ValueError(f"{place}: private_key is not an RSA key")
    return key


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
