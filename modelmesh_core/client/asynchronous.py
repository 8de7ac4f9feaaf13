"""AsyncOpenAIClient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, cast, overload

from ..execution import Completion, Router
from ..execution.resources import ResourceAnswer, ResourceCall
from ..execution.router import Explanation
from ..interfaces.records import DecisionRecord
from ..listing import find_model, list_models
from ..wire.messages import Delivery, Operation, Request
from .media import AsyncAudio, AsyncImages, AsyncModerations
from .objects import ChatCompletion, CreateEmbeddingResponse, Model, ModelList, UsageTotals
from .resources import AsyncBatches, AsyncFiles
from .responses import AsyncResponses
from .streams import AsyncStream

if TYPE_CHECKING:
    from ..mesh import ModelMesh

Messages = Sequence[Mapping[str, Any]]


class AsyncCompletions:
    """``client.chat.completions``."""

    def __init__(self, client: AsyncOpenAIClient) -> None:
        self._client = client

    @overload
    async def create(
        self, *, model: str, messages: Messages, stream: Literal[False] = False, **parameters: Any
    ) -> ChatCompletion: ...

    @overload
    async def create(
        self, *, model: str, messages: Messages, stream: Literal[True], **parameters: Any
    ) -> AsyncStream: ...

    async def create(
        self, *, model: str, messages: Messages, stream: bool = False, **parameters: Any
    ) -> ChatCompletion | AsyncStream:
        """A chat completion from whatever serves ``model``: a pool, a capability or its alias, or a pinned model.

        ``parameters``: everything that the OpenAI API takes, and what your providers add to it. For the mesh:
        ``timeout`` (seconds), ``session_id``, ``metadata`` of the request (``modelmesh_metadata``), ``extra_body``.
        """
        body = {"model": model, "messages": list(messages), **parameters}
        if stream:
            body["stream"] = True
        request = self._client.request(Operation.CHAT, body)
        if not stream:
            reply, record = await self._client.complete(request)
            return ChatCompletion(reply, record)
        request.include_usage = bool(cast(dict[str, Any], body.get("stream_options") or {}).get("include_usage"))
        return AsyncStream(await self._client.router.stream(request), self._client.usage)


class AsyncChat:
    """``client.chat``."""

    def __init__(self, client: AsyncOpenAIClient) -> None:
        self.completions = AsyncCompletions(client)


class AsyncEmbeddings:
    """``client.embeddings``."""

    def __init__(self, client: AsyncOpenAIClient) -> None:
        self._client = client

    async def create(self, *, model: str, input: Any, **parameters: Any) -> CreateEmbeddingResponse:
        """Vectors for ``input``: a text, a list of texts, or token ids."""
        request = self._client.request(Operation.EMBEDDINGS, {"model": model, "input": input, **parameters})
        reply, record = await self._client.complete(request)
        return CreateEmbeddingResponse(reply, record)


class AsyncModels:
    """``client.models``: what ``model=`` can name."""

    def __init__(self, client: AsyncOpenAIClient) -> None:
        self._client = client

    async def list(self) -> ModelList:
        return self._client.list_models()

    async def retrieve(self, model: str) -> Model:
        return self._client.retrieve_model(model)


class AsyncOpenAIClient:
    """The OpenAI SDK's asynchronous client, over the mesh. Works in any event loop, and in several at once."""

    def __init__(self, mesh: ModelMesh) -> None:
        self._mesh = mesh
        self.chat = AsyncChat(self)
        self.embeddings = AsyncEmbeddings(self)
        self.audio = AsyncAudio(self)
        self.images = AsyncImages(self)
        self.moderations = AsyncModerations(self)
        self.responses = AsyncResponses(self)
        self.files = AsyncFiles(self)
        self.batches = AsyncBatches(self)
        self.models = AsyncModels(self)
        self.usage = UsageTotals()
        """What went through this client so far."""

    @property
    def router(self) -> Router:
        return self._mesh.get_router()

    def request(self, operation: Operation, body: dict[str, Any]) -> Request:
        """A Request of ``body``, with what is meant for the mesh taken out of it."""
        extra = body.pop("extra_body", None)
        if extra:
            body.update(extra)
        timeout = body.pop("timeout", None)
        return Request(
            operation,
            str(body["model"]),
            body,
            Delivery.STREAMING if body.get("stream") else Delivery.SYNCHRONOUS,
            session_id=body.pop("session_id", None),
            timeout=None if timeout is None else float(timeout),
            metadata=body.pop("modelmesh_metadata", None) or {},
        )

    async def answer(self, request: Request) -> Completion:
        """The reply and its record; counts usage."""
        try:
            completion = await self.router.complete(request)
        except BaseException:
            self.usage.requests += 1
            self.usage.failed += 1
            raise
        self.usage.add(completion.record)
        return completion

    async def keep(self, call: ResourceCall) -> ResourceAnswer:
        """The answer of the provider that keeps what is asked for; counts the request."""
        self.usage.requests += 1
        try:
            return await self.router.resources.ask(call)
        except BaseException:
            self.usage.failed += 1
            raise

    async def complete(self, request: Request) -> tuple[dict[str, Any], DecisionRecord]:
        """The reply's body and its record; counts usage."""
        completion = await self.answer(request)
        return completion.reply.body, completion.record

    def list_models(self) -> ModelList:
        return ModelList({"object": "list", "data": list_models(self._mesh.engine)})

    def retrieve_model(self, model: str) -> Model:
        return Model(find_model(self._mesh.engine, model))

    def describe(self) -> dict[str, Any]:
        """What can be asked for: pool → capability, strategy and members with their standing."""
        status = self._mesh.pool_status()
        pools = self._mesh.engine.pools
        return {
            name: {
                "capability": pools[name].node,
                "strategy": pools[name].settings.strategy,
                "models": {snapshot.model: snapshot.status.value for snapshot in snapshots},
            }
            for name, snapshots in status.items()
        }

    def explain(self, model: str, messages: Messages | None = None, **parameters: Any) -> Explanation:
        """What would happen to a chat completion, without calling anyone."""
        if messages is None and not parameters:
            return self._mesh.explain(model)
        body = {"model": model, "messages": list(messages or []), **parameters}
        return self._mesh.explain(self.request(Operation.CHAT, body))
