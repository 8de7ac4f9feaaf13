"""Chunks of chat completions → a response and its events, piece by piece. A whole reply is one large chunk."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from ...openai_dialect.folding import fold_chunks
from ...wire.messages import Body, Usage
from ...wire.shapes import as_count, as_list, as_object, as_text
from .answer import core_of, ended, failed, head_of, usage_from_chat
from .calls import CallItems
from .growing import EventLog, GrowingItem
from .items import EXTRA, VERBATIM
from .parts import annotation_from_chat
from .reasoning import FORMAT, seal

_CHUNK = frozenset({"id", "object", "created", "model", "choices", "usage", "error"})
_CHOICE = frozenset({"index", "delta", "message", "finish_reason", "logprobs"})
_DELTA = frozenset(
    [
        "role",
        "content",
        "refusal",
        "annotations",
        "tool_calls",
        "reasoning_content",
        "reasoning",
        "reasoning_details",
        "images",
    ]
)
_SAYABLE = frozenset({"message", "reasoning", "function_call", "custom_tool_call", "image_generation_call"})


class ResponseAssembly:
    """One response. Items come in the order in which they begin; a reasoning item or message ends where another item
    begins, tool calls end with the answer."""

    def __init__(self, body: Body) -> None:
        self.log = EventLog()
        self.items: list[GrowingItem] = []
        self.head: Body = {}
        self._body = body
        self._reason: str | None = None
        self._usage: Body | None = None
        self._extras: list[Body] = []
        self._details: list[Body] = []
        """Blocks of another vendor, as they came, of the reasoning item that is open."""
        self._length = self._message_start = 0
        self._calls = CallItems(self)

    def take(self, chunk: Body, counted: Usage | None = None) -> None:
        """What one chunk says."""
        self.begin(chunk)
        self._usage = usage_from_chat(chunk.get("usage"), counted) or self._usage
        self.head |= {key: value for key, value in chunk.items() if key not in _CHUNK and value is not None}
        for choice in map(as_object, as_list(chunk.get("choices"))):
            if as_count(choice.get("index")) == 0:
                self._choice(choice)

    def begin(self, chunk: Body) -> None:
        """The opening events, once."""
        if not self.head:
            self.head = head_of(chunk, self._body, uuid4().hex)
            self.log.add("response.created", response=self.head)
            self.log.add("response.in_progress", response=self.head)

    def end(self) -> Body:
        """The rest of the events, and the response."""
        self.begin({})
        self._calls.flush()
        message = _folded(self._extras)
        for item in map(as_object, as_list(message.get(VERBATIM))):
            if as_text(item.get("type")) not in _SAYABLE:
                self.open(dict(item)).replace(item)
                self.log.add("response.output_item.done", output_index=len(self.items) - 1, item=item)
        extra = {k: v for k, v in message.items() if k not in _DELTA and k != VERBATIM and v is not None}
        if extra and not self.items:
            self._message()  # something has to bear it
        self._close_all(extra, "incomplete" if self._reason == "length" else "completed")
        response = ended(self.head, self._reason, self.output(), self._usage)
        self.log.add(f"response.{response['status']}", response=response)
        return response

    def fail(self, error: Body) -> None:
        """The events of an answer that broke off."""
        code, message, param = (error.get(key) for key in ("code", "message", "param"))
        known = code if isinstance(code, str) else as_text(error.get("type")) or None
        self.log.add("error", code=known, message=str(message or "the answer broke off"), param=as_text(param) or None)
        if self.head:
            response = failed(self.head, error, self.output(), self._usage)
            self.log.add("response.failed", response=response)

    def output(self) -> list[Body]:
        """The items so far."""
        return [growing.snapshot() for growing in self.items]

    def open(self, item: Body) -> GrowingItem:
        """A new item, after what was being said before."""
        self._close_speech()
        growing = GrowingItem(self.log, item, len(self.items))
        self.items.append(growing)
        return growing

    def new_id(self, prefix: str) -> str:
        """An id for the next item."""
        return f"{prefix}_{core_of(self.head['id'])}_{len(self.items)}"

    def _choice(self, choice: Body) -> None:
        self.head |= {key: value for key, value in choice.items() if key not in _CHOICE and value is not None}
        self._reason = as_text(choice.get("finish_reason")) or self._reason
        delta = as_object(choice.get("delta"))
        self._think(delta)
        logprobs = [_logprob(as_object(one)) for one in as_list(as_object(choice.get("logprobs")).get("content"))]
        if text := as_text(delta.get("content")):
            self._message().say("output_text", text, logprobs=logprobs)
            self._length += len(text)
        if text := as_text(delta.get("refusal")):
            self._message().say("refusal", text)
        for annotation in map(as_object, as_list(delta.get("annotations"))):
            self._annotate(annotation)
        for position, call in enumerate(map(as_object, as_list(delta.get("tool_calls")))):
            self._calls.take(call, position)
        for image in map(as_object, as_list(delta.get("images"))):
            self._picture(as_text(as_object(image.get("image_url")).get("url")))
        extra = {key: value for key, value in delta.items() if key not in _DELTA and value is not None}
        if extra:
            self._extras.append(extra)

    def _speaking(self, kind: str) -> GrowingItem | None:
        last = next((one for one in reversed(self.items) if one.kind in ("message", "reasoning")), None)
        return last if last is not None and last.is_open and last.kind == kind else None

    def _message(self) -> GrowingItem:
        found = self._speaking("message")
        if found is None:
            identity = self.new_id("msg")
            found = self.open(
                {"id": identity, "type": "message", "status": "in_progress", "role": "assistant", "content": []}
            )
            self._message_start = self._length
        return found

    def _annotate(self, annotation: Body) -> None:
        """A citation of the last message, which may have ended before."""
        made = annotation_from_chat(annotation, self._message_start)
        messages = [one for one in self.items if one.kind == "message" and one.has_text]
        if made is not None and messages:
            messages[-1].annotate(made)
        else:
            self._extras.append({"annotations_beside": [annotation]})

    def _think(self, delta: Body) -> None:
        details = [as_object(one) for one in as_list(delta.get("reasoning_details"))]
        plain = as_text(delta.get("reasoning_content")) or as_text(delta.get("reasoning"))
        texts = [as_text(one.get("summary")) or as_text(one.get("text")) for one in details]
        if plain and not any(texts):
            self._reasoning(None).say("reasoning_text", plain)
        for one, text in zip(details, texts, strict=True):
            own = one.get("format") == FORMAT
            item = self._reasoning((as_text(one.get("id")) or None) if own else None)
            if text:
                kind = "summary_text" if one.get("type") == "reasoning.summary" else "reasoning_text"
                item.say(kind, text, key=one.get("index"))
            if own and one.get("type") == "reasoning.encrypted":
                item.item["encrypted_content"] = as_text(one.get("data")) or None
            if not own:
                self._details.append(one)

    def _reasoning(self, identity: str | None) -> GrowingItem:
        found = self._speaking("reasoning")
        if found is not None and (found.item["id"] == identity or (identity is None and not _is_vendors(found))):
            return found
        made = self.open({"id": identity or self.new_id(_OURS), "type": "reasoning", "summary": []})
        self._details = []
        return made

    def _close_speech(self) -> None:
        for kind in ("reasoning", "message"):
            if (found := self._speaking(kind)) is not None:
                self._close(found, {}, "completed")

    def _close_all(self, extra: Body, last_status: str) -> None:
        bearer = next((one for one in reversed(self.items) if one.is_open), None)
        if extra and bearer is None and self.items:
            self.items[-1].item[EXTRA] = extra  # too late for its events: it stands in the whole response
        for growing in self.items:
            own = {EXTRA: extra} if extra and growing is bearer else {}
            self._close(growing, own, last_status if growing is self.items[-1] else "completed")

    def _close(self, growing: GrowingItem, fields: Body, status: str) -> None:
        if growing.is_open and growing.kind == "reasoning" and not _is_vendors(growing):
            found = _folded([{"reasoning_details": [one]} for one in self._details])
            blocks = [as_object(one) for one in as_list(found.get("reasoning_details"))]
            fields = {**fields, "encrypted_content": seal(blocks)}
        growing.close(status, **fields)

    def _picture(self, url: str) -> None:
        head, _, data = url.partition(";base64,")
        if not data or not head.startswith("data:image/"):
            self._extras.append({"images_beside": [{"type": "image_url", "image_url": {"url": url}}]})
            return
        item: Body = {"id": self.new_id("ig"), "type": "image_generation_call", "status": "in_progress", "result": None}
        self.open(item).close(result=data, output_format=head.removeprefix("data:image/"))


_OURS = "rs_mesh"


def _is_vendors(growing: GrowingItem) -> bool:
    """Whether a reasoning item came from a vendor of the Responses API."""
    return not str(growing.item.get("id")).startswith(_OURS)


def _folded(deltas: list[Body]) -> Body:
    """The message that ``deltas`` add up to."""
    choices = as_list(fold_chunks([{"choices": [{"delta": delta}]} for delta in deltas])["choices"])
    return as_object(as_object(choices[0]).get("message")) if choices else {}


def _logprob(token: Body) -> Body:
    top: list[Any] = [_token(as_object(one)) for one in as_list(token.get("top_logprobs"))]
    return {**_token(token), "top_logprobs": top}


def _token(token: Body) -> Body:
    return {**token, "bytes": as_list(token.get("bytes"))}
