"""The receiver: OTLP over HTTP, in protobuf, retried as the protocol wants it."""

from __future__ import annotations

import gzip
import logging
from typing import Protocol

import httpx
from google.protobuf.message import DecodeError, Message
from modelmesh_core import Clock, ConnectorError, ModelMeshError, SystemClock, retry_after_seconds
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    stop_after_attempt,
    wait_exponential,
    wait_random,
)

from .options import OtlpOptions

logger = logging.getLogger("modelmesh.observability")

_PASSING = (429, 502, 503, 504)
_ENOUGH_TO_PACK = 1024


class _Refused(ModelMeshError):  # noqa: N818  (raised inside, seen as a ModelMeshError)
    """The receiver did not take an export."""

    def __init__(self, message: str, *, passing: bool, retry_after: float | None = None) -> None:
        super().__init__(message, hint=None if passing else "Check its endpoint and headers.")
        self.passing = passing
        self.retry_after = retry_after


class Response(Protocol):
    """Made for each answer, to read it."""

    def __call__(self) -> Message: ...


class Receiver:
    """Raises ModelMeshError once the tries are used up, or at once where trying again cannot help."""

    def __init__(self, options: OtlpOptions, clock: Clock | None = None) -> None:
        try:
            url = httpx.URL(options.endpoint.rstrip("/"))
        except httpx.InvalidURL:
            url = httpx.URL()
        if url.scheme not in ("http", "https") or not url.host:
            raise ConnectorError("the OTLP endpoint is no http or https address.", hint="Write http://HOST:4318.")
        self._url = str(url)
        self._name = f"OTLP receiver {url.host}"
        self._options = options
        self._clock = clock or SystemClock()
        self._backoff = wait_exponential(options.initial_delay, options.max_delay) + wait_random(
            0, options.initial_delay
        )
        self._client: httpx.AsyncClient | None = None

    async def traces(self, body: bytes) -> None:
        """Export an ExportTraceServiceRequest."""
        await self._export("/v1/traces", body, ExportTraceServiceResponse)

    async def metrics(self, body: bytes) -> None:
        """Export an ExportMetricsServiceRequest."""
        await self._export("/v1/metrics", body, ExportMetricsServiceResponse)

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _export(self, path: str, body: bytes, response: Response) -> None:
        tries = AsyncRetrying(
            stop=stop_after_attempt(self._options.max_attempts),
            wait=self._pause,
            retry=retry_if_exception(lambda error: isinstance(error, _Refused) and error.passing),
            sleep=self._clock.sleep,
            reraise=True,
        )
        self._tell_rejected(path, await tries(self._post, path, body), response())

    def _pause(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked_for = (error.retry_after if isinstance(error, _Refused) else None) or 0.0
        return min(max(self._backoff(state), asked_for), self._options.max_delay)

    async def _post(self, path: str, body: bytes) -> bytes:
        if self._client is None:
            self._client = httpx.AsyncClient(timeout=self._options.timeout)
        headers = {"content-type": "application/x-protobuf"}
        if len(body) >= _ENOUGH_TO_PACK:
            body = gzip.compress(body, 1)
            headers["content-encoding"] = "gzip"
        headers.update({name.lower(): value.reveal() for name, value in self._options.headers.items()})
        try:
            answer = await self._client.post(self._url + path, content=body, headers=headers)
        except httpx.RequestError as error:  # its text may hold the address, and with it a token
            raise _Refused(f"{self._name} could not be reached: {type(error).__name__}.", passing=True) from None
        if not answer.is_success:
            status = answer.status_code
            raise _Refused(
                f"{self._name} answered {status} to {path}.",
                passing=status in _PASSING,
                retry_after=retry_after_seconds(dict(answer.headers), self._clock.now()),
            )
        return answer.content

    def _tell_rejected(self, path: str, content: bytes, response: Message) -> None:
        """A receiver may take a part only: that is final, and worth a word."""
        try:
            response.ParseFromString(content)
        except DecodeError:
            return  # it answered success in a form of its own
        partial = getattr(response, "partial_success", None)
        rejected = getattr(partial, "rejected_spans", 0) or getattr(partial, "rejected_data_points", 0)
        if rejected:
            message = getattr(partial, "error_message", "")[:200]
            logger.warning("%s rejected %d items of %s: %s", self._name, rejected, path, message)
