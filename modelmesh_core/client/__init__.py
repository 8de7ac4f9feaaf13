"""The OpenAI-shaped clients: drop-in for the OpenAI SDK's client objects, over the mesh instead of one vendor."""

from .asynchronous import AsyncOpenAIClient
from .file_objects import Batch, BatchPage, FileDeleted, FileObject, FilePage
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
from .response_objects import Response, ResponseStreamEvent
from .streams import AsyncResponseStream, AsyncStream, ResponseStream, Stream
from .synchronous import OpenAIClient

__all__ = [
    "AsyncOpenAIClient",
    "AsyncResponseStream",
    "AsyncStream",
    "Batch",
    "BatchPage",
    "BinaryAnswer",
    "ChatCompletion",
    "ChatCompletionChunk",
    "CreateEmbeddingResponse",
    "FileDeleted",
    "FileObject",
    "FilePage",
    "ImagesResponse",
    "Model",
    "ModelList",
    "ModerationCreateResponse",
    "OpenAIClient",
    "Response",
    "ResponseStream",
    "ResponseStreamEvent",
    "Stream",
    "Transcription",
    "UsageTotals",
]
