"""Recorded answers over the Responses API, read against a plain extraction; and what vendors are sent."""

from typing import Any

import orjson
import pytest
from modelmesh_core import FailureKind, Headers, HttpResponse, Operation, ProviderCall, ProviderError, fold_chunks
from modelmesh_core.dialects.responses.upstream import decode, encode
from modelmesh_core.dialects.responses.upstream_stream import ResponsesStreamDecoder
from modelmesh_core.openai_dialect import failure_of_response, unfold_reply
from modelmesh_core.wire.messages import Dialect, EventKind

from .responses_cases import RESPONSES, check_grammar, cut, events_of, plain, recordings


def answers() -> list[Any]:
    found = [one for one in recordings() if one.status == 200]
    # Some files hold several exchanges, one after the other.
    found = [one for one in found if not one.stream or one.body.count(b'"type":"response.created"') == 1]
    return [one for one in found if (whole := one.whole()).get("object") == "response" and "output" in whole]


def extracted(response: dict[str, Any]) -> dict[str, Any]:
    """What a response says, without any of the code under test."""
    items = response["output"]
    parts = [part for item in items if item["type"] == "message" for part in item["content"]]
    thoughts = [part["text"] for item in items if item["type"] == "reasoning" for part in item.get("summary") or []]
    thoughts += [part["text"] for item in items if item["type"] == "reasoning" for part in item.get("content") or []]
    usage = response["usage"]
    return {
        "text": "".join(part.get("text", "") for part in parts),
        "calls": [(i["call_id"], i["name"], i["arguments"]) for i in items if i["type"] == "function_call"],
        "thoughts": "\n\n".join(thoughts),
        "sealed": [
            item["encrypted_content"]
            for item in items
            if item.get("type") == "reasoning" and item.get("encrypted_content")
        ],
        "urls": [
            note["url"] for part in parts for note in part.get("annotations") or [] if note["type"] == "url_citation"
        ],
        "tokens": (usage["input_tokens"], usage["output_tokens"]),
        "cached": (usage.get("input_tokens_details") or {}).get("cached_tokens", 0),
        "thought_tokens": (usage.get("output_tokens_details") or {}).get("reasoning_tokens", 0),
        "finish": "tool_calls" if any(i["type"] == "function_call" for i in items) else "stop",
        "model": response["model"],
        "id": response["id"],
    }


def said(completion: dict[str, Any]) -> dict[str, Any]:
    choice, usage = completion["choices"][0], completion["usage"]
    message = choice["message"]
    calls = [
        (call["id"], call["function"]["name"], call["function"]["arguments"]) for call in message.get("tool_calls", ())
    ]
    details = message.get("reasoning_details", ())
    notes = message.get("annotations", ())
    return {
        "text": message["content"] or "",
        "calls": calls,
        "thoughts": message.get("reasoning_content", ""),
        "sealed": [one["data"] for one in details if one["type"] == "reasoning.encrypted"],
        "urls": [note["url_citation"]["url"] for note in notes if note["type"] == "url_citation"],
        "tokens": (usage["prompt_tokens"], usage["completion_tokens"]),
        "cached": usage["prompt_tokens_details"]["cached_tokens"],
        "thought_tokens": usage["completion_tokens_details"]["reasoning_tokens"],
        "finish": choice["finish_reason"],
        "model": completion["model"],
        "id": completion["id"],
    }


def test_whole_answers_say_what_was_recorded() -> None:
    seen = 0
    for recording in answers():
        if recording.stream or recording.whole()["status"] != "completed":
            continue
        reply = decode(recording.response, native=True)
        assert said(reply.body) == extracted(recording.whole()), recording.id
        assert reply.raw == recording.body and reply.dialect is Dialect.OPENAI_RESPONSES
        usage = recording.whole()["usage"]
        assert reply.usage is not None and reply.usage.total == usage["input_tokens"] + usage["output_tokens"]
        seen += 1
    assert seen > 60


@pytest.mark.parametrize("seed", range(3))
def test_streams_fold_to_what_was_recorded_wherever_they_are_cut(seed: int) -> None:
    seen = 0
    for recording in answers():
        if not recording.stream:
            continue
        decoder = ResponsesStreamDecoder()
        events = [event for piece in cut(recording.body, seed) for event in decoder.feed(piece)]
        events += decoder.finish()
        assert decoder.skipped == 0
        assert [event.kind for event in events].count(EventKind.FINISH) == 1
        folded = fold_chunks(plain(events))
        wanted = extracted(recording.whole())
        assert said(folded) == wanted, recording.id
        usages = [event.usage for event in events if event.usage is not None]
        assert [(one.total_input, one.total_output) for one in usages] == [wanted["tokens"]]
        seen += 1
    assert seen > 30


def test_streams_and_whole_answers_say_the_same() -> None:
    for recording in answers():
        if recording.stream and b"rs_tmp_" not in recording.body:  # ids that OpenRouter makes anew for each event
            decoder = ResponsesStreamDecoder()
            folded = fold_chunks(plain(decoder.feed(recording.body) + decoder.finish()))
            response = decode(HttpResponse(200, recording.headers, orjson.dumps(recording.whole())))
            mine, whole = folded["choices"][0]["message"], response.body["choices"][0]["message"]
            assert _bare(mine) == _bare(whole), recording.id


def _bare(message: dict[str, Any]) -> dict[str, Any]:
    """A stream begins with an empty content; and some vendors' last event seals its reasoning anew."""
    kept = {key: value for key, value in message.items() if key != "responses_items"}
    details = [{k: v for k, v in one.items() if k != "data"} for one in message.get("reasoning_details", ())]
    return {**kept, "content": kept["content"] or "", "reasoning_details": details}


def test_a_caller_of_the_dialect_gets_every_event_as_it_came() -> None:
    for recording in answers():
        if not recording.stream:
            continue
        decoder, writer = ResponsesStreamDecoder(native=True), RESPONSES.writer({"input": "hi"})
        sent = b"".join(writer.write(list(decoder.feed(piece))) for piece in cut(recording.body, 7))
        sent += writer.write(decoder.finish()) + writer.end()
        came = [line[5:].strip() for line in recording.body.splitlines() if line.startswith(b"data:")]
        out = [line[5:].strip() for line in sent.splitlines() if line.startswith(b"data:")]
        assert out == [line for line in came if line != b"[DONE]"], recording.id


def test_recorded_answers_reach_a_caller_over_another_shape_and_go_back_as_they_were() -> None:
    """Vendor → chat completion → caller's response → the next request: nothing that the model needs is lost."""
    for recording in answers():
        if recording.whole()["status"] != "completed" or b"rs_tmp_" in recording.body:
            continue
        if recording.stream:
            decoder, writer = ResponsesStreamDecoder(), RESPONSES.writer({"input": "hi"})
            events = decoder.feed(recording.body) + decoder.finish()
            response = check_grammar(events_of(writer.write(events) + writer.end()))
        else:
            response = RESPONSES.from_chat(decode(recording.response).body, {"input": "hi"})
        assert extracted(response) | {"id": "", "urls": []} == extracted(recording.whole()) | {"id": "", "urls": []}
        chat = RESPONSES.to_chat({"input": [*response["output"], {"role": "user", "content": "go on"}]})
        call = ProviderCall(Operation.CHAT, "m", chat, dialect=Dialect.OPENAI_RESPONSES)
        sent = [item for item in encode(call)["input"] if item.get("type") == "reasoning"]
        wanted = [item for item in recording.whole()["output"] if item["type"] == "reasoning"]
        keys = ("id", "summary", "encrypted_content", "content")
        assert [[item.get(key) or None for key in keys] for item in sent] == [
            [item.get(key) or None for key in keys] for item in wanted
        ], recording.id


def test_errors_that_were_recorded_have_their_kind() -> None:
    found = {(one.status, failure_of_response(one.response).kind) for one in recordings() if one.status >= 400}
    assert (401, FailureKind.AUTHENTICATION) in found
    assert (400, FailureKind.INVALID_REQUEST) in found and (400, FailureKind.CONTEXT_LENGTH) in found


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (
            b'{"object":"response","status":"failed","error":{"code":"rate_limit_exceeded","message":"slow"}}',
            "rate-limit",
        ),
        (
            b'{"object":"response","status":"failed","error":{"code":"server_error","message":"oh"},"output":[]}',
            "server",
        ),
        (b'{"object":"response","status":"queued","output":[]}', "undecodable"),
        (b'{"object":"list","data":[]}', "undecodable"),
        (b"[]", "undecodable"),
    ],
)
def test_a_body_that_is_no_answer_raises(body: bytes, kind: str) -> None:
    with pytest.raises(ProviderError) as raised:
        decode(HttpResponse(200, Headers(), body))
    assert raised.value.failure.kind == kind


@pytest.mark.parametrize(
    "event",
    [
        b'event: error\ndata: {"type":"error","code":"rate_limit_exceeded","message":"slow down","param":null}\n\n',
        b'data: {"type":"error","error":{"type":"rate_limit_error","code":"rate_limit_exceeded","message":"x"}}\n\n',
        b'data: {"type":"response.failed","response":{"status":"failed","error":{"code":"rate_limit_exceeded"}}}\n\n',
    ],
)
def test_an_error_inside_a_stream_is_an_error(event: bytes) -> None:
    [found] = ResponsesStreamDecoder().feed(event)
    assert found.kind is EventKind.ERROR and found.error is not None
    assert found.error.failure.kind is FailureKind.RATE_LIMIT


def test_an_incomplete_answer_says_why() -> None:
    response = b'{"status":"incomplete","output":[],"incomplete_details":{"reason":"%s"}}'
    data = b'data: {"type":"response.incomplete","response":' + response + b"}\n\n"
    for native, reason in ((b"max_output_tokens", "length"), (b"content_filter", "content_filter")):
        [found] = ResponsesStreamDecoder().feed(data % native)
        assert found.finish_reason == reason and found.chunk is not None
        assert found.chunk["choices"][0]["native_finish_reason"] == native.decode()


def test_a_line_that_is_no_json_is_skipped_and_counted() -> None:
    decoder = ResponsesStreamDecoder()
    assert decoder.feed(b'data: {"type":\n\ndata: 7\n\n') == []
    assert decoder.skipped == 2


def test_a_chat_callers_answer_is_not_kept_and_reasoning_comes_sealed() -> None:
    body = {"messages": [{"role": "user", "content": "hi"}], "stop": ["x"], "max_tokens": 5, "n": 1, "seed": None}
    call = ProviderCall(Operation.CHAT, "m", body, features=frozenset({"reasoning"}), stream=True)
    made = encode(call)
    assert made == {
        "model": "m",
        "input": [{"role": "user", "content": "hi"}],
        "max_output_tokens": 5,
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "stream": True,
    }
    assert call.dropped == ["stop"]


def test_a_caller_of_the_dialect_is_passed_through_but_for_what_only_the_mesh_knows() -> None:
    thought = {"format": "anthropic-v1", "type": "reasoning.text", "text": "hm", "signature": "s", "index": 0}
    message = {"role": "assistant", "content": "Yes", "reasoning_content": "hm", "reasoning_details": [thought]}
    reply = {"id": "x", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    output = RESPONSES.from_chat(reply, {})["output"]
    native = {"model": "pool", "input": output, "store": True, "unheard_of": 1}
    chat = RESPONSES.to_chat(native)
    call = ProviderCall(Operation.CHAT, "gpt", chat, native=native, dialect=Dialect.OPENAI_RESPONSES)
    assert encode(call) == {"model": "gpt", "input": [output[1]], "store": True, "unheard_of": 1}
    assert unfold_reply(reply)["choices"][0]["delta"]["reasoning_details"] == chat["messages"][0]["reasoning_details"]


def test_answers_of_wrong_types_raise_provider_errors_only() -> None:
    """Every value of recorded answers, replaced by one of another type."""
    wrong: tuple[Any, ...] = (None, 7, "x", [], {}, [[]], {"type": []}, True)
    known = [one for one in answers() if not one.stream][::12]
    for turn, recording in enumerate(known):
        for count, place in enumerate(places(recording.whole())):
            body = replaced(recording.whole(), place, wrong[(count + turn) % len(wrong)])
            try:
                reply = decode(HttpResponse(200, Headers(), orjson.dumps(body)))
            except ProviderError:
                continue
            RESPONSES.from_chat(reply.body, {"input": "x"})


def test_streams_of_wrong_types_break_nothing() -> None:
    wrong: tuple[Any, ...] = (None, 7, "x", [], {}, [[]], {"type": []}, True)
    for recording in [one for one in answers() if one.stream and len(one.body) < 12000][::4]:
        for turn, value in enumerate(wrong):
            decoder, writer = ResponsesStreamDecoder(), RESPONSES.writer({"input": "x"})
            for count, event in enumerate(recording.events()):
                found = places(event)[1:]
                event = replaced(event, found[(count * 7 + turn * 3) % len(found)], value)
                writer.write(decoder.feed(b"data: " + orjson.dumps(event) + b"\n\n"))
            writer.end()


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all values in a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, item in inner for found in places(item, (*path, key)))]


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """``value`` with another one at ``path``."""
    if not path:
        return new
    copied = dict(value) if isinstance(value, dict) else list(value)
    copied[path[0]] = replaced(value[path[0]], path[1:], new)
    return copied
