"""The OpenAI-shaped clients: drop-in for the OpenAI SDK's client objects, over the mesh instead of one vendor."""

from .asynchronous import AsyncOpenAIClient, AsyncStream
from .objects import ChatCompletion, ChatCompletionChunk, CreateEmbeddingResponse, Model, ModelList, UsageTotals
from .synchronous import OpenAIClient, Stream

__all__ = [
    "AsyncOpenAIClient",
    "AsyncStream",
    "ChatCompletion",
    "ChatCompletionChunk",
    "CreateEmbeddingResponse",
    "Model",
    "ModelList",
    "OpenAIClient",
    "Stream",
    "UsageTotals",
]
