"""LocalProvider: the async face of the two models."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from functools import partial
from typing import Any

from modelmesh_core import (
    EventKind,
    Failure,
    FailureKind,
    InProcessProvider,
    OpenAIStreamDecoder,
    Operation,
    ProviderCall,
    ProviderSettings,
    Reply,
    StreamEvent,
    Usage,
    fold_chunks,
    provider_error,
)

from .chat import ChatModel
from .embeddings import EmbeddingsModel
from .options import CHAT_MODEL, EMBEDDINGS_MODEL, LocalOptions
from .worker import Stopped, Worker

_MODELS = {Operation.CHAT: CHAT_MODEL, Operation.EMBEDDINGS: EMBEDDINGS_MODEL}


class LocalProvider(InProcessProvider):
    """Chat and embeddings in this process. Each model is fetched and loaded at its first request."""

    operations = frozenset(_MODELS)

    def __init__(self, settings: ProviderSettings) -> None:
        options = settings.options or LocalOptions()
        self._chat = Worker("modelmesh-local-chat", partial(ChatModel, options))
        self._embeddings = Worker("modelmesh-local-embeddings", partial(EmbeddingsModel, options))

    async def execute(self, call: ProviderCall) -> Reply | AsyncIterator[StreamEvent]:
        if _MODELS.get(call.operation) != call.upstream_model:
            known = ", ".join(f"{model} for {operation.value}" for operation, model in _MODELS.items())
            message = f"no local model {call.upstream_model!r} does {call.operation.value}; there is {known}"
            raise provider_error(Failure(FailureKind.MODEL_NOT_FOUND, message))
        if call.operation is Operation.EMBEDDINGS:
            return await self._embed(call)
        return self._events(call) if call.stream else await self._whole(call)

    async def check_health(self) -> None:
        """That the engine of the chat model is installed. Fetches and loads nothing."""
        from importlib.util import find_spec

        if find_spec("xllamacpp") is None:
            message = "xllamacpp is not installed: `pip install xllamacpp`"
            raise provider_error(Failure(FailureKind.MODEL_NOT_FOUND, message))

    def close(self) -> None:
        self._chat.close()
        self._embeddings.close()

    async def _embed(self, call: ProviderCall) -> Reply:
        body = await self._embeddings.run(lambda model, stopped: model.answer(call.body, stopped))
        return Reply(body=body, usage=Usage(input=body["usage"]["prompt_tokens"]))

    async def _whole(self, call: ProviderCall) -> Reply:
        """The streamed answer, folded: a whole answer could not be stopped before its end."""
        chunks: list[dict[str, Any]] = []
        usage = finish_reason = None
        async with aclosing(self._events(call)) as events:
            async for event in events:
                if event.error is not None:
                    raise event.error
                if event.chunk is not None:
                    chunks.append(event.chunk)
                usage = event.usage or usage
                finish_reason = event.finish_reason or finish_reason
        return Reply(body=fold_chunks(chunks), usage=usage, finish_reason=finish_reason)

    async def _events(self, call: ProviderCall) -> AsyncGenerator[StreamEvent]:
        loop = asyncio.get_running_loop()
        arrived: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()

        def answer(model: ChatModel, stopped: Stopped) -> None:
            def deliver(chunk: dict[str, Any]) -> bool:
                if stopped():
                    return True
                if chunk:
                    loop.call_soon_threadsafe(arrived.put_nowait, chunk)
                return False

            model.answer(call.body, deliver)

        def ended(work: asyncio.Task[None]) -> None:
            arrived.put_nowait(None)
            if not work.cancelled():
                work.exception()  # looked at, so that one nobody waits for any more is not reported as lost

        work = asyncio.ensure_future(self._chat.run(answer))
        work.add_done_callback(ended)
        decoder = OpenAIStreamDecoder()
        try:
            while (chunk := await arrived.get()) is not None:
                yield decoder.event(chunk)
            await work
            yield StreamEvent(EventKind.DONE)
        finally:
            work.cancel()
