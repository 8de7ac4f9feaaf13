"""Recorded exchanges with Anthropic: asked as recorded, through the mesh's shape, and back."""

import json
import random
import re
from typing import Any

import orjson
import pytest
from modelmesh_anthropic.messages import EncodedCall, MessageStreamDecoder, decode, encode
from modelmesh_core.dialects.anthropic import ANTHROPIC
from modelmesh_core.openai_dialect import OpenAIStreamDecoder, fold_chunks

from .anthropic_cases import call_of, check_grammar, events_of, folded, response_of

DAMAGED = ("test_anthropic_web_fetch_tool.yaml#1", "test_anthropic_web_fetch_tool_stream.yaml#0")
"""They hold an escape that no JSON has: the first in its request, the second in its answer."""


@pytest.fixture(scope="module")
def rows(recorded) -> list[dict[str, Any]]:
    found = [row for row in recorded("anthropic") if row["kind"] == "chat"]
    assert len(found) > 60
    return [row for row in found if not row["id"].endswith(DAMAGED) and row["response"].get("status") in (200, None)]


def as_json(value: Any) -> Any:
    return json.loads(value or "null") if isinstance(value, str) else value


def events_in(row: dict[str, Any]) -> list[dict[str, Any]]:
    lines = row["response"]["body"].split("\n")
    named = [line[5:] for line in lines if line.startswith("data:")]
    return [json.loads(line) for line in named or lines if line.strip()]


def sse(events: list[dict[str, Any]]) -> bytes:
    return b"".join(b"event: %b\ndata: %b\n\n" % (one["type"].encode(), orjson.dumps(one)) for one in events)


def tidy(value: Any) -> Any:
    """``value`` without fields that say nothing, and neighbouring plain texts as one."""
    if isinstance(value, dict):
        return {key: tidy(one) for key, one in value.items() if one is not None and key != "caller"}
    if not isinstance(value, list):
        return value
    items: list[Any] = []
    for one in map(tidy, value):
        texts = [item for item in (one, *items[-1:]) if isinstance(item, dict) and item.keys() == {"type", "text"}]
        if len(texts) == 2:
            items[-1] = {**items[-1], "text": items[-1]["text"] + one["text"]}
        elif not (isinstance(one, dict) and one.get("type") == "text" and not one.get("text")):
            items.append(one)
    return items


def plain(turns: list[Any]) -> list[Any]:
    """Turns with every text as a block, neighbours of one role as one, and no white space at the very end."""
    joined: list[Any] = []
    for turn in turns:
        if turn["role"] == "system":  # the connector knows one place for it
            continue
        content = turn["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        for block in blocks:
            if block["type"] == "tool_result" and isinstance(block.get("content"), str):
                block["content"] = [{"type": "text", "text": block["content"]}] if block["content"] else None
        if joined and joined[-1]["role"] == turn["role"]:
            joined[-1]["content"] = [*joined[-1]["content"], *blocks]
        else:
            joined.append({"role": turn["role"], "content": blocks})
    return [{**turn, "content": tidy(turn["content"])} for turn in joined]


def test_recorded_requests_come_back_through_the_vendors_connector(rows):
    seen = 0
    for row in rows:
        body = as_json(row["request"].get("body"))
        if not body or "max_tokens" not in body:
            continue
        seen += 1
        made = encode(call_of(ANTHROPIC.to_chat(body), body["model"])).body
        assert plain(made["messages"]) == plain(body["messages"]), row["id"]
        names = {tool["name"] for tool in body.get("tools", ()) if "name" in tool}
        assert {tool["name"] for tool in made.get("tools", ()) if "name" in tool} >= names, row["id"]
        same = ("max_tokens", "thinking", "metadata", "stop_sequences", "cache_control", "mcp_servers", "container")
        assert {key: made.get(key) for key in same} == {key: body.get(key) for key in same}, row["id"]
    assert seen > 40


def test_recorded_answers_come_back(rows):
    seen = 0
    for row in rows:
        if row["stream"]:
            continue
        seen += 1
        message = as_json(row["response"]["body"])
        body = as_json(row["request"].get("body")) or {}
        reply = decode(response_of(message), EncodedCall({}))
        assert tidy(ANTHROPIC.from_chat(reply.body, body)) == tidy(with_totals(message)), row["id"]
    assert seen > 40


def with_totals(message: dict[str, Any]) -> dict[str, Any]:
    """Counts that a message left out are zero."""
    zeros = dict.fromkeys(("cache_creation_input_tokens", "cache_read_input_tokens"), 0)
    return {**message, "usage": {**zeros, **{key: one for key, one in message["usage"].items() if one is not None}}}


def test_recorded_streams_go_on_as_they_came(rows):
    generator = random.Random(7)
    for row in rows:
        if not row["stream"] or "duplicate-message-start" in row["id"]:
            continue
        events = events_in(row)
        decoder = MessageStreamDecoder(EncodedCall({}, native=True))
        writer, data, out = ANTHROPIC.writer({}), sse(events), b""
        while data:
            size = generator.randint(1, 400)
            out += writer.write(list(decoder.feed(data[:size])))
            data = data[size:]
        assert events_of(out) == events, row["id"]
        assert writer.end() == b"", row["id"]


def test_recorded_streams_are_whole_in_translation(rows):
    """As from a way to Claude that hands no events on."""
    for row in rows:
        if not row["stream"]:
            continue
        decoder = MessageStreamDecoder(EncodedCall({}))
        events = [*decoder.feed(sse(events_in(row))), *decoder.finish()]
        writer = ANTHROPIC.writer({})
        written = events_of(b"".join(writer.write([event]) for event in events) + writer.end())
        check_grammar(written)
        message = folded(written)
        whole = ANTHROPIC.from_chat(fold_chunks([event.chunk for event in events if event.chunk]), {})
        assert said(message) == said(whole), row["id"]
        assert message["usage"] == whole["usage"], row["id"]
        assert message["stop_reason"] == whole["stop_reason"], row["id"]


def said(message: dict[str, Any]) -> Any:
    """What a message says, whatever the order of its blocks."""
    blocks = message["content"]
    texts = ["".join(block.get(key) or "" for block in blocks) for key in ("text", "thinking")]
    calls = [(block["id"], block["name"], block["input"]) for block in blocks if block["type"] == "tool_use"]
    others = [
        {key: value for key, value in block.items() if key != "input"}
        for block in blocks
        if block["type"] not in ("text", "thinking", "redacted_thinking", "tool_use")
    ]
    return texts, calls, others


def test_recorded_streams_of_other_vendors_are_whole_messages(recorded):
    seen = 0
    providers = ("openai", "deepseek", "groq", "openrouter", "xai", "together", "cerebras", "localhost")
    for row in recorded(*providers):
        url, text = (row.get("request") or {}).get("url") or "", row["response"].get("body")
        if not row["stream"] or row["response"].get("status") != 200 or not isinstance(text, str):
            continue
        if not re.search(r"/chat/completions", url) or not text.lstrip().startswith(("data:", ":", "event:")):
            continue
        decoder = OpenAIStreamDecoder()
        events = [one for one in [*decoder.feed(text.encode()), *decoder.finish()] if one.chunk is not None]
        writer = ANTHROPIC.writer({})
        out = events_of(b"".join(writer.write([event]) for event in events) + writer.end())
        check_grammar(out)
        seen += 1
        whole = ANTHROPIC.from_chat(fold_chunks([event.chunk for event in events]), {})
        assert said(folded(out)) == said(whole), row["id"]
        assert folded(out)["usage"] == whole["usage"], row["id"]
    assert seen > 20


def test_recorded_errors_are_told_in_the_same_words(recorded):
    seen = 0
    for row in recorded("anthropic"):
        status = row["response"].get("status")
        if row["kind"] != "chat" or status in (200, None):
            continue
        seen += 1
        body = as_json(row["response"]["body"])
        assert ANTHROPIC.error(status, body["error"], body["request_id"]) == body, row["id"]
    assert seen > 2
