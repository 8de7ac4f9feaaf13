"""OpenAIClient: the asynchronous client, run in the mesh's own event loop. All logic is there, none here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, overload

from ..background import BackgroundLoop
from ..execution.router import Explanation
from .asynchronous import AsyncOpenAIClient, Messages
from .media import File
from .objects import (
    BinaryAnswer,
    ChatCompletion,
    CreateEmbeddingResponse,
    ImagesResponse,
    Model,
    ModelList,
    ModerationCreateResponse,
    Transcription,
    UsageTotals,
)
from .resources import Batches, Files
from .responses import Responses
from .streams import Stream

if TYPE_CHECKING:
    from ..mesh import ModelMesh


class Completions:
    """``client.chat.completions``."""

    def __init__(self, client: AsyncOpenAIClient, loop: BackgroundLoop) -> None:
        self._client = client
        self._loop = loop

    @overload
    def create(
        self, *, model: str, messages: Messages, stream: Literal[False] = False, **parameters: Any
    ) -> ChatCompletion: ...

    @overload
    def create(self, *, model: str, messages: Messages, stream: Literal[True], **parameters: Any) -> Stream: ...

    def create(
        self, *, model: str, messages: Messages, stream: bool = False, **parameters: Any
    ) -> ChatCompletion | Stream:
        """As ``AsyncOpenAIClient.chat.completions.create``."""
        completions = self._client.chat.completions
        if stream:
            streamed = completions.create(model=model, messages=messages, stream=True, **parameters)
            return Stream(self._loop.run(streamed), self._loop)
        whole = completions.create(model=model, messages=messages, stream=False, **parameters)
        return self._loop.run(whole)


class Chat:
    """``client.chat``."""

    def __init__(self, client: AsyncOpenAIClient, loop: BackgroundLoop) -> None:
        self.completions = Completions(client, loop)


class Embeddings:
    """``client.embeddings``."""

    def __init__(self, client: AsyncOpenAIClient, loop: BackgroundLoop) -> None:
        self._client = client
        self._loop = loop

    def create(self, *, model: str, input: Any, **parameters: Any) -> CreateEmbeddingResponse:
        """As ``AsyncOpenAIClient.embeddings.create``."""
        return self._loop.run(self._client.embeddings.create(model=model, input=input, **parameters))


class Speech:
    """``client.audio.speech``."""

    def __init__(self, client: AsyncOpenAIClient, loop: BackgroundLoop) -> None:
        self._client = client
        self._loop = loop

    def create(self, *, model: str, input: str, voice: str, **parameters: Any) -> BinaryAnswer:
        """As ``AsyncOpenAIClient.audio.speech.create``."""
        return self._loop.run(self._client.audio.speech.create(model=model, input=input, voice=voice, **parameters))


class Transcriptions:
    """``client.audio.transcriptions``."""

    def __init__(self, client: AsyncOpenAIClient, loop: BackgroundLoop) -> None:
        self._client = client
        self._loop = loop

    def create(self, *, model: str, file: File, **parameters: Any) -> Transcription:
        """As ``AsyncOpenAIClient.audio.transcriptions.create``."""
        return self._loop.run(self._client.audio.transcriptions.create(model=model, file=file, **parameters))


class Translations:
    """``client.audio.translations``."""

    def __init__(self, client: AsyncOpenAIClient, loop: BackgroundLoop) -> None:
        self._client = client
        self._loop = loop

    def create(self, *, model: str, file: File, **parameters: Any) -> Transcription:
        """As ``AsyncOpenAIClient.audio.translations.create``."""
        return self._loop.run(self._client.audio.translations.create(model=model, file=file, **parameters))


class Audio:
    """``client.audio``."""

    def __init__(self, client: AsyncOpenAIClient, loop: BackgroundLoop) -> None:
        self.speech = Speech(client, loop)
        self.transcriptions = Transcriptions(client, loop)
        self.translations = Translations(client, loop)


class Images:
    """``client.images``."""

    def __init__(self, client: AsyncOpenAIClient, loop: BackgroundLoop) -> None:
        self._client = client
        self._loop = loop

    def generate(self, *, model: str, prompt: str, **parameters: Any) -> ImagesResponse:
        """As ``AsyncOpenAIClient.images.generate``."""
        return self._loop.run(self._client.images.generate(model=model, prompt=prompt, **parameters))

    def edit(self, *, model: str, prompt: str, image: File | list[File], **parameters: Any) -> ImagesResponse:
        """As ``AsyncOpenAIClient.images.edit``."""
        return self._loop.run(self._client.images.edit(model=model, prompt=prompt, image=image, **parameters))

    def create_variation(self, *, model: str, image: File, **parameters: Any) -> ImagesResponse:
        """As ``AsyncOpenAIClient.images.create_variation``."""
        return self._loop.run(self._client.images.create_variation(model=model, image=image, **parameters))


class Moderations:
    """``client.moderations``."""

    def __init__(self, client: AsyncOpenAIClient, loop: BackgroundLoop) -> None:
        self._client = client
        self._loop = loop

    def create(self, *, input: Any, model: str = "content-moderation", **parameters: Any) -> ModerationCreateResponse:
        """As ``AsyncOpenAIClient.moderations.create``."""
        return self._loop.run(self._client.moderations.create(input=input, model=model, **parameters))


class Models:
    """``client.models``: what ``model=`` can name."""

    def __init__(self, client: AsyncOpenAIClient) -> None:
        self._client = client

    def list(self) -> ModelList:
        return self._client.list_models()

    def retrieve(self, model: str) -> Model:
        return self._client.retrieve_model(model)


class OpenAIClient:
    """The OpenAI SDK's client, over the mesh. Usable from any thread, and where an event loop runs elsewhere."""

    def __init__(self, mesh: ModelMesh) -> None:
        self._client = AsyncOpenAIClient(mesh)
        self.chat = Chat(self._client, mesh.background)
        self.embeddings = Embeddings(self._client, mesh.background)
        self.audio = Audio(self._client, mesh.background)
        self.images = Images(self._client, mesh.background)
        self.moderations = Moderations(self._client, mesh.background)
        self.responses = Responses(self._client, mesh.background)
        self.files = Files(self._client, mesh.background)
        self.batches = Batches(self._client, mesh.background)
        self.models = Models(self._client)

    @property
    def usage(self) -> UsageTotals:
        """What went through this client so far."""
        return self._client.usage

    def describe(self) -> dict[str, Any]:
        """What can be asked for: pool → capability, strategy and members with their standing."""
        return self._client.describe()

    def explain(self, model: str, messages: Messages | None = None, **parameters: Any) -> Explanation:
        """What would happen to a chat completion, without calling anyone."""
        return self._client.explain(model, messages, **parameters)
