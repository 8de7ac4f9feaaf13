"""What Google answers → chunks in the agreement's shape. A whole answer is read as a stream of one piece."""

from __future__ import annotations

import hashlib
from typing import Any

import attrs
import orjson
from modelmesh_core import Json, as_list, as_object, as_objects, as_text

from .citations import annotations_in
from .details import part_block, signature_block, thought_block
from .endings import Ending, ending_of
from .media import data_url
from .partial_calls import PartialCalls
from .shapes import as_count, epoch_seconds
from .usage import usage_in

_ELSEWHERE = frozenset({"content", "finishReason", "index", "logprobsResult", "tokenCount"})
"""Fields of a candidate that have a place of their own in a choice; the others are kept under ``extra_content``."""


@attrs.define(slots=True)
class _Choice:
    """One candidate so far."""

    index: int
    text: list[str] = attrs.field(factory=list[str])
    length: int = 0
    """Characters of text."""
    part_starts: list[int] = attrs.field(factory=list[int])
    calls: int = 0
    blocks: int = 0
    images: int = 0
    thought_block: int | None = None
    """Index of the block that the next piece of an unsigned thought continues."""
    kept: Json = attrs.field(factory=dict[str, Any])
    cited: list[Json] = attrs.field(factory=list[Json])
    ending: Ending | None = None
    partial: PartialCalls = attrs.field(factory=PartialCalls)

    @property
    def is_empty(self) -> bool:
        return not (self.length or self.calls or self.images or self.blocks)


class AnswerReader:
    """Fed the JSON objects of an answer in order; gives chunks with what they say, and its end."""

    def __init__(self, model: str, now: float, identity: str = "") -> None:
        self.usage: Json | None = None
        """The last count that came: each counts the whole answer so far."""
        self.has_answer = False
        """Whether there was a candidate, or word that the prompt was blocked."""
        self._head: Json = {"id": identity or "gemini", "object": "chat.completion.chunk", "created": int(now)}
        self._head["model"] = model
        self._now = now
        self._choices: dict[int, _Choice] = {}

    def read(self, payload: Json) -> list[Json]:
        """The chunks that ``payload``, a GenerateContentResponse, says: the beginning, then content."""
        opening = not self._choices
        self._read_head(payload)
        self.usage = usage_in(payload.get("usageMetadata")) or self.usage
        deltas = [self._read_candidate(one, place) for place, one in enumerate(as_objects(payload.get("candidates")))]
        deltas += self._read_block(payload)
        chunks = [self.chunk([choice]) for choice in deltas if choice is not None]
        if opening and self._choices:
            begun = {"delta": {"role": "assistant"}, "finish_reason": None}
            chunks.insert(0, self.chunk([{"index": index, **begun} for index in self._choices]))
        return chunks

    def chunk(self, choices: list[Json], **more: Any) -> Json:
        return {**self._head, "choices": choices, **more}

    def end(self) -> Json:
        """The chunk that says of every choice why it ended."""
        return self.chunk([self._last(choice) for choice in self._choices.values()])

    @property
    def has_ended(self) -> bool:
        """Whether every choice has a reason to have ended."""
        return bool(self._choices) and all(choice.ending is not None for choice in self._choices.values())

    def failure(self) -> Ending | None:
        """The ending of an answer that says nothing because the model broke down."""
        choices = list(self._choices.values())
        broken = [choice.ending for choice in choices if choice.is_empty and choice.ending and choice.ending.is_failure]
        return broken[0] if broken and len(broken) == len(choices) else None

    # --- reading -----------------------------------------------------------------------------------------------------

    def _read_head(self, payload: Json) -> None:
        if as_text(payload.get("responseId")):
            self._head["id"] = payload["responseId"]
        if as_text(payload.get("modelVersion")):
            self._head["model"] = payload["modelVersion"]
        if "createTime" in payload:
            self._head["created"] = epoch_seconds(payload["createTime"], self._now)

    def _read_block(self, payload: Json) -> list[Json]:
        """That the prompt was blocked: an answer that is withheld whole."""
        feedback = as_object(payload.get("promptFeedback"))
        if not feedback.get("blockReason") or as_objects(payload.get("candidates")):
            return []
        self.has_answer = True
        choice = self._choices.setdefault(0, _Choice(0))
        choice.ending = Ending("content_filter", str(feedback["blockReason"]))
        choice.kept["promptFeedback"] = feedback
        text = as_text(feedback.get("blockReasonMessage"))
        return [{"index": 0, "delta": {"refusal": text}, "finish_reason": None}] if text else []

    def _read_candidate(self, candidate: Json, place: int) -> Json | None:
        """What a candidate adds to its choice; None if nothing that the caller could read."""
        self.has_answer = True
        index = as_count(candidate.get("index")) if "index" in candidate else place
        choice = self._choices.setdefault(index, _Choice(index))
        delta: Json = {}
        for part in as_objects(as_object(candidate.get("content")).get("parts")):
            self._read_part(choice, part, delta)
        choice.kept.update((key, value) for key, value in candidate.items() if key not in _ELSEWHERE)
        if "groundingMetadata" in candidate or "citationMetadata" in candidate:
            _read_citations(choice, candidate, delta)
        ending = ending_of(candidate)
        if ending is not None:
            choice.ending = ending
            if ending.reason == "content_filter" and choice.is_empty and as_text(candidate.get("finishMessage")):
                delta["refusal"] = candidate["finishMessage"]
        logprobs = _logprobs(candidate)
        if not delta and logprobs is None:
            return None
        return {
            "index": index,
            "delta": delta,
            "finish_reason": None,
            **({"logprobs": logprobs} if logprobs else {}),
        }

    def _read_part(self, choice: _Choice, part: Json, delta: Json) -> None:
        signature = as_text(part.get("thoughtSignature"))
        if isinstance(part.get("functionCall"), dict):
            self._read_call(choice, as_object(part["functionCall"]), signature, delta)
        elif isinstance(part.get("text"), str) and part.get("thought") is True:
            _read_thought(choice, part["text"], signature, delta)
        elif isinstance(part.get("text"), str):
            _read_text(choice, part["text"], signature, delta)
        elif isinstance(part.get("inlineData"), dict) and part.get("thought") is not True:
            _read_media(choice, part, signature, delta)
        elif part:
            choice.thought_block = None
            _grow(delta, "reasoning_details", part_block(part, _next_block(choice), choice.length))

    def _read_call(self, choice: _Choice, call: Json, signature: str, delta: Json) -> None:
        whole = choice.partial.read(call, signature)
        if whole is None:
            return
        call, signature = whole
        choice.thought_block = None
        place = choice.calls
        choice.calls += 1
        arguments = orjson.dumps(call.get("args") or {}).decode()
        name = as_text(call.get("name"))
        made = f"{self._head['id']}/{choice.index}/{place}/{name}/{arguments}"
        identity = as_text(call.get("id")) or "call_" + hashlib.sha256(made.encode("utf-8", "replace")).hexdigest()[:24]
        described: Json = {"index": place, "id": identity, "type": "function"}
        described["function"] = {"name": name, "arguments": arguments}
        if signature:
            described["extra_content"] = {"google": {"thought_signature": signature}}
        _grow(delta, "tool_calls", described)

    def _last(self, choice: _Choice) -> Json:
        ending = choice.ending or Ending(None, "")
        reason = "tool_calls" if choice.calls and ending.reason == "stop" else ending.reason
        result: Json = {"index": choice.index, "delta": {}, "finish_reason": reason}
        if ending.native.lower() != (reason or ""):
            result["native_finish_reason"] = ending.native
        if choice.kept:
            result["extra_content"] = {"google": choice.kept}
        return result


def _read_citations(choice: _Choice, candidate: Json, delta: Json) -> None:
    """A stream repeats its citations as they grow: only new ones are handed on."""
    found = annotations_in(candidate, "".join(choice.text), choice.part_starts)
    fresh = [one for one in found if one not in choice.cited]
    if fresh:
        choice.cited.extend(fresh)
        delta["annotations"] = fresh


def _read_text(choice: _Choice, text: str, signature: str, delta: Json) -> None:
    choice.part_starts.append(choice.length)
    choice.thought_block = None
    if signature:
        block = signature_block(signature, _next_block(choice), choice.length, len(text))
        _grow(delta, "reasoning_details", block)
    if text:
        choice.text.append(text)
        choice.length += len(text)
        delta["content"] = delta.get("content", "") + text


def _read_thought(choice: _Choice, text: str, signature: str, delta: Json) -> None:
    if not text and not signature:
        return
    if text:
        delta["reasoning_content"] = delta.get("reasoning_content", "") + text
    if choice.thought_block is None:
        choice.thought_block = _next_block(choice)
    block = thought_block(text, signature, choice.thought_block, choice.length)
    known = next((one for one in delta.get("reasoning_details", []) if one["index"] == block["index"]), None)
    if known is None:
        _grow(delta, "reasoning_details", block)
    else:
        known.update(block, text=known["text"] + text)
    if signature:
        choice.thought_block = None


def _read_media(choice: _Choice, part: Json, signature: str, delta: Json) -> None:
    blob = as_object(part["inlineData"])
    media_type = as_text(blob.get("mimeType"))
    choice.thought_block = None
    if media_type.startswith("audio/"):
        delta["audio"] = {"data": as_object(delta.get("audio")).get("data", "") + as_text(blob.get("data"))}
        delta["audio"]["format"] = media_type
        choice.images += 1
    elif media_type.startswith("image/"):
        image: Json = {"type": "image_url", "image_url": {"url": data_url(blob)}, "index": choice.images}
        choice.images += 1
        if signature:
            image["extra_content"] = {"google": {"thought_signature": signature}}
        _grow(delta, "images", image)
    else:
        _grow(delta, "reasoning_details", part_block(part, _next_block(choice), choice.length))


def _next_block(choice: _Choice) -> int:
    choice.blocks += 1
    return choice.blocks - 1


def _grow(delta: Json, key: str, item: Json) -> None:
    delta.setdefault(key, []).append(item)


def _logprobs(candidate: Json) -> Json | None:
    """``logprobsResult`` as OpenAI has it."""
    result = as_object(candidate.get("logprobsResult"))
    chosen = as_objects(result.get("chosenCandidates"))
    if not chosen:
        return None
    top = [as_objects(as_object(one).get("candidates")) for one in as_list(result.get("topCandidates"))]
    top += [[]] * (len(chosen) - len(top))
    content = [{**_token(one), "top_logprobs": [_token(rival) for rival in top[i]]} for i, one in enumerate(chosen)]
    return {"content": content}


def _token(candidate: Json) -> Json:
    token = as_text(candidate.get("token"))
    probability = candidate.get("logProbability")
    # Zero is what the API's JSON leaves out.
    known = isinstance(probability, (int, float)) and not isinstance(probability, bool)
    return {
        "token": token,
        "logprob": probability if known else 0.0,
        "bytes": list(token.encode("utf-8", "replace")),
    }
