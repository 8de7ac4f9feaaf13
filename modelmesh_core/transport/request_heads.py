"""Requests as bytes, for an engine that writes them itself: nothing of a header or URL gets out of its own line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from ..wire.http import HeaderSet, HttpRequest
from .failures import USER_AGENT

DEFAULT_PORTS = {"http": 80, "https": 443}
WITH_A_BODY = ("POST", "PUT", "PATCH")
"""Methods whose requests declare their length even if it is zero."""
_DEFAULTS = {
    "accept": b"accept: */*\r\n",
    "accept-encoding": b"accept-encoding: gzip, deflate\r\n",
    "user-agent": b"user-agent: " + USER_AGENT.encode() + b"\r\n",
}
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e]*")
_HOST = re.compile(r"[0-9A-Za-z._~-]+|[0-9A-Fa-f:.]+")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")
_MOST_HEADS = 256
"""Kept for one set of headers: most are sent to one URL, but a URL may hold the name of a model."""
_KEPT = "!#$%&'()*+,/:;=?@[]~|"
"""What a request's target may have besides letters and digits; the rest is sent as %xx. % itself stays."""


class Address(NamedTuple):
    """Where a URL leads."""

    origin: tuple[bool, str, int]
    """Whether it is TLS, the host, the port: what a connection can be shared by."""
    target: bytes
    host_line: bytes


@lru_cache(maxsize=256)
def address_of(url: str) -> Address:
    """Raises ValueError if ``url`` cannot be called. What stands before an ``@`` in it is not sent."""
    if _CONTROLS.search(url):
        raise ValueError("a control character")
    parts = urlsplit(url)
    default_port = DEFAULT_PORTS.get(parts.scheme)
    host = parts.hostname
    if default_port is None or not host:
        raise ValueError("no address of a server")
    if not host.isascii():
        host = host.encode("idna").decode("ascii")
    if not _HOST.fullmatch(host):
        raise ValueError("no name of a host")
    port = default_port if parts.port is None else parts.port
    name = f"[{host}]" if ":" in host else host
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Address(
        (parts.scheme == "https", host, port),
        quote(target, safe=_KEPT + "%").encode("ascii"),
        (f"host: {name}\r\n" if port == default_port else f"host: {name}:{port}\r\n").encode("ascii"),
    )


def head_of(request: HttpRequest) -> tuple[Address, bytes]:
    """Where the request leads, and what is sent of it before its body. Raises ValueError or TypeError if a part of it
    cannot be sent."""
    headers, method, url, body = request.headers, request.method, request.url, request.body
    known: tuple[Address, bytes] | None = None
    if isinstance(headers, HeaderSet):
        known = headers.heads.get((method, url))
    if known is None:
        known = _head(method, url, headers)
        if isinstance(headers, HeaderSet) and len(headers.heads) < _MOST_HEADS:
            headers.heads[method, url] = known
    address, head = known
    if body is None:
        return address, head + (b"content-length: 0\r\n\r\n" if method in WITH_A_BODY else b"\r\n")
    return address, b"%bcontent-length: %d\r\n\r\n" % (head, len(body))


def _head(method: str, url: str, headers: Mapping[str, str]) -> tuple[Address, bytes]:
    """All of it but the length."""
    address = address_of(url)
    lines = _lines(headers)
    host = b"" if "host" in headers else address.host_line
    return address, b"%b %b HTTP/1.1\r\n%b%b" % (_method(method), address.target, lines, host)


def _lines(headers: Mapping[str, str]) -> bytes:
    lines = [_line(name, value) for name, value in headers.items()]
    lines += [line for name, line in _DEFAULTS.items() if name not in headers]
    return b"".join(lines)


@lru_cache(maxsize=64)
def _method(method: str) -> bytes:
    if not _TOKEN.fullmatch(method):
        raise ValueError("no method")
    return method.encode("ascii")


@lru_cache(maxsize=512)
def _line(name: str, value: str) -> bytes:
    if not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value):
        raise ValueError("no header")
    lower = name.lower()
    if lower == "content-length":
        return b""  # the body's own length is declared, whatever was said of it
    if lower == "transfer-encoding":
        raise ValueError("the body is never sent in chunks")
    return f"{name}: {value}\r\n".encode("ascii")
