"""``client.files`` and ``client.batches``: what a provider keeps for its account."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import orjson

from ..background import BackgroundLoop
from ..execution.resources import ResourceAnswer, ResourceCall
from ..interfaces.provider import ResourceRequest
from ..wire.forms import FormFile, encode_form
from ..wire.messages import Operation
from ..wire.stored import Content
from .file_objects import Batch, BatchPage, FileDeleted, FileObject, FilePage
from .media import File, file_fields
from .objects import BinaryAnswer

if TYPE_CHECKING:
    from .asynchronous import AsyncOpenAIClient

JSON = "application/json"


class _Kept:
    """The calls of one kind of object.

    Every method takes, for the mesh, ``modelmesh_provider`` (the provider to ask; otherwise the one that holds the
    object is found) and ``timeout`` in seconds. Raises ProviderError, and NoActiveModelError where no provider keeps
    such objects.
    """

    def __init__(self, client: AsyncOpenAIClient, operation: Operation, root: str) -> None:
        self._client = client
        self._operation = operation
        self._root = root

    async def _ask(
        self,
        method: str,
        path: str,
        options: dict[str, Any],
        *,
        object_id: str | None = None,
        content: Content | None = None,
        media_type: str | None = None,
    ) -> ResourceAnswer:
        provider, timeout = options.pop("modelmesh_provider", None), options.pop("timeout", None)
        query = urlencode([(name, value) for name, value in options.items() if value is not None])
        request = ResourceRequest(method, self._root + path, query, content, media_type)
        lists = method == "GET" and not path
        call = ResourceCall(self._operation, request, object_id, lists, provider, timeout=timeout)
        return await self._client.keep(call)

    async def _of(self, object_id: str, method: str, options: dict[str, Any], rest: str = "") -> ResourceAnswer:
        if not object_id.strip("."):
            raise ValueError(f"expected the id of an object, found {object_id!r}")
        return await self._ask(method, f"/{quote(object_id, safe='')}{rest}", options, object_id=object_id)

    async def _page(self, after: str | None, limit: int | None, options: dict[str, Any]) -> ResourceAnswer:
        return await self._ask("GET", "", {**options, "after": after, "limit": limit}, object_id=after)


class AsyncFiles(_Kept):
    """``client.files``."""

    def __init__(self, client: AsyncOpenAIClient) -> None:
        super().__init__(client, Operation.FILES, "/files")

    async def create(self, *, file: File, purpose: str, **parameters: Any) -> FileObject:
        """Upload ``file``, for example with the purpose ``batch``. Raises OSError if it cannot be read."""
        given = file_fields(file)
        part = FormFile(given["file"], given["filename"], given.get("media_type", "application/octet-stream"))
        mesh = {name: parameters.pop(name) for name in ("modelmesh_provider", "timeout") if name in parameters}
        fields = [("purpose", purpose), *_form_fields(parameters), ("file", part)]
        media_type, content = encode_form(fields)
        answer = await self._ask("POST", "", mesh, content=content, media_type=media_type)
        return FileObject(answer.reply.body, answer.record)

    async def list(self, *, after: str | None = None, limit: int | None = None, **options: Any) -> FilePage:
        """One page of the files. Of several providers, one's list follows the other's."""
        answer = await self._page(after, limit, options)
        return FilePage(answer.reply.body, answer.record)

    async def retrieve(self, file_id: str, **options: Any) -> FileObject:
        answer = await self._of(file_id, "GET", options)
        return FileObject(answer.reply.body, answer.record)

    async def delete(self, file_id: str, **options: Any) -> FileDeleted:
        answer = await self._of(file_id, "DELETE", options)
        return FileDeleted(answer.reply.body, answer.record)

    async def content(self, file_id: str, **options: Any) -> BinaryAnswer:
        """What is in the file."""
        answer = await self._of(file_id, "GET", options, "/content")
        reply = answer.reply
        held = reply.content if reply.content is not None else reply.raw or b""
        return BinaryAnswer(held, reply.media_type or JSON, answer.record)


class AsyncBatches(_Kept):
    """``client.batches``."""

    def __init__(self, client: AsyncOpenAIClient) -> None:
        super().__init__(client, Operation.BATCH, "/batches")

    async def create(
        self, *, input_file_id: str, endpoint: str, completion_window: str = "24h", **parameters: Any
    ) -> Batch:
        """A batch of the requests in a file, at the provider that holds it. They name that provider's own models."""
        mesh = {name: parameters.pop(name) for name in ("modelmesh_provider", "timeout") if name in parameters}
        body = {
            "input_file_id": input_file_id,
            "endpoint": endpoint,
            "completion_window": completion_window,
            **parameters,
        }
        answer = await self._ask("POST", "", mesh, object_id=input_file_id, content=orjson.dumps(body), media_type=JSON)
        return Batch(answer.reply.body, answer.record)

    async def list(self, *, after: str | None = None, limit: int | None = None, **options: Any) -> BatchPage:
        """One page of the batches. Of several providers, one's list follows the other's."""
        answer = await self._page(after, limit, options)
        return BatchPage(answer.reply.body, answer.record)

    async def retrieve(self, batch_id: str, **options: Any) -> Batch:
        answer = await self._of(batch_id, "GET", options)
        return Batch(answer.reply.body, answer.record)

    async def cancel(self, batch_id: str, **options: Any) -> Batch:
        answer = await self._of(batch_id, "POST", options, "/cancel")
        return Batch(answer.reply.body, answer.record)


def _form_fields(parameters: dict[str, Any]) -> list[tuple[str, str]]:
    """Fields beside the file; those of an object as ``name[key]``, as the OpenAI SDK writes them."""
    fields: list[tuple[str, str]] = []
    for name, value in parameters.items():
        if isinstance(value, dict):
            fields.extend((f"{name}[{key}]", str(inner)) for key, inner in value.items())  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]
        elif value is not None:
            fields.append((name, str(value)))
    return fields


class Files:
    """``client.files``."""

    def __init__(self, client: AsyncOpenAIClient, loop: BackgroundLoop) -> None:
        self._files = client.files
        self._loop = loop

    def create(self, *, file: File, purpose: str, **parameters: Any) -> FileObject:
        """As ``AsyncOpenAIClient.files.create``."""
        return self._loop.run(self._files.create(file=file, purpose=purpose, **parameters))

    def list(self, *, after: str | None = None, limit: int | None = None, **options: Any) -> FilePage:
        """As ``AsyncOpenAIClient.files.list``."""
        return self._loop.run(self._files.list(after=after, limit=limit, **options))

    def retrieve(self, file_id: str, **options: Any) -> FileObject:
        return self._loop.run(self._files.retrieve(file_id, **options))

    def delete(self, file_id: str, **options: Any) -> FileDeleted:
        return self._loop.run(self._files.delete(file_id, **options))

    def content(self, file_id: str, **options: Any) -> BinaryAnswer:
        """What is in the file."""
        return self._loop.run(self._files.content(file_id, **options))


class Batches:
    """``client.batches``."""

    def __init__(self, client: AsyncOpenAIClient, loop: BackgroundLoop) -> None:
        self._batches = client.batches
        self._loop = loop

    def create(self, *, input_file_id: str, endpoint: str, completion_window: str = "24h", **parameters: Any) -> Batch:
        """As ``AsyncOpenAIClient.batches.create``."""
        made = self._batches.create(
            input_file_id=input_file_id, endpoint=endpoint, completion_window=completion_window, **parameters
        )
        return self._loop.run(made)

    def list(self, *, after: str | None = None, limit: int | None = None, **options: Any) -> BatchPage:
        """As ``AsyncOpenAIClient.batches.list``."""
        return self._loop.run(self._batches.list(after=after, limit=limit, **options))

    def retrieve(self, batch_id: str, **options: Any) -> Batch:
        return self._loop.run(self._batches.retrieve(batch_id, **options))

    def cancel(self, batch_id: str, **options: Any) -> Batch:
        return self._loop.run(self._batches.cancel(batch_id, **options))
