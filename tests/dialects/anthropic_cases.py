"""Requests, answers and streams of the Messages API: how to make them, how to check them, how to add them up."""

import json
from typing import Any

import orjson
from hypothesis import strategies as st
from modelmesh_core import Dialect, Headers, HttpResponse, Operation, ProviderCall
from modelmesh_core.dialects.anthropic import ANTHROPIC
from modelmesh_core.wire.messages import EventKind, StreamEvent
from modelmesh_core.wire.sse import SSEDecoder

CACHE = {"type": "ephemeral", "ttl": "1h"}


def asked(**more: Any) -> dict[str, Any]:
    """A request of the dialect."""
    return {"model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": "Hi"}], **more}


def turn(*blocks: Any, role: str = "user") -> dict[str, Any]:
    return {"role": role, "content": list(blocks)}


def call_of(body: dict[str, Any], model: str = "claude-sonnet-4-5", **more: Any) -> ProviderCall:
    return ProviderCall(Operation.CHAT, model, body, features=frozenset({"structured_output"}), **more)


def response_of(message: Any) -> HttpResponse:
    return HttpResponse(200, Headers([("content-type", "application/json")]), json.dumps(message).encode())


def chunk(delta: Any = None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta or {}, "finish_reason": finish, **more.pop("choice", {})}
    head = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return {**head, "choices": [choice], **more}


USAGE = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13, "prompt_tokens_details": {"cached_tokens": 2}}
"""Of a chat completion."""


def piece(index, arguments=None, **more):
    function = {"arguments": arguments} if arguments is not None else {}
    return {"tool_calls": [{"index": index, **more, "function": {**function, **more.get("function", {})}}]}


def begun(index, name, arguments=""):
    function = {"name": name, "arguments": arguments}
    return {"tool_calls": [{"index": index, "id": f"call_{name}", "type": "function", "function": function}]}


def written(chunks: list[dict[str, Any]], body: dict[str, Any] | None = None) -> bytes:
    """What a caller gets of ``chunks``, one event each."""
    writer = ANTHROPIC.writer(body or {})
    return b"".join(writer.write([StreamEvent(EventKind.CONTENT, one)]) for one in chunks) + writer.end()


def events_of(data: bytes) -> list[dict[str, Any]]:
    """The events of a stream, each of which is named by its own type."""
    decoder = SSEDecoder()
    found = []
    for name, payload in [*decoder.feed(data), *decoder.finish()]:
        event = json.loads(payload)
        assert name == event["type"]
        found.append(event)
    return found


PIECES = {
    "text_delta": "text",
    "citations_delta": "text",
    "thinking_delta": "thinking",
    "signature_delta": "thinking",
    "input_json_delta": "tool_use",
}


def check_grammar(events: list[dict[str, Any]]) -> None:
    """A whole stream: one start, blocks one after the other without a gap, one delta with the reason, one stop."""
    kinds = [event["type"] for event in events if event["type"] != "ping"]
    assert kinds[0] == "message_start"
    assert kinds[-2:] == ["message_delta", "message_stop"]
    inner = [event for event in events if event["type"] != "ping"][1:-2]
    open_block, following = None, 0
    for event in inner:
        if event["type"] == "content_block_start":
            assert open_block is None
            assert event["index"] == following
            open_block, following = event["content_block"], following + 1
        elif event["type"] == "content_block_delta":
            assert open_block is not None
            assert event["index"] == following - 1
            wanted = PIECES[event["delta"]["type"]]
            assert wanted in open_block["type"]
        else:
            assert event["type"] == "content_block_stop"
            assert open_block is not None
            assert event["index"] == following - 1
            open_block = None
    assert open_block is None
    message = events[0]["message"]
    assert message["content"] == []
    assert message["stop_reason"] is None
    assert {"id", "type", "role", "model", "usage"} <= message.keys()
    assert isinstance(events[-2]["delta"]["stop_reason"], str)


def folded(events: list[dict[str, Any]]) -> dict[str, Any]:
    """The message that a stream adds up to, as Anthropic's own libraries add it up."""
    message = dict(events[0]["message"])
    inputs: dict[int, str] = {}
    for event in events[1:]:
        content = message["content"]
        if event["type"] == "content_block_start":
            content.append(dict(event["content_block"]))
        elif event["type"] == "content_block_delta":
            block, delta = content[event["index"]], event["delta"]
            if delta["type"] == "text_delta":
                block["text"] += delta["text"]
            elif delta["type"] == "thinking_delta":
                block["thinking"] += delta["thinking"]
            elif delta["type"] == "signature_delta":
                block["signature"] = block.get("signature", "") + delta["signature"]
            elif delta["type"] == "citations_delta":
                block["citations"] = [*(block.get("citations") or []), delta["citation"]]
            else:
                inputs[event["index"]] = inputs.get(event["index"], "") + delta["partial_json"]
        elif event["type"] == "message_delta":
            usage = {**message["usage"], **event["usage"]}
            rest = {key: value for key, value in event.items() if key not in ("type", "delta")}
            message |= {**event["delta"], **rest, "usage": usage}
    for index, text in inputs.items():
        try:
            value = json.loads(text or "{}")
        except ValueError:
            value = None
        message["content"][index]["input"] = value if isinstance(value, dict) else {"arguments": text}
    return message


# --- for tests of properties ------------------------------------------------------------------------------------------

words = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12).filter(str.strip)
names = st.text("abcXYZ_-019", min_size=1, max_size=8)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)
objects = st.dictionaries(names, values, max_size=3)
marks = st.just({}) | st.just({"cache_control": CACHE})


def marked(block: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(lambda block, mark: {**block, **mark}, block, marks)


texts = marked(st.fixed_dictionaries({"type": st.just("text"), "text": words}))
_data = st.sampled_from(["AAAA", "aGVsbG8="])
images = marked(
    st.fixed_dictionaries(
        {
            "type": st.just("image"),
            "source": st.one_of(
                st.fixed_dictionaries(
                    {
                        "type": st.just("base64"),
                        "media_type": st.sampled_from(["image/png", "image/webp"]),
                        "data": _data,
                    }
                ),
                st.just({"type": "url", "url": "https://a.example/b.png"}),
                st.just({"type": "file", "file_id": "file_1"}),
            ),
        }
    )
)
documents = marked(
    st.fixed_dictionaries(
        {
            "type": st.just("document"),
            "source": st.one_of(
                st.fixed_dictionaries(
                    {"type": st.just("base64"), "media_type": st.just("application/pdf"), "data": _data}
                ),
                st.fixed_dictionaries({"type": st.just("text"), "media_type": st.just("text/plain"), "data": words}),
                st.just({"type": "url", "url": "https://a.example/b.pdf"}),
                st.just({"type": "file", "file_id": "file_1"}),
                st.just({"type": "content", "content": [{"type": "text", "text": "a"}]}),
            ),
        },
        optional={"title": names, "context": words, "citations": st.just({"enabled": True})},
    )
)
search_results = st.just(
    {"type": "search_result", "source": "s", "title": "t", "content": [{"type": "text", "text": "x"}]}
)
thoughts = st.fixed_dictionaries({"type": st.just("thinking"), "thinking": words, "signature": names})
redacted = st.fixed_dictionaries({"type": st.just("redacted_thinking"), "data": names})
server_tools = st.sampled_from(
    [
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "q"}},
        {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [{"type": "web_search_result"}]},
        {"type": "mcp_tool_use", "id": "m", "name": "n", "server_name": "s", "input": {}},
        {"type": "container_upload", "file_id": "file_1"},
        {"type": "something_new", "value": 1},
    ]
)
_cited = st.sampled_from(
    [
        {"type": "char_location", "cited_text": "x", "document_index": 0, "start_char_index": 0, "end_char_index": 1},
        {"type": "web_search_result_location", "url": "u", "title": "t", "encrypted_index": "e", "cited_text": "c"},
    ]
)
cited_texts = st.builds(lambda text, citations: {**text, "citations": citations}, texts, st.lists(_cited, min_size=1))
_counter = st.integers(0, 10_000)
tool_uses = st.builds(
    lambda number, name, input: {"type": "tool_use", "id": f"toolu_{number}", "name": name, "input": input},
    _counter,
    names,
    objects,
)
answer_blocks = st.lists(
    thoughts | redacted | texts | cited_texts | tool_uses | server_tools, min_size=1, max_size=6, unique_by=str
).filter(lambda blocks: len({b["id"] for b in blocks if "id" in b}) == sum("id" in b for b in blocks))
result_blocks = st.builds(
    lambda number, content, error, mark: {
        "type": "tool_result",
        "tool_use_id": f"toolu_{number}",
        **({"content": content} if content else {}),
        **({} if error is None else {"is_error": error}),
        **mark,
    },
    _counter,
    words | st.lists(texts | images | documents | search_results, min_size=1, max_size=3),
    st.none() | st.booleans(),
    marks,
)
user_turns = st.builds(
    lambda results, said: turn(*results, *said),
    st.lists(result_blocks, max_size=2),
    st.lists(texts | images | documents | search_results | server_tools, min_size=1, max_size=3),
)


def as_event(kind: EventKind, raw: dict[str, Any] | None, chunk: dict[str, Any] | None = None) -> StreamEvent:
    """An event of Anthropic's own, as its connector hands it on to a caller of its dialect."""
    return StreamEvent(
        kind, chunk, raw=orjson.dumps(raw) if raw is not None else None, dialect=Dialect.ANTHROPIC_MESSAGES
    )
