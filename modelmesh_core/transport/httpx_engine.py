"""The default engine: httpx."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

import httpx

from ..errors import Failure, FailureKind, ProviderError, provider_error
from ..values import Clock
from ..wire.http import Headers, HttpRequest, HttpResponse, HttpTimeouts
from .protocol import TransportOptions


class HttpxTransport:
    """httpx behind the Transport protocol. Nothing is taken from the environment that the configuration does not name."""

    def __init__(self, options: TransportOptions, clock: Clock) -> None:
        self._options = options
        self._clock = clock
        self._clients: WeakKeyDictionary[asyncio.AbstractEventLoop, httpx.AsyncClient] = WeakKeyDictionary()

    def _client(self) -> httpx.AsyncClient:
        loop = asyncio.get_running_loop()
        client = self._clients.get(loop)
        if client is None:
            options = self._options
            verify = ssl.create_default_context(cafile=options.ca_file) if options.ca_file else True
            client = self._clients[loop] = httpx.AsyncClient(
                limits=httpx.Limits(max_connections=options.max_connections, max_keepalive_connections=100),
                proxy=options.proxy_url,
                verify=verify,
                trust_env=False,
                timeout=None,
            )
        return client

    async def send(self, request: HttpRequest, timeouts: HttpTimeouts) -> HttpResponse:
        stream = await self.open(request, timeouts)
        try:
            body = await stream.read_all(self._options.max_body)
        finally:
            await stream.aclose()
        return HttpResponse(stream.status, stream.headers, body, self._clock.now())

    async def open(self, request: HttpRequest, timeouts: HttpTimeouts) -> HttpxByteStream:
        deadline = None if timeouts.total is None else asyncio.get_running_loop().time() + timeouts.total
        limits = httpx.Timeout(timeouts.idle, connect=timeouts.connect, read=timeouts.first_byte, pool=timeouts.connect)
        client = self._client()
        prepared = client.build_request(
            request.method, request.url, headers=dict(request.headers), content=request.body, timeout=limits
        )
        try:
            async with asyncio.timeout(timeouts.total):
                response = await client.send(prepared, stream=True)
        except (httpx.HTTPError, TimeoutError) as error:
            raise _before_head(error, request.url) from error
        return HttpxByteStream(response, timeouts.idle, deadline, self._options.max_body)

    async def aclose(self) -> None:
        client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.aclose()


class HttpxByteStream:
    """A response body that is still arriving."""

    def __init__(self, response: httpx.Response, idle: float | None, deadline: float | None, limit: int) -> None:
        self.status = response.status_code
        self.headers = Headers(response.headers.multi_items())
        self._response = response
        self._chunks: AsyncIterator[bytes] = response.aiter_bytes()
        self._idle = idle
        self._deadline = deadline
        self._left = limit

    async def read_chunk(self) -> bytes:
        limit = self._idle
        if self._deadline is not None:
            left = max(0.0, self._deadline - asyncio.get_running_loop().time())
            limit = left if limit is None else min(limit, left)
        try:
            async with asyncio.timeout(limit):
                chunk = await anext(self._chunks, b"")
        except (httpx.HTTPError, TimeoutError) as error:
            await self.aclose()
            raise _cut(f"{type(error).__name__} while reading the body") from error
        self._left -= len(chunk)
        if self._left < 0:
            await self.aclose()
            raise provider_error(Failure(FailureKind.UNDECODABLE, "the body passed the largest size that is read"))
        return chunk

    async def read_all(self, limit: int) -> bytes:
        parts: list[bytes] = []
        self._left = min(self._left, limit)
        while chunk := await self.read_chunk():
            parts.append(chunk)
        return b"".join(parts)

    async def aclose(self) -> None:
        await self._response.aclose()


def _cut(detail: str) -> ProviderError:
    return provider_error(Failure(FailureKind.STREAM_CUT, detail))


def _before_head(error: Exception, url: str) -> ProviderError:
    parts = urlsplit(url)
    where = f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
    if isinstance(error, (httpx.TimeoutException, TimeoutError)):
        return provider_error(Failure(FailureKind.TIMEOUT, f"no answer from {where} in time ({type(error).__name__})"))
    return provider_error(Failure(FailureKind.CONNECTION, f"no connection to {where}: {error or type(error).__name__}"))
