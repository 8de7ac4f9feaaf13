"""HttpSecretStore: what the stores that are reached over HTTP have in common."""

from __future__ import annotations

import ssl
from collections.abc import Collection, Generator, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import attrs
import orjson

from ..errors import ModelMeshError
from ..values import Clock, Duration, Secret, SystemClock
from ..wire.http import Headers, HttpRequest, HttpResponse, retry_after_seconds
from .secret_store import SecretStore

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_TRIES = 3
_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 5.0
"""Seconds, also where the service asks for more: a mesh that starts waits for this."""
_LONGEST_REASON = 300


@attrs.frozen
class HttpStoreOptions:
    """How a service is reached. Base of the options of stores that speak HTTP."""

    timeout: Duration = 10.0
    """For each try of a call."""
    ca_file: str | None = None
    """Certificates (PEM) of the authorities to trust, in the place of the system's."""
    verify_tls: bool = True
    """Check the service's certificate. Without it anybody on the way can read the secrets."""


class HttpSecretStore(SecretStore):
    """Sends requests, tries again what passes, and words the errors. Never follows a redirect: it would tell the
    credentials to somebody else.

    ``service`` is the name that errors give. Raises ModelMeshError for options that cannot work.
    """

    service: str = "the secret store"
    refused_hint: str = "Check the credentials, and what they are allowed to do."

    def __init__(self, options: HttpStoreOptions, clock: Clock | None = None) -> None:
        self._http_options = options
        self._client: httpx.AsyncClient | None = None
        self.clock: Clock = clock or SystemClock()

    async def send(self, request: HttpRequest, what: str, *, accept: Collection[int] = ()) -> HttpResponse:
        """The response, if it is a success or its status is in ``accept``. ``what`` goes on the words "could not".

        Raises ModelMeshError once the tries are used up, or at once where trying again cannot help.
        """
        pause = _FIRST_PAUSE
        for last in (False,) * (_TRIES - 1) + (True,):
            response = await self._try(request, what, last=last)
            if response is not None:
                if 200 <= response.status < 300 or response.status in accept:
                    return response
                if last or response.status not in _PASSING:
                    raise self.refusal(response, what)
                pause = retry_after_seconds(response.headers, self.clock.now()) or pause
            await self.clock.sleep(min(pause, _LONGEST_PAUSE))
            pause *= 2
        raise AssertionError("the last try returns or raises")

    async def run(self, flow: Generator[HttpRequest, HttpResponse, T], what: str) -> T:
        """The result of a flow that is written as a provider connector's is. It sees every response."""
        try:
            request = next(flow)
            while True:
                request = flow.send(await self.send(request, what, accept=range(100, 600)))
        except StopIteration as stop:
            return cast(T, stop.value)
        finally:
            flow.close()

    def object_of(self, response: HttpResponse, what: str) -> dict[str, Any]:
        """The JSON object in ``response``. Raises ModelMeshError, which does not quote it: it may hold the secret."""
        try:
            found: Any = orjson.loads(response.body)
        except ValueError:
            found = None
        if isinstance(found, dict):
            return cast(dict[str, Any], found)
        media_type = response.headers.get("content-type", "no content type")
        raise ModelMeshError(
            f"{self.service} could not {what}: HTTP {response.status} without a JSON object ({media_type}).",
            hint="Check its address: something else may be answering there.",
        )

    def refusal(self, response: HttpResponse, what: str) -> ModelMeshError:
        """The error for ``response``."""
        reason = self.cleaned(self.reason(response))
        told = f"HTTP {response.status}{f': {reason}' if reason else ''}"
        hint = self.refused_hint if response.status in (400, 401, 403) else None
        return ModelMeshError(f"{self.service} could not {what}: {told.rstrip('.')}.", hint=hint)

    def reason(self, response: HttpResponse) -> str:
        """What the service says of a failure. Override it where its errors are of another shape."""
        try:
            body: Any = orjson.loads(response.body)
        except ValueError:
            return ""
        for key in ("error_description", "message", "Message", "error"):
            if isinstance(body, dict) and key in body:
                body = cast(dict[str, Any], body)[key]
                if isinstance(body, dict):
                    body = cast(dict[str, Any], body).get("message")
                return body if isinstance(body, str) else ""
        return ""

    def confidential(self) -> Iterable[Secret]:
        """What the service might quote and nobody may see. Override it with the store's own credentials."""
        return ()

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _try(self, request: HttpRequest, what: str, *, last: bool) -> HttpResponse | None:
        """The response; None if none came and there is another try."""
        import httpx

        if self._client is None:
            self._client = http_client(self._http_options, self.service, ModelMeshError)
        try:
            came = await self._client.request(
                request.method, request.url, headers=dict(request.headers), content=request.body
            )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            if isinstance(error, httpx.TransportError) and not last:
                return None
            host = httpx.URL(request.url).host if isinstance(error, httpx.HTTPError) else "its address"
            raise ModelMeshError(
                f"{self.service} could not {what}: no answer from {host}: {_story(error)}.",
                hint="Check its address, the network, and ca_file if its certificate is not a public one.",
            ) from None
        return HttpResponse(came.status_code, Headers(came.headers.multi_items()), came.content, self.clock.now())

    def cleaned(self, text: str) -> str:
        """``text`` on one line, not too long, and without what is confidential."""
        for secret in self.confidential():
            if secret:
                text = text.replace(secret.reveal(), "***")
        text = " ".join(text.split())
        return text if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON]}..."


def _story(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def http_client(options: HttpStoreOptions, whom: str, error: type[ModelMeshError]) -> httpx.AsyncClient:
    """A client as ``options`` want it. Raises ``error``, naming ``whom``, if the authorities cannot be read."""
    import httpx

    trust: ssl.SSLContext | bool = options.verify_tls
    if options.verify_tls and options.ca_file is not None:
        try:
            trust = ssl.create_default_context(cafile=str(Path(options.ca_file).expanduser()))
        except OSError as reason:
            raise error(
                f"{whom}: ca_file cannot be used: {reason.strerror or type(reason).__name__}.",
                hint="Name a readable file of certificates in PEM form.",
            ) from None
    return httpx.AsyncClient(verify=trust, timeout=options.timeout, follow_redirects=False)
