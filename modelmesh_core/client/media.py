"""``client.audio``, ``client.images`` and ``client.moderations``."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ..wire.messages import Operation
from .objects import BinaryAnswer, ImagesResponse, ModerationCreateResponse, Transcription

if TYPE_CHECKING:
    from .asynchronous import AsyncOpenAIClient

File = bytes | IO[bytes] | PathLike[str] | tuple[str | None, "bytes | IO[bytes]"] | tuple[str | None, Any, str]
"""A file as the OpenAI SDK takes it: bytes, an open file, a path, or (name, content[, media type])."""


def file_fields(file: File) -> dict[str, Any]:
    """``file``, ``filename`` and ``media_type`` of a request. Raises OSError if the file cannot be read."""
    name: str | None = None
    media_type: str | None = None
    content: Any = file
    if isinstance(file, tuple):
        given: tuple[Any, ...] = (*file, None)
        name, content, media_type = given[:3]
    if isinstance(content, PathLike):
        path: Path = Path(content)  # pyright: ignore[reportUnknownArgumentType]
        name, content = name or path.name, path.read_bytes()
    elif not isinstance(content, (bytes, bytearray)):
        name, content = name or Path(str(getattr(content, "name", "") or "file")).name, content.read()
    named = {"media_type": media_type} if media_type else {}
    return {"file": bytes(content), "filename": name or "file", **named}


class AsyncSpeech:
    """``client.audio.speech``."""

    def __init__(self, client: AsyncOpenAIClient) -> None:
        self._client = client

    async def create(self, *, model: str, input: str, voice: str, **parameters: Any) -> BinaryAnswer:
        """``input`` as sound. Raises as chat completions do."""
        body = {"model": model, "input": input, "voice": voice, **parameters}
        completion = await self._client.answer(self._client.request(Operation.SPEECH, body))
        reply = completion.reply
        return BinaryAnswer(reply.content or b"", reply.media_type, completion.record)


class AsyncTranscriptions:
    """``client.audio.transcriptions``."""

    def __init__(self, client: AsyncOpenAIClient) -> None:
        self._client = client

    async def create(self, *, model: str, file: File, **parameters: Any) -> Transcription:
        """What is said in ``file``. Raises as chat completions do, and OSError if it cannot be read."""
        body = {"model": model, **file_fields(file), **parameters}
        completion = await self._client.answer(self._client.request(Operation.TRANSCRIPTION, body))
        return Transcription(completion.reply.body, completion.record)


class AsyncTranslations:
    """``client.audio.translations``."""

    def __init__(self, client: AsyncOpenAIClient) -> None:
        self._client = client

    async def create(self, *, model: str, file: File, **parameters: Any) -> Transcription:
        """What is said in ``file``, in English. Raises as transcriptions do."""
        body = {"model": model, **file_fields(file), **parameters}
        completion = await self._client.answer(self._client.request(Operation.AUDIO_TRANSLATION, body))
        return Transcription(completion.reply.body, completion.record)


class AsyncAudio:
    """``client.audio``."""

    def __init__(self, client: AsyncOpenAIClient) -> None:
        self.speech = AsyncSpeech(client)
        self.transcriptions = AsyncTranscriptions(client)
        self.translations = AsyncTranslations(client)


class AsyncImages:
    """``client.images``."""

    def __init__(self, client: AsyncOpenAIClient) -> None:
        self._client = client

    async def generate(self, *, model: str, prompt: str, **parameters: Any) -> ImagesResponse:
        """Pictures of ``prompt``. Raises as chat completions do."""
        body = {"model": model, "prompt": prompt, **parameters}
        return ImagesResponse(*await self._client.complete(self._client.request(Operation.IMAGES, body)))

    async def edit(self, *, model: str, prompt: str, image: File | list[File], **parameters: Any) -> ImagesResponse:
        """``image``, changed as ``prompt`` says. Raises as ``generate`` does, and OSError."""
        images: list[Any] = image if isinstance(image, list) else [image]
        contents = [file_fields(one)["file"] for one in images]
        body: dict[str, Any] = {"model": model, "prompt": prompt, "image": contents, **parameters}
        if body.get("mask") is not None:
            body["mask"] = file_fields(body["mask"])["file"]
        return ImagesResponse(*await self._client.complete(self._client.request(Operation.IMAGES, body)))

    async def create_variation(self, *, model: str, image: File, **parameters: Any) -> ImagesResponse:
        """Pictures like ``image``. Raises as ``edit`` does."""
        body = {"model": model, "image": [file_fields(image)["file"]], **parameters}
        return ImagesResponse(*await self._client.complete(self._client.request(Operation.IMAGES, body)))


class AsyncModerations:
    """``client.moderations``."""

    def __init__(self, client: AsyncOpenAIClient) -> None:
        self._client = client

    async def create(
        self, *, input: Any, model: str = "content-moderation", **parameters: Any
    ) -> ModerationCreateResponse:
        """A verdict on ``input``. Raises as chat completions do."""
        body = {"model": model, "input": input, **parameters}
        return ModerationCreateResponse(*await self._client.complete(self._client.request(Operation.MODERATION, body)))
