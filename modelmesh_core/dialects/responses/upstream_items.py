"""One item of a vendor's stream: what each of its events adds to the answer."""

from __future__ import annotations

from typing import Any

from ...wire.messages import Body
from ...wire.shapes import as_count, as_list, as_object, as_text
from .items import call_of, message_of
from .parts import annotation_to_chat
from .reasoning import FORMAT, detail, texts_of

_CALLS = {"function_call": ("function", "arguments"), "custom_tool_call": ("custom", "input")}
_THOUGHTS = {"response.reasoning_summary_text": "summary", "response.reasoning_text": "content"}


class Tally:
    """How far the answer has come, over all its items."""

    def __init__(self) -> None:
        self.length = 0
        """Characters of its text."""
        self.calls = self.details = self.thoughts = 0


class StreamedItem:
    """Gives deltas. What the events left out, ``rest`` finds in the whole item at its end."""

    def __init__(self, item: Body, tally: Tally) -> None:
        self.whole = item
        self._tally = tally
        self._start = tally.length
        """Character of the answer at which its text begins."""
        self._opened = False
        self._texts: dict[Any, int] = {}
        """Characters that each part has said."""
        self._citations = 0
        self._numbers: dict[Any, int] = {}

    @property
    def _kind(self) -> str:
        return as_text(self.whole.get("type"))

    def opening(self) -> Body:
        """What the beginning says, once."""
        if self._opened or self._kind not in _CALLS:
            return {}
        self._opened = True
        field, key = _CALLS[self._kind]
        call = call_of(self.whole)
        return self._call({**call, field: {**call[field], key: ""}})

    def grow(self, event: str, body: Body) -> Body:
        """What one event says."""
        base, _, ending = event.rpartition(".")
        if event == "response.output_text.annotation.added":
            self._citations += 1
            return {"annotations": [annotation_to_chat(as_object(body.get("annotation")), self._start)]}
        text = body.get("delta")
        if ending != "delta" or not isinstance(text, str) or not text:
            return {}
        if base in ("response.output_text", "response.refusal"):
            kind = "content" if base == "response.output_text" else "refusal"
            return self._spoken(kind, as_count(body.get("content_index")), text, as_list(body.get("logprobs")))
        if base in _THOUGHTS:
            place = _THOUGHTS[base]
            return self._thought(place, as_count(body.get(f"{place}_index")), text)
        if base in ("response.function_call_arguments", "response.custom_tool_call_input") and self._kind in _CALLS:
            return self._argued(text)
        return {}

    def rest(self, item: Body) -> Body:
        """What ``item``, which is whole, says more than its events did."""
        self.whole = {**self.whole, **item}
        if self._kind in _CALLS:
            _, key = _CALLS[self._kind]
            missing = as_text(self.whole.get(key))[self._texts.get("arguments", 0) :]
            return self._argued(missing) if missing else {}
        if self._kind == "message":
            return self._rest_of_message()
        if self._kind == "reasoning":
            return self._rest_of_reasoning()
        images = message_of([self.whole]).get("images")
        return {"images": images} if images else {}

    def _rest_of_message(self) -> Body:
        delta: Body = {}
        annotations: list[Body] = []
        spoken = {kind: self._said(kind) for kind in ("content", "refusal")}
        for index, part in enumerate(map(as_object, as_list(self.whole.get("content")))):
            kind = "refusal" if part.get("type") == "refusal" else "content"
            text = as_text(part.get("refusal" if kind == "refusal" else "text"))
            said = min(len(text), spoken[kind])
            spoken[kind] -= said
            if text[said:]:
                logprobs = [] if said else as_list(part.get("logprobs"))
                delta = joined(delta, self._spoken(kind, index, text[said:], logprobs))
            annotations += map(as_object, as_list(part.get("annotations")))
        if late := annotations[self._citations :]:
            delta["annotations"] = [annotation_to_chat(one, self._start) for one in late]
        self._citations = max(self._citations, len(annotations))
        return delta

    def _rest_of_reasoning(self) -> Body:
        delta: Body = {}
        counts: dict[str, int] = {}
        thought = {place: self._said(place) for place in ("summary", "content")}
        for place, text in texts_of(self.whole):
            index = counts[place] = counts.get(place, -1) + 1
            said = min(len(text), thought[place])
            thought[place] -= said
            if text[said:]:
                delta = joined(delta, self._thought(place, index, text[said:]))
        if sealed := as_text(self.whole.get("encrypted_content")):
            return joined(delta, self._detail("sealed", {"type": "reasoning.encrypted", "data": sealed}))
        return delta if self._texts else self._detail("empty", detail("summary", ""))

    def _spoken(self, kind: str, index: Any, text: str, logprobs: list[Any]) -> Body:
        self._count((kind, index), text)
        if kind == "content":
            self._tally.length += len(text)
        return {kind: text, **({"logprobs": {"content": logprobs, "refusal": None}} if logprobs else {})}

    def _thought(self, place: str, index: Any, text: str) -> Body:
        begins = (place, index) not in self._texts
        self._count((place, index), text)
        joint = "\n\n" if begins and self._tally.thoughts else ""
        self._tally.thoughts += begins
        return {"reasoning_content": joint + text, **self._detail((place, index), detail(place, text))}

    def _detail(self, place: Any, block: Body) -> Body:
        if place not in self._numbers:
            self._numbers[place] = self._tally.details
            self._tally.details += 1
        identity = {"id": self.whole["id"]} if as_text(self.whole.get("id")) else {}
        return {"reasoning_details": [{**block, "format": FORMAT, **identity, "index": self._numbers[place]}]}

    def _argued(self, text: str) -> Body:
        self._count("arguments", text)
        field, key = _CALLS[self._kind]
        return self._call({field: {key: text}})

    def _call(self, call: Body) -> Body:
        if "call" not in self._numbers:
            self._numbers["call"] = self._tally.calls
            self._tally.calls += 1
        return {"tool_calls": [{"index": self._numbers["call"], **call}]}

    def _said(self, kind: str) -> int:
        """Characters of one kind so far. Not part by part: some servers number their parts one way in the events and
        another way in the whole item."""
        return sum(count for place, count in self._texts.items() if place[0] == kind)

    def _count(self, place: Any, text: str) -> None:
        self._texts[place] = self._texts.get(place, 0) + len(text)


def joined(first: Body, second: Body) -> Body:
    """Two deltas as one: texts and lists grow, and tool calls and reasoning blocks keep their places."""
    made = dict(first)
    for key, value in second.items():
        old = made.get(key)
        made[key] = value if old is None else joined(old, as_object(value)) if isinstance(value, dict) else old + value
    return made
