"""Replies of the OpenAI dialect: a response's bytes → Reply."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import attrs

from ..errors import Failure, FailureKind, provider_error
from ..interfaces.provider import ProviderCall
from ..wire.http import HttpResponse
from ..wire.messages import Body, Headroom, Reply, Usage
from ..wire.shapes import as_count, as_list, as_object, as_text
from .errors import error_object, failure_of_error
from .limits import headroom_of
from .usage import usage_of

_TEXTS = frozenset({"text", "srt", "vtt"})
"""Formats of a transcript that are no JSON."""
_SOUNDS = {"wav": "audio/wav", "flac": "audio/flac", "opus": "audio/ogg", "aac": "audio/aac", "pcm": "audio/pcm"}


def unchanged(body: Body) -> Body:
    """The translation for vendors that need none."""
    return body


def limits_of_head(response: HttpResponse) -> Headroom:
    """As most vendors tell them."""
    return headroom_of(response.headers, response.received_at)


@attrs.frozen
class Reading:
    """How a vendor's answers are to be read."""

    translate: Callable[[Body], Body] = unchanged
    """What an answer becomes before it is read; the same object where nothing is to be changed."""
    codes: Mapping[str, FailureKind] = MappingProxyType({})
    """The vendor's own error codes, in lower case."""
    limits: Callable[[HttpResponse], Headroom] = limits_of_head
    """What the head of a response says of limits."""


PLAIN = Reading()


def decode_chat(response: HttpResponse, reading: Reading = PLAIN) -> Reply:
    """A whole chat completion. Raises ProviderError for an error in its place, or a body without choices."""
    decoded, body = _answer(response, "choices", reading)
    choice = as_object(body["choices"][0])
    reason = as_text(choice.get("finish_reason"))
    if reason == "error":
        raise provider_error(failure_of_error(as_object(choice.get("error")), decoded, reading.codes))
    return _reply(response, reading, decoded, body, reason or None)


def decode_completion(call: ProviderCall, response: HttpResponse, reading: Reading) -> Reply:
    """A text completion. Raises ProviderError for an error in its place, or a body without choices."""
    decoded, body = _answer(response, "choices", reading)
    choice = as_object(as_list(body["choices"])[0])
    return _reply(response, reading, decoded, body, as_text(choice.get("finish_reason")) or None)


def decode_embeddings(call: ProviderCall, response: HttpResponse, reading: Reading) -> Reply:
    """Embeddings. Raises ProviderError for an error in their place, or a body without data."""
    return _reply(response, reading, *_answer(response, "data", reading))


def decode_moderation(call: ProviderCall, response: HttpResponse, reading: Reading) -> Reply:
    """What each input was found to be. Raises ProviderError for an error in their place, or a body without results."""
    return _reply(response, reading, *_answer(response, "results", reading))


def decode_ranking(call: ProviderCall, response: HttpResponse, reading: Reading) -> Reply:
    """A ranking, under whatever name its server gives it; a document is an object with ``text``."""

    def ranked(body: Body) -> Body:
        return _ranking(reading.translate(body))

    return _reply(response, reading, *_answer(response, "results", attrs.evolve(reading, translate=ranked)))


def decode_images(call: ProviderCall, response: HttpResponse, reading: Reading) -> Reply:
    """Pictures; their number is part of the usage. OpenAI's own document lets an answer have only its date."""
    reply = _reply(response, reading, *_answer(response, "data", reading, or_at_least="created"))
    usage = attrs.evolve(reply.usage or Usage(), images=len(as_list(reply.body.get("data"))))
    return attrs.evolve(reply, usage=usage)


def decode_speech(call: ProviderCall, response: HttpResponse, reading: Reading) -> Reply:
    """Sound: the body itself, or ``audio`` in base64. Raises ProviderError for anything else in its place."""
    media_type = _media_type(response)
    spoken = call.body.get("input")
    usage = Usage(characters=len(spoken) if isinstance(spoken, str) else 0)
    content, reported = response.body, None
    if media_type.endswith("json"):
        _, body = _answer(response, "audio", reading, required=str)
        content, reported = _from_base64(body["audio"]), usage_of(body.get("usage"))
        media_type = _SOUNDS.get(str(call.body.get("response_format")), "audio/mpeg")
    if not content or media_type.startswith("text/"):
        message = f"HTTP {response.status} with no sound in it ({media_type or 'no type'}, {len(response.body)} bytes)"
        raise provider_error(Failure(FailureKind.UNDECODABLE, message, status=response.status))
    return Reply(
        usage=usage if reported is None else attrs.evolve(reported, characters=usage.characters),
        headroom=reading.limits(response),
        headers=response.headers,
        content=content,
        media_type=media_type or "application/octet-stream",
    )


def decode_transcription(call: ProviderCall, response: HttpResponse, reading: Reading) -> Reply:
    """A transcript, or its translation. In the formats that are no JSON it is ``text`` as well as ``content``."""
    media_type = _media_type(response)
    asked_text = call.body.get("response_format") in _TEXTS
    if not asked_text or media_type == "text/html" or response.body.lstrip()[:9] == b'{"error":':
        decoded, body = _answer(response, "text", reading, required=str)
        reply = _reply(response, reading, decoded, body)
        usage = reply.usage or usage_of({"type": "duration", "seconds": body.get("duration")})
        return attrs.evolve(reply, usage=usage if usage != Usage() else None)
    return Reply(
        body={"text": response.body.decode("utf-8", "replace")},
        headroom=reading.limits(response),
        headers=response.headers,
        content=response.body,
        media_type=media_type or "text/plain",
    )


def _ranking(body: Body) -> Body:
    rows = as_list(body.get("results")) or as_list(body.get("data"))
    ranked = [_ranked(as_object(row)) for row in rows]
    return body if ranked == as_list(body.get("results")) else {**body, "results": ranked}


def _ranked(row: Body) -> Body:
    if "relevance_score" not in row and "score" in row:
        row = {**row, "relevance_score": row["score"]}
    document = row.get("document")
    return {**row, "document": {"text": document}} if isinstance(document, str) else row


def _from_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text)
    except ValueError:
        return b""


def _media_type(response: HttpResponse) -> str:
    return response.headers.get("content-type", "").partition(";")[0].strip().lower()


def _answer(
    response: HttpResponse, key: str, reading: Reading, required: type = list, or_at_least: str = ""
) -> tuple[Body, Body]:
    """The decoded body, and what it is in this dialect: ``key`` holds a list with at least one item, or a text.

    ``or_at_least``: another key, of a number, that is enough without it.
    """
    decoded: Any = response.json()
    given = body = as_object(decoded)
    error = error_object(given)
    if given and error is None and reading.translate is not unchanged:
        body = reading.translate(given)
        error = error_object(body)
    if error is not None:
        raise provider_error(failure_of_error(error, decoded, reading.codes))
    held = body.get(key)
    is_enough = key not in body and as_count(body.get(or_at_least)) > 0
    if not is_enough and (not isinstance(held, required) or held == []):
        found = ", ".join(list(body)[:8]) or type(decoded).__name__
        message = f"HTTP {response.status} with a body that has no {key} (it has: {found})"
        raise provider_error(Failure(FailureKind.UNDECODABLE, message, status=response.status, body=decoded))
    return given, body


def _reply(
    response: HttpResponse, reading: Reading, decoded: Body, body: Body, finish_reason: str | None = None
) -> Reply:
    raw = response.body if body is decoded else None
    # By place, as every answer is made: names would double what it costs.
    usage, limits = usage_of(body.get("usage")), reading.limits(response)
    return Reply(body, usage, finish_reason, limits, response.headers, None, None, raw)
