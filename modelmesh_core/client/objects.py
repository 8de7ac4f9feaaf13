"""What the clients return: the reply's own dict, with attributes.

Field names and meanings are those of the OpenAI API reference. Fields that a provider adds are there, too; a known
field that it leaves out is None.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar, cast

import attrs
import orjson

from ..interfaces.records import DecisionRecord


class OpenAIObject:
    """A dict with attributes. ``to_dict()`` gives the dict itself; nested dicts and lists are wrapped when read."""

    __slots__ = ("_data",)
    _parts: ClassVar[dict[str, type[OpenAIObject]]] = {}

    def __init__(self, data: dict[str, Any]) -> None:
        self._data = data

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        data = self._data
        if name not in data:
            if name in _known_fields(type(self)):
                return None
            raise AttributeError(f"{type(self).__name__} has no field {name!r}; it has {', '.join(data)}")
        return _wrap(data[name], self._parts.get(name, OpenAIObject))

    def __getitem__(self, name: str) -> Any:
        return _wrap(self._data[name], self._parts.get(name, OpenAIObject))

    def __contains__(self, name: object) -> bool:
        return name in self._data

    def get(self, name: str, default: Any = None) -> Any:
        return self[name] if name in self._data else default

    def to_dict(self) -> dict[str, Any]:
        return self._data

    model_dump = to_dict

    def to_json(self) -> str:
        return orjson.dumps(self._data).decode()

    model_dump_json = to_json

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OpenAIObject) and self._data == other._data

    __hash__ = None  # pyright: ignore[reportAssignmentType]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._data!r})"


def _known_fields(kind: type) -> set[str]:
    return {name for base in kind.__mro__ for name in getattr(base, "__annotations__", {})}


def _wrap(value: Any, kind: type[OpenAIObject]) -> Any:
    if isinstance(value, dict):
        return kind(cast(dict[str, Any], value))
    if isinstance(value, list):
        return [_wrap(item, kind) for item in cast(list[Any], value)]
    return value


class FunctionCall(OpenAIObject):
    name: str | None
    arguments: str | None


class ToolCall(OpenAIObject):
    id: str | None
    type: str | None
    index: int | None
    function: FunctionCall
    _parts = {"function": FunctionCall}


class ChatMessage(OpenAIObject):
    role: str
    content: str | None
    refusal: str | None
    reasoning_content: str | None
    tool_calls: list[ToolCall] | None
    _parts = {"tool_calls": ToolCall}


class Choice(OpenAIObject):
    index: int
    message: ChatMessage
    finish_reason: str | None
    logprobs: OpenAIObject | None
    _parts = {"message": ChatMessage}


class ChunkChoice(OpenAIObject):
    index: int
    delta: ChatMessage
    finish_reason: str | None
    logprobs: OpenAIObject | None
    _parts = {"delta": ChatMessage}


class CompletionUsage(OpenAIObject):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: OpenAIObject | None
    completion_tokens_details: OpenAIObject | None


class Answer(OpenAIObject):
    """An answer with its story."""

    __slots__ = ("modelmesh",)

    def __init__(self, data: dict[str, Any], record: DecisionRecord) -> None:
        super().__init__(data)
        self.modelmesh: DecisionRecord = record
        """Who answered, what was tried, what it cost."""


class ChatCompletion(Answer):
    """A whole chat completion."""

    id: str
    object: str
    created: int
    model: str
    choices: list[Choice]
    usage: CompletionUsage | None
    system_fingerprint: str | None
    service_tier: str | None
    _parts = {"choices": Choice, "usage": CompletionUsage}


class ChatCompletionChunk(OpenAIObject):
    """One piece of a streamed chat completion."""

    id: str
    object: str
    created: int
    model: str
    choices: list[ChunkChoice]
    usage: CompletionUsage | None
    _parts = {"choices": ChunkChoice, "usage": CompletionUsage}


class Embedding(OpenAIObject):
    index: int
    object: str
    embedding: list[float]


class CreateEmbeddingResponse(Answer):
    """The vectors of an embeddings call."""

    object: str
    model: str
    data: list[Embedding]
    usage: CompletionUsage | None
    _parts = {"data": Embedding, "usage": CompletionUsage}


class Transcription(Answer):
    """What was said."""

    text: str
    language: str | None
    duration: float | None
    segments: list[OpenAIObject] | None
    words: list[OpenAIObject] | None


class Image(OpenAIObject):
    b64_json: str | None
    url: str | None
    revised_prompt: str | None


class ImagesResponse(Answer):
    """The pictures."""

    created: int
    data: list[Image]
    usage: OpenAIObject | None
    _parts = {"data": Image}


class Moderation(OpenAIObject):
    flagged: bool
    categories: OpenAIObject
    category_scores: OpenAIObject


class ModerationCreateResponse(Answer):
    """A verdict for each input."""

    id: str | None
    model: str
    results: list[Moderation]
    _parts = {"results": Moderation}


class BinaryAnswer:
    """An answer of bytes, such as speech."""

    def __init__(self, content: bytes, media_type: str | None, record: DecisionRecord) -> None:
        self.content = content
        self.media_type = media_type
        self.modelmesh = record
        """Who answered, what was tried, what it cost."""

    def read(self) -> bytes:
        return self.content

    def write_to_file(self, path: str | PathLike[str]) -> None:
        """Raises OSError."""
        Path(path).write_bytes(self.content)


class Model(OpenAIObject):
    """Something that ``model=`` can name: a pool or a pinned model."""

    id: str
    object: str
    created: int
    owned_by: str


class ModelList(OpenAIObject):
    """All of them."""

    object: str
    data: list[Model]
    _parts = {"data": Model}

    def __iter__(self) -> Iterator[Model]:
        return iter(self.data)


@attrs.define(slots=True)
class UsageTotals:
    """What went through one client so far."""

    requests: int = 0
    failed: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: Decimal = Decimal(0)
    """USD, where prices are known."""

    def add(self, record: DecisionRecord) -> None:
        self.requests += 1
        self.failed += record.status != "success"
        for attempt in record.attempts:
            if attempt.usage is not None:
                self.input_tokens += attempt.usage.total_input
                self.output_tokens += attempt.usage.total_output
            self.cost += attempt.cost or 0
