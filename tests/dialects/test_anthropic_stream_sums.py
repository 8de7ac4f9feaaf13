"""Streams of any answer: their events in order, and what they add up to."""

import json

from hypothesis import given
from hypothesis import strategies as st
from modelmesh_core.dialects.anthropic import ANTHROPIC
from modelmesh_core.openai_dialect import fold_chunks
from modelmesh_core.openai_dialect.folding import unfold_reply

from .anthropic_cases import (
    USAGE,
    begun,
    check_grammar,
    chunk,
    events_of,
    folded,
    names,
    objects,
    piece,
    words,
    written,
)

details = st.one_of(
    st.fixed_dictionaries(
        {
            "type": st.just("reasoning.text"),
            "text": words,
            "format": st.sampled_from(["anthropic-v1", "google-gemini-v1"]),
        },
        optional={"signature": names},
    ),
    st.fixed_dictionaries(
        {"type": st.just("reasoning.summary"), "summary": words, "format": st.just("x"), "id": names}
    ),
    st.fixed_dictionaries(
        {"type": st.just("reasoning.encrypted"), "data": names, "format": st.sampled_from(["anthropic-v1", "x"])}
    ),
)


def numbered(items):
    return [{**item, "index": index} for index, item in enumerate(items)]


def calls(items):
    return [
        {
            "id": f"call_{index}",
            "type": "function",
            "function": {"name": name, "arguments": json.dumps(arguments)},
            **({"extra_content": mark} if mark else {}),
        }
        for index, (name, arguments, mark) in enumerate(items)
    ]


messages = st.fixed_dictionaries(
    {"role": st.just("assistant"), "content": st.none() | words},
    optional={
        "reasoning_details": st.lists(details, min_size=1, max_size=4).map(numbered),
        "reasoning_content": words,
        "annotations": st.lists(
            st.fixed_dictionaries(
                {"type": st.just("url_citation"), "url_citation": st.just({"url": "u", "title": "t", "end_index": 3})}
            ),
            min_size=1,
            max_size=2,
        ),
        "refusal": words,
        "images": st.just([{"type": "image_url", "image_url": {"url": "https://a.example"}}]),
        "tool_calls": st.lists(st.tuples(names, objects, st.none() | objects), min_size=1, max_size=3).map(calls),
    },
).filter(lambda message: message["content"] or not message.get("annotations"))  # a citation of nothing has no place


def cut(text, at):
    return [part for part in (text[:at], text[at:]) if part]


def chunks_of(message, at):
    """``message`` as deltas, whose texts are cut in two."""
    plain = message.get("reasoning_content") if not message.get("reasoning_details") else None
    for text in cut(plain or "", at):
        yield {"reasoning_content": text}
    for detail in message.get("reasoning_details", ()):
        key = {"reasoning.text": "text", "reasoning.summary": "summary"}.get(detail["type"], "data")
        parts = cut(detail[key], at) if detail["type"] != "reasoning.encrypted" else [detail[key]]
        rest = {name: value for name, value in detail.items() if name not in (key, "signature")}
        yield from ({"reasoning_details": [{**rest, key: text}]} for text in parts)
        if "signature" in detail:
            yield {"reasoning_details": [{**rest, key: "", "signature": detail["signature"]}]}
    for key in ("content", "refusal"):
        yield from ({key: text} for text in cut(message.get(key) or "", at))
    for key in ("annotations", "images"):
        if key in message:
            yield {key: message[key]}
    for index, call in enumerate(message.get("tool_calls", ())):
        function = call["function"]
        yield {"tool_calls": [{**call, "index": index, "function": {"name": function["name"], "arguments": ""}}]}
        for text in cut(function["arguments"], at):
            yield {"tool_calls": [{"index": index, "function": {"arguments": text}}]}


@given(messages, st.integers(0, 6), st.sampled_from(["stop", "length", "tool_calls", "content_filter"]))
def test_a_stream_adds_up_to_the_whole_answer(message, at, finish):
    stream = [*map(chunk, chunks_of(message, at)), chunk({}, finish), {**chunk(), "choices": [], "usage": USAGE}]

    events = events_of(written(stream))

    check_grammar(events)
    whole = ANTHROPIC.from_chat(fold_chunks(stream), {})
    assert one_text(folded(events)) == one_text(whole)
    at_once = events_of(written([unfold_reply(fold_chunks(stream))]))
    check_grammar(at_once)
    assert one_text(folded(at_once)) == one_text(whole)


def one_text(message):
    """``message`` with neighbouring texts as one: a refusal grows the text that it follows, in a stream."""
    blocks = []
    for block in message["content"]:
        if blocks and block["type"] == blocks[-1]["type"] == "text":
            last = blocks[-1]
            cited = [*(last.get("citations") or ()), *(block.get("citations") or ())]
            blocks[-1] = {"type": "text", "text": last["text"] + block["text"]}
            blocks[-1] |= {"citations": cited} if cited else {}
        else:
            blocks.append(block)
    return {**message, "content": blocks}


_deltas = st.sampled_from(
    [
        {"content": "a"},
        {"reasoning_content": "b"},
        {"refusal": "c"},
        {"reasoning_details": [{"type": "reasoning.text", "text": "d", "index": 0, "format": "anthropic-v1"}]},
        {"reasoning_details": [{"type": "reasoning.encrypted", "data": "e", "index": 1, "format": "x"}]},
        {"annotations": [{"type": "url_citation", "url_citation": {"url": "u"}}]},
        {"images": [{"type": "image_url", "image_url": {"url": "https://a.example"}}]},
        begun(0, "f", '{"a": '),
        piece(0, "1}"),
        begun(1, "g", "{}"),
        begun(2, "h", ""),
        {"anthropic_content": [{"type": "server_tool_use", "id": "s", "name": "n", "input": {}}]},
    ]
)


@given(st.lists(_deltas, max_size=12))
def test_in_whatever_order_things_come_the_events_are_in_theirs(deltas):
    events = events_of(written([*map(chunk, deltas), chunk({}, "stop")]))

    check_grammar(events)
    blocks = folded(events)["content"]
    said = "".join(delta.get("content") or delta.get("refusal") or "" for delta in deltas)
    assert sorted("".join(block["text"] for block in blocks if block["type"] == "text")) == sorted(said)
    assert {block["id"] for block in blocks if block["type"] == "tool_use"} >= {
        call["id"] for delta in deltas for call in delta.get("tool_calls", ()) if "id" in call
    }
