"""``client.responses``: the Responses API, over whatever serves the model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, overload

import orjson

from ..background import BackgroundLoop
from ..dialects import DialectError, OpenAIResponses
from ..errors import Failure, FailureKind, provider_error
from ..wire.messages import Operation, Request
from .response_objects import Response
from .streams import AsyncResponseStream, ResponseStream

if TYPE_CHECKING:
    from .asynchronous import AsyncOpenAIClient


class AsyncResponses:
    """``client.responses``."""

    def __init__(self, client: AsyncOpenAIClient) -> None:
        self._client = client

    @overload
    async def create(
        self, *, model: str, input: Any = None, stream: Literal[False] = False, **parameters: Any
    ) -> Response: ...

    @overload
    async def create(
        self, *, model: str, input: Any = None, stream: Literal[True], **parameters: Any
    ) -> AsyncResponseStream: ...

    async def create(
        self, *, model: str, input: Any = None, stream: bool = False, **parameters: Any
    ) -> Response | AsyncResponseStream:
        """An answer to ``input`` (a text or a list of items) from whatever serves ``model``.

        ``parameters`` as for chat completions. Raises as they do, and InvalidRequestError for what cannot be
        understood. Nothing is kept by the mesh; what a provider keeps is known to that provider only.
        """
        body = {"model": model, **({} if input is None else {"input": input}), **parameters}
        if stream:
            body["stream"] = True
        dialect = OpenAIResponses()
        request = self._request(body, dialect)
        if stream:
            reply = await self._client.router.stream(request)
            return AsyncResponseStream(reply, self._client.usage, dialect.writer(request.native or {}))
        completion = await self._client.answer(request)
        answer = completion.reply
        if answer.raw is not None and answer.dialect is dialect.dialect:
            return Response(orjson.loads(answer.raw), completion.record)
        return Response(dialect.from_chat(answer.body, request.native or {}), completion.record)

    def _request(self, body: dict[str, Any], dialect: OpenAIResponses) -> Request:
        request = self._client.request(Operation.CHAT, body)
        try:
            request.body, request.native = dialect.to_chat(body), dialect.native(body)
        except DialectError as error:
            message = f"{error.param}: {error}" if error.param else str(error)
            raise provider_error(Failure(FailureKind.INVALID_REQUEST, message, status=400)) from error
        request.dialect, request.include_usage = dialect.dialect, True
        return request


class Responses:
    """``client.responses``."""

    def __init__(self, client: AsyncOpenAIClient, loop: BackgroundLoop) -> None:
        self._client = client
        self._loop = loop

    @overload
    def create(
        self, *, model: str, input: Any = None, stream: Literal[False] = False, **parameters: Any
    ) -> Response: ...

    @overload
    def create(self, *, model: str, input: Any = None, stream: Literal[True], **parameters: Any) -> ResponseStream: ...

    def create(
        self, *, model: str, input: Any = None, stream: bool = False, **parameters: Any
    ) -> Response | ResponseStream:
        """As ``AsyncOpenAIClient.responses.create``."""
        responses = self._client.responses
        if stream:
            streamed = responses.create(model=model, input=input, stream=True, **parameters)
            return ResponseStream(self._loop.run(streamed), self._loop)
        return self._loop.run(responses.create(model=model, input=input, stream=False, **parameters))
