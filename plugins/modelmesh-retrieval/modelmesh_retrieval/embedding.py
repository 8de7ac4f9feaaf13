"""What Voyage and Jina have in common: embeddings and reranking in nearly OpenAI's shape."""

from __future__ import annotations

from typing import Any

from modelmesh_core import Json, OpenAICompatible, ProviderCall, as_list, as_object, as_text, refused

_WITHOUT_EFFECT = frozenset({"user", "metadata"})


class EmbeddingProvider(OpenAICompatible):
    """An account that embeds and ranks."""

    def agreed(self, call: ProviderCall, known: frozenset[str]) -> Json:
        """The body's parameters that are ``known``; others are reported as left out."""
        made: Json = {"model": call.upstream_model}
        for name, value in call.body.items():
            if name in known and value is not None:
                made[name] = value
            elif name != "model" and name not in _WITHOUT_EFFECT and value is not None:
                call.drop(name)
        return made


def parts_of(value: Any) -> list[Json]:
    """The content parts of one input that is not a text alone; none for a text."""
    items: list[Any] = as_list(value) or [value]
    return [as_object(item) for item in items] if items and all(isinstance(item, dict) for item in items) else []


def inputs_of(body: Json) -> list[Any]:
    """The inputs of an embeddings call, one or many. Raises ProviderError if there is none."""
    given = body.get("input")
    inputs: list[Any] = as_list(given) or ([given] if given else [])
    if not inputs:
        raise refused("input is empty: expected a text or a list of texts", "invalid_input")
    return inputs


def image_of(part: Json) -> str:
    """The address, or the ``data:`` URL, of an ``image_url`` part."""
    image = part.get("image_url")
    url = image if isinstance(image, str) else as_text(as_object(image).get("url"))
    if part.get("type") != "image_url" or not url:
        raise refused(f"input: a part of type {part.get('type')!r}: expected text or image_url", "invalid_input")
    return url
