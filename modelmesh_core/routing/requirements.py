"""What a request needs of a model, read out of its body when first asked for."""

from __future__ import annotations

from functools import cached_property
from typing import Any, cast

from ..catalogue.definitions import ModelDefinition
from ..wire.messages import Body, Operation, Request
from ..wire.shapes import as_objects

BYTES_PER_TOKEN = 4.0
"""A rule of thumb for English text in current vocabularies; the settled usage replaces it."""
TOKENS_PER_IMAGE = 800
EXPECTED_OUTPUT = 500
"""Output tokens assumed where the caller sets no limit."""

_NONE: frozenset[str] = frozenset()
_ASKING = frozenset({"tools", "functions", "response_format", "logprobs"})
"""Parameters that may need a feature."""
_PART_FEATURES = {"image_url": "vision", "input_image": "vision", "input_audio": "audio_input", "file": "pdf_input"}


class RequestRequirements:
    """The Requirements of one request. Never changes the body, and never fails on a malformed one."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._body: Body = request.body
        self._features: frozenset[str] | None = None
        self._kinds: list[str] | None = None

    @property
    def features(self) -> frozenset[str]:
        """Features that the model has to have, for example ``vision`` where a message holds an image."""
        features = self._features
        if features is None:
            features = self._features = self._needed()
        return features

    def _needed(self) -> frozenset[str]:
        body = self._body
        if self._request.operation is not Operation.CHAT:
            return _NONE
        kinds = self._kinds = _kinds_of_parts(body.get("messages"))
        if not kinds and _ASKING.isdisjoint(body):
            return _NONE
        needed: set[str] = set()
        if body.get("tools") or body.get("functions"):
            needed.add("tool_calling")
        response_format = body.get("response_format")
        if isinstance(response_format, dict):
            kind = cast(Body, response_format).get("type")
            needed.update({"json_schema": {"structured_output"}, "json_object": {"json_mode"}}.get(str(kind), ()))
        if body.get("logprobs"):
            needed.add("logprobs")
        needed.update(_PART_FEATURES[kind] for kind in kinds if kind in _PART_FEATURES)
        return frozenset(needed)

    @property
    def _parts(self) -> list[str]:
        """The types of the parts that messages are made of; none where they are plain text."""
        kinds = self._kinds
        if kinds is None:
            kinds = self._kinds = _kinds_of_parts(self._body.get("messages"))
        return kinds

    @property
    def images(self) -> int:
        """Images in the messages."""
        return sum(_PART_FEATURES.get(kind) == "vision" for kind in self._parts)

    @cached_property
    def input_tokens(self) -> int:
        """Estimated from the length of the text, without a tokenizer."""
        if self._request.raw is not None and not self.images:
            return int(len(self._request.raw) / BYTES_PER_TOKEN) + 1
        length = sum(_text_length(self._body.get(key)) for key in ("messages", "input", "prompt", "tools", "system"))
        return int(length / BYTES_PER_TOKEN) + self.images * TOKENS_PER_IMAGE + 1

    @cached_property
    def max_output_tokens(self) -> int | None:
        """The caller's own limit, if any."""
        for key in ("max_completion_tokens", "max_tokens", "max_output_tokens"):
            value = self._body.get(key)
            if isinstance(value, int) and not isinstance(value, bool):
                return value
        return None

    @cached_property
    def output_tokens(self) -> int:
        """Expected: the caller's limit up to the usual length of an answer; nothing for embeddings."""
        if self._request.operation is Operation.EMBEDDINGS:
            return 0
        limit = self.max_output_tokens
        return EXPECTED_OUTPUT if limit is None else min(limit, EXPECTED_OUTPUT)

    @property
    def language(self) -> str | None:
        """ISO 639-1 code that the caller gave (``language`` of a transcription, or metadata), if any."""
        value = self._body.get("language") or self._request.metadata.get("language")
        return value if isinstance(value, str) else None

    def cost(self, model: ModelDefinition) -> float:
        """USD that this request is expected to cost at ``model``; infinite where no price is known."""
        pricing = model.pricing
        if not pricing.is_known:
            return float("inf")
        tokens = self.input_tokens * float(pricing.input or 0) + self.output_tokens * float(pricing.output or 0)
        cost = tokens / 1e6 + float(pricing.per_request or 0) + self.images * float(pricing.per_image or 0)
        if self._request.delivery == "batch" and model.batch is not None:
            cost *= 1 - model.batch.cost_discount
        return cost


def _kinds_of_parts(messages: Any) -> list[str]:
    kinds: list[str] = []
    message: Any
    for message in messages if isinstance(messages, list) else ():  # pyright: ignore[reportUnknownVariableType]
        if isinstance(message, dict) and isinstance(content := message.get("content"), list):  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
            kinds += [str(part.get("type")) for part in as_objects(content)]
    return kinds


def _text_length(value: Any) -> int:
    """Characters of all text inside ``value``; data URLs and binary are not text. No recursion."""
    length, stack = 0, [value]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            length += 0 if item.startswith("data:") else len(item)
        elif isinstance(item, dict):
            stack.extend(cast(Body, item).values())
        elif isinstance(item, list):
            items = cast(list[Any], item)
            if items and isinstance(items[0], int):
                length += int(len(items) * BYTES_PER_TOKEN)  # token ids, as embeddings take them
            else:
                stack.extend(items)
    return length
