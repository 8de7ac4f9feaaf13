"""Vendors' dialects, spoken by hand: answers and streams for servers on loopback. No connector has a part in it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from struct import pack
from typing import Any
from zlib import crc32

import attrs

Json = dict[str, Any]
Event = tuple[str, Json]
"""The event's name, where the dialect has names, and its body."""


def sse(events: Sequence[Event]) -> bytes:
    return b"".join(
        (f"event: {name}\n" if name else "").encode() + b"data: " + json.dumps(body).encode() + b"\n\n"
        for name, body in events
    )


def lines(events: Sequence[Event]) -> bytes:
    return b"".join(json.dumps(body).encode() + b"\n" for _, body in events)


def event_stream(events: Sequence[Event]) -> bytes:
    """Amazon's binary framing. A name that ends with Exception is one."""
    return b"".join(message(name, json.dumps(body).encode()) for name, body in events)


def message(name: str, payload: bytes) -> bytes:
    """One message of an event stream, of whatever bytes."""
    kind = "exception" if name.endswith("Exception") else "event"
    named = {":message-type": kind, f":{kind}-type": name, ":content-type": "application/json"}
    head = b"".join(
        bytes([len(key)]) + key.encode() + b"\x07" + pack(">H", len(value)) + value.encode()
        for key, value in named.items()
    )
    prelude = pack(">II", 16 + len(head) + len(payload), len(head))
    whole = prelude + pack(">I", crc32(prelude)) + head + payload
    return whole + pack(">I", crc32(whole))


@attrs.frozen
class Vendor:
    """One dialect: how it says ``fine``, a call of ``look_up``, an error, and something nobody has heard of."""

    name: str
    connector: str
    said: Callable[[str], Json]
    """A whole answer of one text."""
    called: Callable[..., Json]
    """A whole answer that is one call, with these arguments (as text where the dialect has them as text), and of this
    tool."""
    saying: Callable[..., list[Event]]
    """The same as a stream: what comes before the text, each piece of the text, and the end."""
    calling: Callable[..., list[Event]]
    error: Json
    """In place of an answer, under a 200."""
    error_event: Event
    unknown: Event
    frame: Callable[[Sequence[Event]], bytes] = sse
    stream_type: str = "text/event-stream"
    options: Json = attrs.field(factory=dict)
    path: str = ""
    """Of the base URL."""

    def configuration(self, origin: str, **pool: Any) -> Json:
        """A mesh of one model, ``vendor.model``, at this vendor's address."""
        key = {} if "access_key_id" in self.options else {"api_key": "k"}
        address = {"connector": self.connector, "base_url": origin + self.path, **key, **self.options}
        model = {
            "provider": "vendor",
            "capabilities": ["chat-completion"],
            "features": ["tool_calling", "system_prompt", "structured_output", "json_mode", "vision"],
        }
        return {
            "providers": {"vendor": {**address, "timeout": {"connect": 5.0, "first_byte": 10.0, "idle": 10.0}}},
            "models": {"vendor.model": model},
            "pools": {"chat": {"capability": "chat-completion", "retry": {"max_attempts": 1}, **pool}},
        }


# --- OpenAI ----------------------------------------------------------------------------------------------------------

_USAGE = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}


def _completion(said: Json, reason: str) -> Json:
    choice = {"index": 0, "message": {"role": "assistant", **said}, "finish_reason": reason}
    head = {"id": "c", "object": "chat.completion", "created": 1, "model": "m"}
    return {**head, "choices": [choice], "usage": _USAGE}


def _chunk(delta: Json, reason: str | None = None) -> Event:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return "", {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}


def _call(arguments: str, name: str = "look_up") -> Json:
    return {"id": "call_1", "type": "function", "function": {"name": name, "arguments": arguments}}


_OPENAI_COUNTS: Event = ("", {**_chunk({})[1], "choices": [], "usage": _USAGE})
OPENAI = Vendor(
    "openai",
    "openai.llm.v1",
    lambda text: _completion({"content": text}, "stop"),
    lambda arguments, *name: _completion({"content": None, "tool_calls": [_call(arguments, *name)]}, "tool_calls"),
    lambda *texts: [
        _chunk({"role": "assistant", "content": ""}),
        *(_chunk({"content": text}) for text in texts),
        _chunk({}, "stop"),
        _OPENAI_COUNTS,
    ],
    lambda arguments, *name: [
        _chunk({"role": "assistant", "content": None}),
        _chunk({"tool_calls": [{"index": 0, **_call(arguments, *name)}]}),
        _chunk({}, "tool_calls"),
        _OPENAI_COUNTS,
    ],
    {"error": {"message": "It broke.", "type": "server_error", "param": None, "code": None}},
    ("", {"error": {"message": "It broke.", "type": "server_error", "param": None, "code": None}}),
    ("brand.new", {"object": "brand.new", "whatever": [1]}),
    path="/v1",
)

# --- Anthropic -------------------------------------------------------------------------------------------------------


def _message(block: Json, reason: str) -> Json:
    return {**_HEAD, "content": [block], "stop_reason": reason, "usage": {"input_tokens": 5, "output_tokens": 2}}


_HEAD: Json = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_sequence": None}


def _typed(kind: str, **body: Any) -> Event:
    return kind, {"type": kind, **body}


def _block(start: Json, reason: str, *deltas: Json) -> list[Event]:
    empty = {**_HEAD, "content": [], "stop_reason": None, "usage": {"input_tokens": 5, "output_tokens": 1}}
    return [
        _typed("message_start", message=empty),
        _typed("content_block_start", index=0, content_block=start),
        *(_typed("content_block_delta", index=0, delta=delta) for delta in deltas),
        _typed("content_block_stop", index=0),
        _typed("message_delta", delta={"stop_reason": reason, "stop_sequence": None}, usage={"output_tokens": 2}),
        _typed("message_stop"),
    ]


_ANTHROPIC_ERROR = {"type": "error", "error": {"type": "overloaded_error", "message": "It broke."}}


def _use(name: str = "look_up") -> Json:
    return {"type": "tool_use", "id": "toolu_1", "name": name}


ANTHROPIC = Vendor(
    "anthropic",
    "anthropic.claude.v1",
    lambda text: _message({"type": "text", "text": text}, "end_turn"),
    lambda arguments, *name: _message({**_use(*name), "input": _object_of(arguments)}, "tool_use"),
    lambda *texts: _block(
        {"type": "text", "text": ""}, "end_turn", *({"type": "text_delta", "text": text} for text in texts)
    ),
    lambda arguments, *name: _block(
        {**_use(*name), "input": {}}, "tool_use", {"type": "input_json_delta", "partial_json": arguments}
    ),
    _ANTHROPIC_ERROR,
    ("error", _ANTHROPIC_ERROR),
    ("brand_new", {"type": "brand_new", "whatever": [1]}),
)


def _object_of(arguments: str) -> Any:
    """Arguments for dialects that have them as an object: as text where they are no JSON."""
    try:
        return json.loads(arguments)
    except ValueError:
        return arguments


# --- Gemini ----------------------------------------------------------------------------------------------------------


def _candidate(part: Json, reason: str | None = None) -> Json:
    candidate = {"content": {"role": "model", "parts": [part]}, "index": 0}
    ending = {"finishReason": reason} if reason else {}
    usage = {"promptTokenCount": 5, "candidatesTokenCount": 2, "totalTokenCount": 7}
    return {"candidates": [{**candidate, **ending}], "usageMetadata": usage, "modelVersion": "m", "responseId": "r"}


def _function(arguments: str, name: str = "look_up") -> Json:
    return {"functionCall": {"name": name, "args": _object_of(arguments)}}


_GOOGLE_ERROR = {"error": {"code": 503, "message": "It broke.", "status": "UNAVAILABLE"}}
GEMINI = Vendor(
    "gemini",
    "google.gemini.v1",
    lambda text: _candidate({"text": text}, "STOP"),
    lambda arguments, *name: _candidate(_function(arguments, *name), "STOP"),
    lambda *texts: [
        *(("", _candidate({"text": text})) for text in ("", *texts)),
        ("", _candidate({"text": ""}, "STOP")),
    ],
    lambda arguments, *name: [
        ("", _candidate({"text": ""})),
        ("", _candidate(_function(arguments, *name))),
        ("", _candidate({"text": ""}, "STOP")),
    ],
    _GOOGLE_ERROR,
    ("", _GOOGLE_ERROR),
    ("", {"brandNew": {"whatever": [1]}}),
)

# --- Bedrock ---------------------------------------------------------------------------------------------------------


def _converse(block: Json, reason: str) -> Json:
    usage = {"inputTokens": 5, "outputTokens": 2, "totalTokens": 7}
    return {"output": {"message": {"role": "assistant", "content": [block]}}, "stopReason": reason, "usage": usage}


def _conversing(start: Json, reason: str, *deltas: Json) -> list[Event]:
    usage = {"inputTokens": 5, "outputTokens": 2, "totalTokens": 7}
    return [
        ("messageStart", {"role": "assistant"}),
        *([("contentBlockStart", {"contentBlockIndex": 0, "start": start})] if start else []),
        *(("contentBlockDelta", {"contentBlockIndex": 0, "delta": delta}) for delta in deltas),
        ("contentBlockStop", {"contentBlockIndex": 0}),
        ("messageStop", {"stopReason": reason}),
        ("metadata", {"usage": usage, "metrics": {"latencyMs": 1}}),
    ]


def _tool_use(name: str = "look_up") -> Json:
    return {"toolUseId": "t1", "name": name}


BEDROCK = Vendor(
    "bedrock",
    "aws.bedrock.v1",
    lambda text: _converse({"text": text}, "end_turn"),
    lambda arguments, *name: _converse({"toolUse": {**_tool_use(*name), "input": _object_of(arguments)}}, "tool_use"),
    lambda *texts: _conversing({}, "end_turn", *({"text": text} for text in texts)),
    lambda arguments, *name: _conversing({"toolUse": _tool_use(*name)}, "tool_use", {"toolUse": {"input": arguments}}),
    {"message": "It broke."},
    ("internalServerException", {"message": "It broke."}),
    ("brandNew", {"whatever": [1]}),
    frame=event_stream,
    stream_type="application/vnd.amazon.eventstream",
    options={"access_key_id": "AKID", "secret_access_key": "secret", "region": "eu-west-1"},
)

# --- Cohere ----------------------------------------------------------------------------------------------------------


def _answered(said: Json, reason: str) -> Json:
    return {"id": "i", "finish_reason": reason, "message": {"role": "assistant", **said}, "usage": _BILLED}


_BILLED = {"billed_units": {"input_tokens": 5, "output_tokens": 2}, "tokens": {"input_tokens": 5, "output_tokens": 2}}


def _plain(kind: str, **body: Any) -> Event:
    return "", {"type": kind, **body}


def _cohere_end(reason: str, **more: Any) -> Event:
    return _plain("message-end", delta={"finish_reason": reason, "usage": _BILLED, **more})


COHERE = Vendor(
    "cohere",
    "cohere.nlp.v1",
    lambda text: _answered({"content": [{"type": "text", "text": text}]}, "COMPLETE"),
    lambda arguments, *name: _answered({"tool_calls": [_call(arguments, *name)]}, "TOOL_CALL"),
    lambda *texts: [
        _plain("message-start", id="i", delta={"message": {"role": "assistant", "content": []}}),
        _plain("content-start", index=0, delta={"message": {"content": {"type": "text", "text": ""}}}),
        *(_plain("content-delta", index=0, delta={"message": {"content": {"text": text}}}) for text in texts),
        _plain("content-end", index=0),
        _cohere_end("COMPLETE"),
    ],
    lambda arguments, *name: [
        _plain("message-start", id="i", delta={"message": {"role": "assistant", "content": []}}),
        _plain("tool-call-start", index=0, delta={"message": {"tool_calls": _call("", *name)}}),
        _plain("tool-call-delta", index=0, delta={"message": {"tool_calls": {"function": {"arguments": arguments}}}}),
        _plain("tool-call-end", index=0),
        _cohere_end("TOOL_CALL"),
    ],
    {"id": "i", "message": "It broke."},
    _cohere_end("ERROR", error="It broke."),
    ("", {"type": "brand-new", "whatever": [1]}),
)

# --- Ollama ----------------------------------------------------------------------------------------------------------


def _line(said: Json, *, done: bool = False) -> Json:
    head = {"model": "m", "created_at": "2026-01-01T00:00:00Z", "message": {"role": "assistant", "content": "", **said}}
    counts = {"done_reason": "stop", "prompt_eval_count": 5, "eval_count": 2} if done else {}
    return {**head, "done": done, **counts}


def _ollama_call(arguments: str, name: str = "look_up") -> Json:
    return {"tool_calls": [{"function": {"name": name, "arguments": _object_of(arguments)}}]}


OLLAMA = Vendor(
    "ollama",
    "ollama.native.v1",
    lambda text: _line({"content": text}, done=True),
    lambda arguments, *name: _line(_ollama_call(arguments, *name), done=True),
    lambda *texts: [("", _line({"content": text})) for text in ("", *texts)] + [("", _line({}, done=True))],
    lambda arguments, *name: [
        ("", _line({})),
        ("", _line(_ollama_call(arguments, *name))),
        ("", _line({}, done=True)),
    ],
    {"error": "It broke."},
    ("", {"error": "It broke."}),
    ("", {"brand_new": [1]}),
    frame=lines,
    stream_type="application/x-ndjson",
)

VENDORS = {vendor.name: vendor for vendor in (OPENAI, ANTHROPIC, GEMINI, BEDROCK, COHERE, OLLAMA)}
