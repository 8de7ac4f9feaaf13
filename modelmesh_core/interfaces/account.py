"""What an account at a vendor is configured with: checked, and never shown."""

from __future__ import annotations

from urllib.parse import urlsplit

from ..values import Secret
from .provider import ProviderSettings

SHORTEST_KEY = 6
"""Characters. Shorter ones, as local servers take them, are no secrets and would be found inside ordinary words."""


def checked_url(url: str | None, place: str, example: str = "https://api.example.com/v1") -> str:
    """``url`` without a closing slash.

    Raises ValueError, which names ``place`` and ``example``, for one that is missing, is not absolute, has a query, or
    holds a password.
    """
    text, expected = (url or "").strip().rstrip("/"), f"expected an absolute address such as {example}"
    if not text:
        raise ValueError(f"{place} is missing: {expected}")
    try:
        parts = urlsplit(text)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, an unbalanced bracket
        raise ValueError(f"{place}: {expected}, found one that cannot be parsed") from None
    if "@" in parts.netloc:
        raise ValueError(f"{place} must not hold a user or password: use api_key, or headers")
    if not valid or parts.query or parts.fragment:
        raise ValueError(f"{place}: {expected} without a query, found {text!r}")
    return text


def checked_key(key: Secret | None, place: str) -> str:
    """``key`` in clear, without white space around it; empty if there is none.

    Raises ValueError, which names ``place``, for one that no HTTP header can carry.
    """
    text = key.reveal().strip() if key else ""
    if not (text.isascii() and text.isprintable()):
        raise ValueError(f"{place} holds characters that no HTTP header can carry")
    return text


def own_headers(settings: ProviderSettings) -> dict[str, str]:
    """The headers of the configuration, in clear. Names are in lower case."""
    return {
        name.lower(): value.reveal() if isinstance(value, Secret) else value for name, value in settings.headers.items()
    }


def redacted(data: bytes, *secrets: str) -> bytes:
    """``data`` without ``secrets``: some servers quote the key that they refuse."""
    for secret in secrets:
        if len(secret) >= SHORTEST_KEY:
            data = data.replace(secret.encode(), b"***")
    return data
