"""Whole answers, against what the recorded bodies say when read plainly."""

import json

import pytest
from modelmesh_core import Dialect, FailureKind, ProviderError, Usage

REASONS = {"end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length", "tool_use": "tool_calls"}


def message(*content, stop="end_turn", **fields):
    usage = {"input_tokens": 3, "output_tokens": 5}
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x", "stop_reason": stop}
    return {**head, "content": list(content), "usage": usage, **fields}


def text(words, **fields):
    return {"type": "text", "text": words, **fields}


def without_defaults(blocks):
    return [{k: v for k, v in b.items() if v not in (None, {"type": "direct"})} for b in blocks]


@pytest.fixture
def reply(provider, play, answer, chat):
    def reply(body, **call):
        return play(provider.execute(chat(**call)), answer(body))[1]

    return reply


def test_recorded_answers_say_what_their_bodies_say(provider, play, chat, replies):
    assert len(replies) >= 45
    for recording in replies:
        raw = json.loads(recording.body)
        got = play(provider.execute(chat()), recording.response)[1]
        choice, blocks = got.body["choices"][0], raw["content"]
        said = choice["message"]

        def of(kind, blocks=blocks):
            return [block for block in blocks if block["type"] == kind]

        assert (said["content"] or "") == "".join(block["text"] for block in of("text")), recording.id
        assert said.get("reasoning_content", "") == "".join(block["thinking"] for block in of("thinking"))
        details = [d for d in said.get("reasoning_details", []) if d["type"] == "reasoning.text"]
        assert [d["signature"] for d in details] == [block["signature"] for block in of("thinking")]
        calls = [
            (c["id"], c["function"]["name"], json.loads(c["function"]["arguments"])) for c in said.get("tool_calls", [])
        ]
        assert calls == [(block["id"], block["name"], block["input"]) for block in of("tool_use")]
        assert choice["finish_reason"] == got.finish_reason == REASONS[raw["stop_reason"]]
        assert choice["native_finish_reason"] == raw["stop_reason"]
        assert (got.body["id"], got.body["model"]) == (raw["id"], raw["model"])
        used = raw["usage"]
        thought = (used.get("output_tokens_details") or {}).get("thinking_tokens", 0)
        assert got.usage == Usage(
            input=used["input_tokens"],
            output=used["output_tokens"] - thought,
            cached_input=used.get("cache_read_input_tokens") or 0,
            cache_write=used.get("cache_creation_input_tokens") or 0,
            reasoning=thought,
        )
        assert got.body["usage"]["total_tokens"] == got.usage.total


def test_what_other_fields_cannot_say_is_kept_and_goes_back_as_it_came(provider, play, chat, replies, sent):
    kept = 0
    for recording in replies:
        blocks = json.loads(recording.body)["content"]
        said = play(provider.execute(chat()), recording.response)[1].body["choices"][0]["message"]
        again = sent(messages=[{"role": "user", "content": "Hi"}, said, {"role": "user", "content": "And?"}])
        back = again["messages"][1]["content"]
        if "anthropic_content" in said:
            kept += 1
            assert said["anthropic_content"] == blocks
        assert without_defaults(back) == without_defaults(b for b in blocks if b.get("text", "x").strip())
    assert kept >= 4


def test_a_message_that_the_caller_edited_is_believed_rather_than_its_verbatim_copy(sent):
    blocks = [text("Searching."), {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {}}]
    for said, expected in (("Searching.", blocks), ("Edited.", [text("Edited.")])):
        turn = {"role": "assistant", "content": said, "anthropic_content": json.dumps(blocks)}
        body = sent(messages=[{"role": "user", "content": "Hi"}, turn, {"role": "user", "content": "And?"}])
        assert body["messages"][1]["content"] == expected


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("end_turn", "stop"), ("max_tokens", "length"), ("stop_sequence", "stop"), ("tool_use", "tool_calls"),
        ("pause_turn", "stop"), ("refusal", "content_filter"), ("model_context_window_exceeded", "length"),
        ("compaction", "stop"), ("something_new", "stop"),
    ],
)  # fmt: skip
def test_every_stop_reason_has_its_finish_reason(reply, reason, expected):
    choice = reply(message(text("x"), stop=reason)).body["choices"][0]
    assert (choice["finish_reason"], choice["native_finish_reason"]) == (expected, reason)


def test_a_refusal_gives_the_vendors_explanation_and_details(reply):
    details = {"type": "refusal", "category": "cyber", "explanation": "Too dangerous."}
    choice = reply(message(stop="refusal", stop_details=details)).body["choices"][0]
    assert choice["message"] == {"role": "assistant", "content": None, "refusal": "Too dangerous."}
    assert choice["stop_details"] == details


def test_citations_become_annotations_at_the_text_they_belong_to(reply):
    web = {
        "type": "web_search_result_location",
        "url": "https://a.example",
        "title": "A",
        "cited_text": "c",
        "encrypted_index": "e",
    }
    page = {
        "type": "page_location",
        "cited_text": "p",
        "document_index": 0,
        "start_page_number": 1,
        "end_page_number": 2,
    }
    body = message(text("One. "), text("Two.", citations=[web]), text(" Three.", citations=[page]))
    said = reply(body).body["choices"][0]["message"]
    assert said["content"] == "One. Two. Three."
    first, second = said["annotations"]
    assert first["type"] == "url_citation"
    assert first["url_citation"] == {
        "url": "https://a.example",
        "title": "A",
        "start_index": 5,
        "end_index": 9,
        "cited_text": "c",
    }
    assert second == {"type": "citation", "citation": page, "start_index": 9, "end_index": 16}
    assert said["anthropic_content"] == body["content"]


def test_usage_counts_caches_thinking_and_what_is_billed_beside_the_total(reply):
    step = {"input_tokens": 100, "output_tokens": 80, "cache_read_input_tokens": 50, "type": "compaction"}
    used = {
        "input_tokens": 7, "output_tokens": 20, "cache_read_input_tokens": 30, "cache_creation_input_tokens": 40,
        "cache_creation": {"ephemeral_5m_input_tokens": 15, "ephemeral_1h_input_tokens": 25},
        "output_tokens_details": {"thinking_tokens": 12}, "server_tool_use": {"web_search_requests": 1},
        "iterations": [{**step, "type": "message"}, step],
    }  # fmt: skip
    got = reply(message(text("x"), usage=used))
    assert got.usage == Usage(input=107, output=88, cached_input=80, cache_write=40, reasoning=12)
    reported = got.body["usage"]
    assert (reported["prompt_tokens"], reported["completion_tokens"], reported["total_tokens"]) == (227, 100, 327)
    assert reported["prompt_tokens_details"] == {"cached_tokens": 80, "cache_write_tokens": 40}
    assert reported["server_tool_use"] == {"web_search_requests": 1}


def test_an_answer_by_the_json_tool_is_text(reply):
    wanted = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object", "properties": {}}}}
    call = {"type": "tool_use", "id": "t", "name": "answer_in_json", "input": {"a": [1]}}
    got = reply(message(call, stop="tool_use"), features=(), response_format=wanted)
    choice = got.body["choices"][0]
    assert choice["message"] == {"role": "assistant", "content": '{"a":[1]}'}
    assert choice["finish_reason"] == "stop"


def test_a_json_answer_of_another_root_is_unwrapped(reply, sent):
    schema = {"type": "array", "items": {"$ref": "#/$defs/n"}, "$defs": {"n": {"type": "integer"}}}
    wanted = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
    tool = sent(features=(), response_format=wanted)["tools"][0]
    assert tool["input_schema"]["properties"]["value"]["type"] == "array"
    assert tool["input_schema"]["$defs"] == schema["$defs"]
    call = {"type": "tool_use", "id": "t", "name": "answer_in_json", "input": {"value": [1, 2]}}
    got = reply(message(call, stop="tool_use"), features=(), response_format=wanted)
    assert got.body["choices"][0]["message"]["content"] == "[1,2]"


def test_a_caller_of_the_dialect_gets_the_vendors_bytes(reply, provider, chat):
    native = {
        "model": "mine",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "Hi"}],
        "stream": True,
        "new": 1,
    }
    got = reply(message(text("x")), native=native)
    assert got.dialect is Dialect.ANTHROPIC_MESSAGES
    assert json.loads(got.raw) == message(text("x"))
    assert got.body["choices"][0]["message"]["content"] == "x"
    request = next(provider.execute(chat(native=native)))
    expected = {key: value for key, value in native.items() if key != "stream"} | {"model": "claude-sonnet-4-5"}
    assert json.loads(request.body) == expected
    assert json.loads(next(provider.execute(chat(native=native, stream=True))).body) == {**expected, "stream": True}
    assert reply(message(text("x"))).raw is None


def test_headroom_comes_from_the_headers(provider, play, answer, chat):
    headers = {
        "anthropic_ratelimit_requests_limit": "50", "anthropic_ratelimit_requests_remaining": "49",
        "anthropic_ratelimit_requests_reset": "1970-01-01T00:01:40Z", "anthropic_ratelimit_input_tokens_limit": "x",
        "anthropic_ratelimit_output_tokens_remaining": "7", "retry_after": "30",
    }  # fmt: skip
    got = play(provider.execute(chat()), answer(message(text("x")), now=90.0, **headers))[1]
    assert set(got.headroom) == {"requests", "output-tokens"}
    requests = got.headroom["requests"]
    assert (requests.limit, requests.remaining, requests.reset_after) == (50, 49, 10.0)


def test_recorded_headers_are_understood(provider, play, chat, replies):
    with_limits = [one for one in replies if "anthropic-ratelimit-tokens-limit" in one.headers]
    assert with_limits
    for recording in with_limits:
        report = play(provider.execute(chat()), recording.response)[1].headroom["tokens"]
        assert report.limit == int(recording.headers["anthropic-ratelimit-tokens-limit"])
        assert report.reset_after is not None


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"content": 3}', b'"x"', b"null"])
def test_a_success_without_a_message_names_what_came(provider, play, answer, chat, body):
    with pytest.raises(ProviderError) as caught:
        play(provider.execute(chat()), answer(body))
    assert caught.value.failure.kind is FailureKind.UNDECODABLE
