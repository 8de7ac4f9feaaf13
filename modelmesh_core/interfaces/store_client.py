"""How a storage service is asked over HTTP: bounded in time, tried again where that is safe, and by its own clock."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from ..errors import StorageError
from ..values import Clock, Secret
from ..wire.http import Headers, HttpRequest, HttpResponse, retry_after_seconds
from .http_secret_store import HttpStoreOptions, http_client

if TYPE_CHECKING:
    import httpx

PASSING_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
_REACH = "Check its address, the network, and ca_file if its certificate is not a public one."
_TRIES = 3
_FIRST_PAUSE = 0.1
_LONGEST_REASON = 300
_MEASURE_INTERVAL = 3600.0
_TOLERATED = 2.0
"""Seconds by which two clocks may differ without either being wrong: the header ``date`` has whole seconds."""


class NoAnswerError(StorageError):
    """Nobody knows whether the request was carried out."""


class StoreClient:
    """Sends requests to one service, from one event loop. Never follows a redirect, which could be to anybody.

    ``confidential`` is what the service might quote and nobody may see.
    """

    def __init__(
        self, place: str, options: HttpStoreOptions, clock: Clock, confidential: Callable[[], Iterable[Secret]]
    ) -> None:
        self.place = place
        self._options = options
        self._clock = clock
        self._confidential = confidential
        self._client: httpx.AsyncClient | None = None
        self._behind = 0.0
        self._measured_at: float | None = None

    def now(self) -> float:
        """UTC epoch seconds by the service's clock, which is the same for all who use it."""
        return self._clock.now() + self._behind

    async def send(
        self,
        request: HttpRequest,
        what: str,
        *,
        tries: int = _TRIES,
        passing: Callable[[HttpResponse], bool] = lambda response: response.status in PASSING_STATUSES,
    ) -> HttpResponse:
        """The response, be it an error, within ``timeout``; what is ``passing`` is asked again while tries are left.

        ``what`` goes on the words "could not". Raises NoAnswerError where no response came.
        """
        pause = _FIRST_PAUSE
        try:
            async with asyncio.timeout(self._options.timeout):
                for left in reversed(range(tries)):
                    response = await self._try(request, what, last=not left)
                    if response is not None:
                        if not left or not passing(response):
                            return response
                        pause = retry_after_seconds(response.headers, self.now()) or pause
                    await self._clock.sleep(pause)
                    pause *= 2
        except TimeoutError:
            raise NoAnswerError(f"{self.place} could not {what}: no answer in time.", hint=_REACH) from None
        raise AssertionError("the last try returns or raises")

    def refusal(self, response: HttpResponse, what: str, reason: str, hint: str | None = None) -> StorageError:
        """The error for ``response``."""
        told = f"HTTP {response.status}{f': {self.cleaned(reason)}' if reason else ''}"
        return StorageError(f"{self.place} could not {what}: {told.rstrip('.')}.", hint=hint)

    def cleaned(self, text: str) -> str:
        """``text`` on one line, not too long, and without what is confidential."""
        for secret in self._confidential():
            if secret:
                text = text.replace(secret.reveal(), "***")
        text = " ".join(text.split())
        return text if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON]}..."

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _try(self, request: HttpRequest, what: str, *, last: bool) -> HttpResponse | None:
        """The response; None if none came and there is another try."""
        import httpx

        if self._client is None:
            self._client = http_client(self._options, self.place, StorageError)
        try:
            came = await self._client.request(
                request.method, request.url, headers=dict(request.headers), content=request.body
            )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            if isinstance(error, httpx.TransportError) and not last:
                return None
            story = self.cleaned(f"{type(error).__name__}: {error}").rstrip(": ")
            raise NoAnswerError(f"{self.place} could not {what}: no answer: {story}.", hint=_REACH) from None
        response = HttpResponse(came.status_code, Headers(came.headers.multi_items()), came.content, self._clock.now())
        self._measure(response)
        return response

    def _measure(self, response: HttpResponse) -> None:
        if self._measured_at is not None and self._clock.monotonic() - self._measured_at < _MEASURE_INTERVAL:
            return
        with contextlib.suppress(ValueError, TypeError):
            behind = parsedate_to_datetime(response.headers.get("date") or "").timestamp() - self._clock.now()
            self._behind = behind if abs(behind) > _TOLERATED else 0.0
            self._measured_at = self._clock.monotonic()
