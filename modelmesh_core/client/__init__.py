"""The OpenAI-shaped clients: drop-in for the OpenAI SDK's client objects, over the mesh instead of one vendor."""

from .asynchronous import AsyncOpenAIClient, AsyncStream
from .objects import (
    BinaryAnswer,
    ChatCompletion,
    ChatCompletionChunk,
    CreateEmbeddingResponse,
    ImagesResponse,
    Model,
    ModelList,
    ModerationCreateResponse,
    Transcription,
    UsageTotals,
)
from .synchronous import OpenAIClient, Stream

__all__ = [
    "AsyncOpenAIClient",
    "AsyncStream",
    "BinaryAnswer",
    "ChatCompletion",
    "ChatCompletionChunk",
    "CreateEmbeddingResponse",
    "ImagesResponse",
    "Model",
    "ModelList",
    "ModerationCreateResponse",
    "OpenAIClient",
    "Stream",
    "Transcription",
    "UsageTotals",
]
