"""Where a server is, as people write it."""

from __future__ import annotations

from urllib.parse import urlsplit

_PORT = 11434
_LISTENING_ONLY = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Addresses that mean every interface to a server, which a client cannot call, and what to call instead."""


def address_of(host: str, place: str) -> str:
    """The base URL for ``host``, ``host:port``, ``:port`` or a URL. Raises ValueError, naming ``place``."""
    text = host.strip()
    url = (text if "://" in text else f"http://{text}").rstrip("/")
    expected = "expected an address such as localhost:11434 or https://ollama.com"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError(f"{place}: {expected}, found one that cannot be parsed") from None
    if "@" in parts.netloc:
        raise ValueError(f"{place} must not hold a user or password: use api_key, or headers")
    if parts.scheme not in ("http", "https") or port == 0 or parts.query or parts.fragment:
        raise ValueError(f"{place}: {expected}, found {host!r}")
    if not parts.hostname and "://" in text:
        raise ValueError(f"{place}: {expected}, found {host!r}")
    if port is None and "://" not in text:
        port = _PORT
    name = _LISTENING_ONLY.get(parts.hostname or "", parts.hostname or "localhost")
    name = f"[{name}]" if ":" in name else name
    path = parts.path.removesuffix("/v1").removesuffix("/api")
    return parts._replace(netloc=f"{name}:{port}" if port else name, path=path).geturl()
