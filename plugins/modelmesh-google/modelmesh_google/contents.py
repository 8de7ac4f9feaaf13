"""A conversation in the agreement's shape → ``systemInstruction`` and ``contents``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson
from modelmesh_core import Json, as_list, as_object, as_objects, as_text

from .details import parts_of_details
from .families import Family
from .media import part_of
from .shapes import refuse

_WITHOUT_CHECK = "skip_thought_signature_validator"
"""Google's word for a call whose signature is not there, as in a conversation that another model began."""


def encode_messages(messages: Any, family: Family, prefill: str | None = None) -> Json:
    """The ``contents`` and ``systemInstruction`` of a request.

    ``prefill`` is the beginning of an answer that the model is to continue. Raises ProviderError of kind
    INVALID_REQUEST for what Google cannot be told.
    """
    given = as_objects(messages)
    if not given:
        refuse("messages: expected a list with at least one message", "invalid_messages")
    writer = _Writer(family)
    for message in given:
        writer.add(message)
    if prefill:
        writer.append("model", [{"text": prefill}])
    return writer.finish()


class _Writer:
    def __init__(self, family: Family) -> None:
        self._family = family
        self._system: list[str] = []
        self._contents: list[Json] = []
        self._names: dict[str, str] = {}
        """Id of a tool call → name of its function."""
        self._answers: list[Json] = []
        """Answers to the tool calls of the turn before, held until all of them are there."""
        self._media: list[Json] = []
        """What tools answered beside text, for models that take it only after the answers."""

    def add(self, message: Json) -> None:
        role, content = as_text(message.get("role")), message.get("content")
        if role in ("tool", "function"):
            self._add_answer(message)
            return
        self._end_answers()
        if role in ("system", "developer"):
            self._system.append(_text_only(content))
        elif role == "user":
            self.append("user", parts_in(content) or [{"text": ""}])
        elif role == "assistant":
            self.append("model", self._spoken(message))
        else:
            refuse(f"messages: unknown role {role[:40]!r}", "invalid_messages")

    def append(self, role: str, parts: list[Json]) -> None:
        """Parts of one speaker follow each other in one content."""
        if not parts:
            return
        last = self._contents[-1] if self._contents else {}
        if last.get("role") == role and not any("functionResponse" in part for part in last["parts"]):
            last["parts"] = [*last["parts"], *parts]
        else:
            self._contents.append({"role": role, "parts": parts})

    def finish(self) -> Json:
        self._end_answers()
        system = "\n\n".join(text for text in self._system if text)
        if system and (not self._contents or not self._family.takes_system_instruction):
            self._contents.insert(0, {"role": "user", "parts": [{"text": system}]})
            system = ""
        if not system:
            return {"contents": self._contents}
        return {"contents": self._contents, "systemInstruction": {"parts": [{"text": system}]}}

    # --- what a model said -------------------------------------------------------------------------------------------

    def _spoken(self, message: Json) -> list[Json]:
        calls = as_objects(message.get("tool_calls"))
        details, signatures = parts_of_details(
            message.get("reasoning_details"), frozenset(as_text(call.get("id")) for call in calls)
        )
        said = parts_in(message.get("content"))
        if any("text" not in part for part in said):
            parts = [*details.around(""), *said]
        else:
            parts = details.around("".join(as_text(part["text"]) for part in said))
        refusal = as_text(message.get("refusal"))
        if refusal:
            parts.append({"text": refusal})
        for image in as_objects(message.get("images")):
            parts.append(_signed(part_of({"type": "image_url", **image}), image))
        return [*parts, *self._calls(calls, signatures)]

    def _calls(self, calls: list[Json], signatures: dict[str, str]) -> list[Json]:
        parts: list[Json] = []
        for call in calls:
            function = as_object(call.get("function"))
            identity, name = as_text(call.get("id")), as_text(function.get("name"))
            self._names[identity] = name
            described: Json = {"name": name, "args": _arguments(function.get("arguments"))}
            if identity:
                described["id"] = identity
            part = _signed({"functionCall": described}, call)
            if identity in signatures:
                part.setdefault("thoughtSignature", signatures[identity])
            parts.append(part)
        if parts and self._family.is_at_least_3:
            parts[0].setdefault("thoughtSignature", _WITHOUT_CHECK)
        return parts

    # --- what tools answered -----------------------------------------------------------------------------------------

    def _add_answer(self, message: Json) -> None:
        identity = as_text(message.get("tool_call_id"))
        name = self._names.get(identity) or as_text(message.get("name")) or identity
        parts = parts_in(message.get("content"))
        text = "".join(as_text(part.get("text")) for part in parts)
        media = [part for part in parts if "text" not in part]
        answer: Json = {"name": name, "response": _outcome(text)}
        if identity:
            answer["id"] = identity
        if media and self._family.is_at_least_3:
            answer["parts"] = media
        else:
            self._media.extend(media)
        self._answers.append({"functionResponse": answer})

    def _end_answers(self) -> None:
        if self._answers:
            self._contents.append({"role": "user", "parts": self._answers})
        if self._media:
            self._contents.append({"role": "user", "parts": self._media})
        self._answers, self._media = [], []


def parts_in(content: Any) -> list[Json]:
    """Google's parts for a message's ``content``, a string or a list of parts."""
    if isinstance(content, str):
        return [{"text": content}] if content else []
    return [part_of(part) for part in as_list(content)]


def _text_only(content: Any) -> str:
    parts = parts_in(content)
    if any("text" not in part for part in parts):
        refuse("a system message can hold text only", "unsupported_content")
    return "".join(_texts(parts))


def _texts(parts: Iterable[Json]) -> Iterable[str]:
    return (as_text(part.get("text")) for part in parts)


def _signed(part: Json, given: Json) -> Json:
    signature = as_text(as_object(as_object(given.get("extra_content")).get("google")).get("thought_signature"))
    return {**part, "thoughtSignature": signature} if signature else part


def _arguments(text: Any) -> Json:
    if isinstance(text, dict):
        return as_object(text)
    try:
        decoded = orjson.loads(as_text(text) or "{}")
    except ValueError:
        decoded = as_text(text)
    return as_object(decoded) if isinstance(decoded, dict) else {"arguments": decoded}


def _outcome(text: str) -> Json:
    """A tool's answer as the object that Google wants: its own, if it is one."""
    try:
        decoded = orjson.loads(text)
    except ValueError:
        decoded = None
    return as_object(decoded) if isinstance(decoded, dict) else {"output": text}
