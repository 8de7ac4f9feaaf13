"""AWS Signature Version 4, for services other than S3."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import quote, urlsplit

import attrs
from modelmesh_core import Secret

_ALGORITHM = "AWS4-HMAC-SHA256"
_UNRESERVED = "-_.~"


@attrs.frozen
class Credentials:
    """Who signs."""

    access_key_id: Secret
    secret_access_key: Secret
    session_token: Secret | None = None


def signed_headers(
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    credentials: Credentials,
    *,
    region: str,
    service: str,
    now: float,
) -> dict[str, str]:
    """``headers`` with those that sign the request as it was at ``now`` (UTC epoch seconds).

    Every given header is signed, and ``host``, which the transport adds by itself. ``url`` is as it will be sent: its
    path is percent-encoded once, and the signature encodes that a second time, as every service but S3 wants it.
    """
    moment = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
    added = {"x-amz-date": moment}
    if credentials.session_token:
        added["x-amz-security-token"] = credentials.session_token.reveal()
    sent = {**{name.lower(): value for name, value in headers.items()}, **added}
    request, names = canonical_request(method, url, sent, body)
    scope = f"{moment[:8]}/{region}/{service}/aws4_request"
    to_sign = "\n".join((_ALGORITHM, moment, scope, hashlib.sha256(request.encode()).hexdigest()))
    key = _signing_key(credentials.secret_access_key, moment[:8], region, service)
    signature = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
    credential = f"{credentials.access_key_id.reveal()}/{scope}"
    sent["authorization"] = f"{_ALGORITHM} Credential={credential}, SignedHeaders={names}, Signature={signature}"
    return sent


def canonical_request(method: str, url: str, headers: Mapping[str, str], body: bytes) -> tuple[str, str]:
    """The text that stands for the request in its signature, and the names of the headers in it."""
    parts = urlsplit(url)
    named = {name.lower(): " ".join(value.split()) for name, value in headers.items()}
    named["host"] = host_of(url)
    names = sorted(named)
    lines = [
        method,
        quote(parts.path or "/", safe="/" + _UNRESERVED),
        _canonical_query(parts.query),
        *(f"{name}:{named[name]}" for name in names),
        "",
        ";".join(names),
        hashlib.sha256(body).hexdigest(),
    ]
    return "\n".join(lines), ";".join(names)


def host_of(url: str) -> str:
    """The ``host`` header of a request to ``url``: without the port that its scheme implies."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    implied = {"https": 443, "http": 80}.get(parts.scheme)
    return host if parts.port in (None, implied) else f"{host}:{parts.port}"


def _canonical_query(query: str) -> str:
    """The pairs of a query, which are percent-encoded already, in their order."""
    pairs = sorted(tuple(pair.partition("=")[::2]) for pair in query.split("&") if pair)
    return "&".join(f"{name}={value}" for name, value in pairs)


@lru_cache(maxsize=64)
def _signing_key(secret: Secret, day: str, region: str, service: str) -> bytes:
    key = b"AWS4" + secret.reveal().encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key
