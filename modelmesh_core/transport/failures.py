"""What the engines share: how a broken exchange is told, and what neither of them may leave to its library.

Nothing here takes an engine's exception: their texts hold whole URLs and header values. An engine picks out the
reason itself and raises ``from None``, so that a printed traceback holds no secret either.
"""

from __future__ import annotations

import os
import ssl
from urllib.parse import urlsplit

from ..errors import ConfigurationError, Failure, FailureKind, ProviderError, provider_error

KEEP_ALIVE = 60.0
"""Seconds that an unused connection stays open: longer than a pause between turns, shorter than most servers keep."""
CLOCK_PRECISION = 0.002
"""Seconds by which a timer may seem to ring early: uvloop counts in whole milliseconds."""
USER_AGENT = "modelmesh"
"""Sent where the request does not name its own."""
MALFORMED_REQUEST = "the request cannot be sent, because its URL or one of its headers is malformed"
PROXY_SCHEMES = ("http", "https", "socks5", "socks5h")


def check_proxy(url: str | None) -> None:
    """Raises ConfigurationError, which does not repeat ``url``, if that is no proxy's address."""
    if url is not None and (urlsplit(url).scheme not in PROXY_SCHEMES or _address(url) is None):
        raise ConfigurationError(
            "proxy_url is not the address of a proxy.",
            hint=f"Write it as http://user:password@host:port; the scheme is one of {', '.join(PROXY_SCHEMES)}.",
        )


def unreadable_ca_file(path: str, reason: object) -> ConfigurationError:
    """For a ``ca_file`` that holds no certificates."""
    return ConfigurationError(
        f"ca_file {path} cannot be used: {reason}.", hint="It must be a PEM file of certificate authorities."
    )


def peer(url: str, proxy_url: str | None) -> str:
    """Whom an exchange is with: host, port and the proxy's, and nothing else of either address."""
    name = _address(url) or "the configured address, which is no valid URL"
    return name if proxy_url is None else f"{name} through the proxy {_address(proxy_url)}"


def _address(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:  # no number, or out of range
        return None
    host = parts.hostname
    if not host:
        return None
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def reason_of(error: BaseException) -> str:
    """What the operating system or TLS says went wrong, in words that hold no secret."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):  # its errno is not the system's
        return f"TLS failed: {error.reason.replace('_', ' ').lower()}" if error.reason else "TLS failed"
    if isinstance(error, OSError):
        known = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        return known or type(error).__name__
    return type(error).__name__


def connection_error(whom: str, reason: str) -> ProviderError:
    """Refused, reset, not resolved, not trusted, or gone before the response's head."""
    return provider_error(Failure(FailureKind.CONNECTION, f"no response from {whom}: {reason}"))


def connect_timeout(whom: str, seconds: float | None) -> ProviderError:
    """No connection stood within the connect limit."""
    return provider_error(Failure(FailureKind.TIMEOUT, f"no connection to {whom}{_within(seconds)} (connect)"))


def head_timeout(whom: str, first_byte: float | None, total: float | None) -> ProviderError:
    """No response began within the first-byte or the total limit, whichever is shorter."""
    limit = "first_byte" if total is None or (first_byte is not None and first_byte <= total) else "total"
    seconds = first_byte if limit == "first_byte" else total
    return provider_error(Failure(FailureKind.TIMEOUT, f"no response from {whom}{_within(seconds)} ({limit})"))


def cut(whom: str, status: int, reason: str) -> ProviderError:
    """The body broke off."""
    message = f"the response from {whom} broke off: {reason}"
    return provider_error(Failure(FailureKind.STREAM_CUT, message, status=status))


def body_timeout(whom: str, status: int, idle: float | None, total: float | None, elapsed: float) -> ProviderError:
    """The body stalled, or was not complete in time: the total limit if ``elapsed`` seconds have reached it."""
    if total is not None and elapsed + CLOCK_PRECISION >= total:
        return cut(whom, status, f"not complete{_within(total)} (total)")
    return cut(whom, status, f"nothing more came{_within(idle)} (idle)")


def too_long(whom: str, status: int, limit: int, max_body: int) -> ProviderError:
    """The body has more bytes than ``limit``, which is ``max_body`` or what the reader allowed."""
    name = "max_body" if limit >= max_body else "the reader's limit"
    message = f"the response from {whom} is longer than {limit} bytes ({name})"
    return provider_error(Failure(FailureKind.UNDECODABLE, message, status=status))


def undecodable(whom: str, status: int, reason: str) -> ProviderError:
    """The body is not in the content encoding that its head declares."""
    message = f"the response from {whom} cannot be decompressed: {reason}"
    return provider_error(Failure(FailureKind.UNDECODABLE, message, status=status))


def _within(seconds: float | None) -> str:
    return "" if seconds is None else f" within {seconds:.4g} s"
