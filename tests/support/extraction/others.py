"""The operations other than chat: what of them a replay tells."""

from __future__ import annotations

import base64
from typing import Any

from .bodies import Answer, Json
from .openai_chat import counted
from .plain import Plain, buckets


def embeddings(answer: Answer, number: int = 4) -> Plain:
    """``number``: the bytes of one, in vectors that are base64."""
    body = answer.whole
    vectors = _vectors(body)
    first = vectors[0]
    dimensions = len(base64.b64decode(first)) // number if isinstance(first, str) else len(first)
    return Plain(embeddings=(len(vectors), dimensions), usage=_embedded(body, answer))


def transcript(answer: Answer) -> Plain:
    """Whole, or streamed as typed events, of which the last ends it; text where no JSON was asked for."""
    if answer.events:
        (last,) = [event for event in answer.events if event["type"] == "transcript.text.done"]
        return Plain(text=last["text"], finish_reason="stop", usage=counted(last["usage"]))
    body = answer.whole if isinstance(answer.whole, dict) else {"text": answer.body.decode()}
    if "results" in body:  # Deepgram's
        return Plain(text=body["results"]["channels"][0]["alternatives"][0]["transcript"])
    return Plain(text=body["text"], usage=_tokens(body))


def counts(answer: Answer) -> Plain:
    """Images, speech, moderation, rankings, search: of which a replay tells the tokens only."""
    body = answer.whole if isinstance(answer.whole, dict) else {}
    return Plain(usage=_tokens(body))


def _tokens(body: Json) -> tuple[int, ...] | None:
    usage = body.get("usage") or {}
    return None if usage.get("type") == "duration" else counted(usage)


def _vectors(body: Json) -> list[Any]:
    if "predictions" in body:  # Vertex's
        return [row["embeddings"]["values"] for row in body["predictions"]]
    if "data" in body:
        return [row["embedding"] for row in body["data"]]
    if "embedding" in body:  # one: of Gemini, or of Titan
        one = body["embedding"]
        return [one["values"] if isinstance(one, dict) else one]
    found = body["embeddings"]
    if isinstance(found, dict):  # Cohere's, by type
        return next(iter(found.values()))
    return [row.get("values") or row["embedding"] if isinstance(row, dict) else row for row in found]


def _embedded(body: Json, answer: Answer) -> tuple[int, ...] | None:
    if "predictions" in body:
        return buckets(input=sum(row["embeddings"]["statistics"]["token_count"] for row in body["predictions"]))
    if "meta" in body:
        return buckets(input=body["meta"]["billed_units"].get("input_tokens", 0))
    if usage := body.get("usage"):
        return buckets(input=usage.get("prompt_tokens") or usage.get("total_tokens") or 0)
    native = [body.get("inputTextTokenCount"), body.get("prompt_eval_count")]
    native.append((body.get("usageMetadata") or {}).get("promptTokenCount"))
    native.append(int(answer.headers.get("x-amzn-bedrock-input-token-count") or 0))
    return buckets(input=next(filter(None, native), 0))
