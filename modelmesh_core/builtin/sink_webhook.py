"""``modelmesh.webhook.v1``: entries in batches to a URL, retried and signed.

Each POST carries ``{"entries": [...]}``. With a secret, ``x-modelmesh-signature`` is ``t=SECONDS,v1=HEX``, where HEX
is the HMAC-SHA256 of ``SECONDS.BODY``: the receiver computes it anew, compares, and refuses an old ``t``.
``x-modelmesh-delivery`` is the same whenever the same batch is sent again.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence

import attrs
import httpx
from modelmesh_core import (
    Clock,
    ConnectorError,
    Duration,
    Entry,
    ModelMeshError,
    ObservabilityConnector,
    ObservabilitySink,
    Secret,
    SystemClock,
    hookimpl,
    json_line,
    retry_after_seconds,
)
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    stop_after_attempt,
    wait_exponential,
    wait_random,
)

from ._common import hidden

_PASSING = (408, 425, 429, 500, 502, 503, 504)


@attrs.frozen
class WebhookOptions:
    """Options of ``modelmesh.webhook.v1``."""

    url: str = attrs.field(repr=False)  # many services put a token into it
    """Where to POST."""
    secret: Secret | None = None
    """Signs each body."""
    headers: Mapping[str, Secret] = attrs.field(factory=dict[str, Secret], converter=hidden)
    """More headers, for example ``authorization``."""
    timeout: Duration = 10.0
    """For each try."""
    max_batch: int = attrs.field(default=100, validator=attrs.validators.ge(1))
    """Entries per POST."""
    max_attempts: int = attrs.field(default=4, validator=attrs.validators.ge(1))
    """Tries per POST, the first included."""
    initial_delay: Duration = 0.5
    """Before the second try; doubles, with jitter, for each further one."""
    max_delay: Duration = 30.0
    """The longest pause between two tries, also where the receiver asks for a longer one."""


class _RefusedError(ModelMeshError):
    """The receiver did not take a POST."""

    def __init__(self, message: str, *, passing: bool, retry_after: float | None = None) -> None:
        super().__init__(message, hint=None if passing else "Check its url, secret and headers.")
        self.passing = passing
        self.retry_after = retry_after


class WebhookSink(ObservabilitySink):
    """Raises ModelMeshError once the tries are used up, or at once where trying again cannot help.

    After that the batch is offered again as a whole: receivers tell repetitions by ``x-modelmesh-delivery``.
    """

    def __init__(self, options: WebhookOptions, clock: Clock | None = None) -> None:
        try:
            url = httpx.URL(options.url)
        except httpx.InvalidURL:
            url = httpx.URL()
        if url.scheme not in ("http", "https") or not url.host:
            raise ConnectorError("the webhook's url is no http or https address.", hint="Write https://HOST/PATH.")
        self._receiver = f"webhook {url.host}"
        self._options = options
        self._clock = clock or SystemClock()
        self._backoff = wait_exponential(options.initial_delay, options.max_delay) + wait_random(
            0, options.initial_delay
        )
        self._client: httpx.AsyncClient | None = None

    async def write(self, entries: Sequence[Entry]) -> None:
        for start in range(0, len(entries), self._options.max_batch):
            await self._deliver(_body(entries[start : start + self._options.max_batch]))

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _deliver(self, body: bytes) -> None:
        tries = AsyncRetrying(
            stop=stop_after_attempt(self._options.max_attempts),
            wait=self._pause,
            retry=retry_if_exception(lambda error: isinstance(error, _RefusedError) and error.passing),
            sleep=self._clock.sleep,
            reraise=True,
        )
        await tries(self._post, body)

    def _pause(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked_for = (error.retry_after if isinstance(error, _RefusedError) else None) or 0.0
        return min(max(self._backoff(state), asked_for), self._options.max_delay)

    async def _post(self, body: bytes) -> None:
        if self._client is None:
            self._client = httpx.AsyncClient(timeout=self._options.timeout)
        try:
            response = await self._client.post(self._options.url, content=body, headers=self._headers(body))
        except httpx.RequestError as error:  # its text may hold the address, and with it a token
            raise _RefusedError(
                f"{self._receiver} could not be reached: {type(error).__name__}.", passing=True
            ) from None
        if not response.is_success:
            status = response.status_code
            raise _RefusedError(
                f"{self._receiver} answered {status}.",
                passing=status in _PASSING,
                retry_after=retry_after_seconds(response.headers, self._clock.now()),
            )

    def _headers(self, body: bytes) -> dict[str, str]:
        headers = {name: value.reveal() for name, value in self._options.headers.items()}
        headers["content-type"] = "application/json"
        headers["x-modelmesh-delivery"] = hashlib.sha256(body).hexdigest()[:32]
        if self._options.secret:
            headers["x-modelmesh-signature"] = signature(self._options.secret, int(self._clock.now()), body)
        return headers


def signature(secret: Secret, timestamp: int, body: bytes) -> str:
    """What ``x-modelmesh-signature`` says for ``body`` sent at ``timestamp`` (UTC epoch seconds)."""
    digest = hmac.new(secret.reveal().encode(), f"{timestamp}.".encode() + body, hashlib.sha256)
    return f"t={timestamp},v1={digest.hexdigest()}"


def _body(entries: Sequence[Entry]) -> bytes:
    return b'{"entries":[' + b",".join(json_line(entry).rstrip() for entry in entries) + b"]}"


@hookimpl
def observability_connectors() -> Iterable[ObservabilityConnector]:
    yield ObservabilityConnector(
        id="modelmesh.webhook.v1",
        create=WebhookSink,
        options=WebhookOptions,
        description="POSTs to a URL, in batches, retried and signed.",
    )
