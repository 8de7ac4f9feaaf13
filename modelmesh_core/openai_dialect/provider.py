"""OpenAICompatible: the provider for every server that speaks the OpenAI dialect."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

import attrs

from ..catalogue.definitions import Constraints
from ..errors import Failure, FailureKind, ProviderError, provider_error
from ..interfaces.account import checked_key, checked_url, own_headers, redacted
from ..interfaces.provider import (
    CatalogueModel,
    Flow,
    HttpProvider,
    ProviderCall,
    ProviderSettings,
    ResourceRequest,
    StreamDecoder,
)
from ..wire.http import HeaderSet, HttpRequest, HttpResponse
from ..wire.messages import Body, Dialect, Headroom, Operation, Reply
from ..wire.shapes import as_count, as_list, as_object, as_text
from .codec import Reading
from .errors import failure_of_response
from .foreign import without_foreign
from .limits import headroom_of
from .operations import EXCHANGES, Exchange
from .requests import JSON, encode_json, images_path, is_edit, prefilled
from .resources import RESOURCES, decode_resource, resource_request
from .stream import OpenAIStreamDecoder, WholeReplyDecoder, chat_events
from .typed_stream import SoundStreamDecoder, TypedStreamDecoder, events_of

_COMPLETIONS = (Operation.CHAT, Operation.TEXT_COMPLETION)
_CONTEXT_KEYS = ("context_length", "context_window", "max_model_len", "max_context_length")


class OpenAICompatible(HttpProvider):
    """An account at a server that speaks the OpenAI dialect.

    The caller's body is sent as it is; only ``model`` is replaced, and a stream is asked for its usage. A vendor that
    differs is a subclass: attributes for what it lacks, methods for what it words in its own way.
    """

    operations = frozenset(EXCHANGES)
    resources = RESOURCES
    """What OpenAI keeps for its accounts. A vendor that does so, too, adds what it has of them to ``operations``."""
    prefill_mark: Mapping[str, Any] = MappingProxyType({})
    """What the vendor wants on a last message of the assistant that is to be continued, such as ``prefix: true``."""
    paths: Mapping[Operation, str] = MappingProxyType({})
    """Operations that the vendor has elsewhere, below the base URL."""
    error_codes: Mapping[str, FailureKind] = MappingProxyType({})
    """What the vendor's own error codes mean, in lower case, where they are not those of OpenAI."""
    keeps: frozenset[str] = frozenset()
    """Fields of other dialects, in messages, parts and tools, that the vendor understands: ``cache_control``, say."""
    speaks_responses = False
    """Whether the vendor has the Responses API: callers who ask in its shape are then passed through."""
    takes_stored = True
    takes_stream_options = True
    """Whether a stream may be asked for its usage; vendors that report it anyhow can refuse to be asked."""

    def __init__(self, settings: ProviderSettings) -> None:
        """Raises ValueError for a base URL that is missing or not absolute, or a key that no header can carry."""
        self.name = settings.name
        self.base_url = checked_url(settings.base_url, f"providers.{settings.name}.base_url")
        self._key = checked_key(settings.api_key, f"providers.{settings.name}.api_key")
        self.headers = {**(self.key_header(self._key) if self._key else {}), **own_headers(settings)}
        self._json_headers = HeaderSet({})
        self._made_of: Mapping[str, str] = self._json_headers
        translates = type(self).translate_reply is not OpenAICompatible.translate_reply
        self._plain_reading = None if translates else Reading(codes=self.error_codes, limits=self.limits)
        """The reading of every answer, where the vendor's need no translation."""

    # What a subclass may say otherwise

    def key_header(self, key: str) -> Mapping[str, str]:
        """The header, in lower case, that proves who asks."""
        return {"authorization": f"Bearer {key}"}

    def url(self, call: ProviderCall, path: str) -> str:
        """Where ``call`` goes. ``path`` is its operation's; what of the model's name goes in has to be quoted."""
        return self.base_url + path

    def models_url(self) -> str:
        """Where the models are listed."""
        return self.base_url + "/models"

    def prepare(self, call: ProviderCall) -> Body:
        """The body for the vendor. ``call.body`` is not to be changed, nor anything in it."""
        return {**call.body, "model": call.upstream_model}

    def translate_reply(self, call: ProviderCall, body: Body) -> Body:
        """A decoded whole answer in this dialect; the same object where nothing is to be changed.

        An object under ``error`` in what is given back is raised as that error.
        """
        return body

    def translate_chunks(self, call: ProviderCall) -> Callable[[Body], Body | None] | None:
        """For one stream: what does the same with each of its chunks. None leaves a chunk out."""
        return None

    def describe(self, row: Mapping[str, object], model: CatalogueModel) -> CatalogueModel:
        """``model`` with what the vendor's list says of it beyond the usual, such as prices."""
        return model

    def limits(self, response: HttpResponse) -> Headroom:
        """What the head of a response says of limits."""
        return headroom_of(response.headers, response.received_at)

    def failure(self, response: HttpResponse) -> Failure:
        """What a response that is no success means."""
        return failure_of_response(response, self.error_codes)

    # The same for every vendor

    def execute(self, call: ProviderCall) -> Flow:
        if call.resource is not None and call.operation in self.operations:
            return (yield from self._kept(call, call.resource))
        exchange = EXCHANGES.get(call.operation) if call.operation in self.operations else None
        if exchange is None:
            message = f"provider {self.name!r} speaks the OpenAI dialect, in which it cannot do {call.operation.value}"
            raise provider_error(Failure(FailureKind.INVALID_REQUEST, message, status=400))
        if call.native is not None and call.dialect is Dialect.OPENAI_RESPONSES and self.speaks_responses:
            return (yield from self._passed_through(call))
        response = yield self._request(call, exchange)
        if not 200 <= response.status < 300:
            raise self.error(response)
        if call.stream:
            return self._decoder(call, response, exchange)
        return exchange.decode(call, response, self._reading(call))

    def _kept(self, call: ProviderCall, resource: ResourceRequest) -> Flow:
        """Something that the vendor keeps: asked for, and answered, as it is."""
        response = yield resource_request(self.url(call, resource.path), self.headers, resource)
        if not 200 <= response.status < 300:
            raise self.error(response)
        return attrs.evolve(decode_resource(response), headroom=self.limits(response))

    def _passed_through(self, call: ProviderCall) -> Flow:
        """The caller's own request to the Responses API, and the vendor's own answer."""
        from ..dialects.responses.upstream import decode, encode
        from ..dialects.responses.upstream_stream import ResponsesStreamDecoder

        media_type, content = encode_json(encode(call))
        headers = {"content-type": media_type, **self.headers}
        response = yield HttpRequest("POST", self.url(call, "/responses"), headers, content, call.stream)
        if not 200 <= response.status < 300:
            raise self.error(response)
        if not call.stream:
            return attrs.evolve(decode(response, native=True), headroom=self.limits(response))
        return ResponsesStreamDecoder(self.limits(response), native=True)

    def _request(self, call: ProviderCall, exchange: Exchange) -> HttpRequest:
        body = self.prepare(call)
        operation = call.operation
        if operation is Operation.CHAT and call.dialect is not Dialect.OPENAI_CHAT:
            body = without_foreign(call, body, self.keeps)
        if call.prefill is not None:
            body = prefilled(call.prefill, body, self.prefill_mark)
        body.pop("stream", None)
        if operation is Operation.SPEECH:
            body.pop("stream_format", None)
        options = body.pop("stream_options", None)
        path = exchange.path
        if operation is Operation.IMAGES:
            path = images_path(body, path)
        if self.paths:
            path = self.paths.get(operation, path)
        if call.stream:
            body.update(exchange.stream)
            if operation in _COMPLETIONS and self.takes_stream_options:
                body["stream_options"] = {**as_object(options), "include_usage": True}
        media_type, content = exchange.encode(body)
        headers: Mapping[str, str] = self._headers_of_json()
        if media_type is not JSON:  # it names the boundary, so no header of the settings may replace it
            headers = {**self.headers, "content-type": media_type}
        return HttpRequest("POST", self.url(call, path), headers, content, call.stream)

    def _headers_of_json(self) -> HeaderSet:
        if self._made_of is not self.headers:
            self._made_of, self._json_headers = self.headers, HeaderSet({"content-type": JSON, **self.headers})
        return self._json_headers

    def _reading(self, call: ProviderCall) -> Reading:
        if self._plain_reading is not None:
            return self._plain_reading
        return Reading(partial(self.translate_reply, call), self.error_codes, self.limits)

    def _decoder(self, call: ProviderCall, response: HttpResponse, exchange: Exchange) -> StreamDecoder:
        media_type = response.headers.get("content-type", "")
        if media_type.startswith("application/json"):

            def decode(whole: HttpResponse) -> Reply:
                return exchange.decode(call, whole, self._reading(call))

            tell = chat_events
            if call.operation is not Operation.CHAT:
                tell = partial(events_of, call.operation, is_edit=is_edit(call.body))
            return WholeReplyDecoder(response, decode, self.limits(response), tell)
        if call.operation is Operation.TEXT_COMPLETION:
            return OpenAIStreamDecoder(self.limits(response), None, self.error_codes)
        if call.operation is Operation.CHAT:
            return OpenAIStreamDecoder(self.limits(response), self.translate_chunks(call), self.error_codes)
        sound = media_type.startswith(("audio/", "application/octet-stream"))
        return (SoundStreamDecoder if sound else TypedStreamDecoder)(self.limits(response))

    def list_models(self) -> Generator[HttpRequest, HttpResponse, Sequence[CatalogueModel]]:
        """What ``GET /models`` lists. It says what there is, not what each can do: ``capabilities`` stay empty."""
        response = yield HttpRequest("GET", self.models_url(), self.headers)
        if not 200 <= response.status < 300:
            raise self.error(response)
        listing = response.json()
        rows = as_list(listing) or as_list(as_object(listing).get("data"))
        return [self._listed(row, identity) for row in map(as_object, rows) if (identity := as_text(row.get("id")))]

    def _listed(self, row: Mapping[str, object], identity: str) -> CatalogueModel:
        context = next((count for key in _CONTEXT_KEYS if (count := as_count(row.get(key)))), None)
        model = CatalogueModel(
            f"{self.name}.{identity}",
            capabilities=(),
            upstream_model=identity,
            constraints=Constraints(context_window=context),
            source=self.models_url(),
        )
        return self.describe(row, model)

    def error(self, response: HttpResponse) -> ProviderError:
        """What a response that is no success is to be raised as. It never holds the key."""
        cleaned = attrs.evolve(response, body=redacted(response.body, self._key))
        return provider_error(self.failure(cleaned))
