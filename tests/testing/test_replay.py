"""``replay``: a recorded exchange through the connector that would have sent it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from modelmesh_core.testing import Replayed, replay, replay_file

RECORDINGS = Path(__file__).parents[3] / "shared" / "recordings"
USAGE = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13, "prompt_tokens_details": {"cached_tokens": 2}}


def recording(body, *, status=200, url="https://api.groq.com/openai/v1/chat/completions", stream=False, **more):
    return {
        "id": "mine#1",
        "provider": "groq",
        "kind": "chat",
        "stream": stream,
        "model": "m",
        "request": {"method": "POST", "url": url, "headers": {}, "body": "{}"},
        "response": {"status": status, "headers": more.pop("headers", {}), "body": body},
        **more,
    }


def chat(message, finish="stop"):
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    return json.dumps({"id": "c", "choices": [choice], "usage": USAGE})


def test_an_answer_is_told_in_one_shape():
    call = {"id": "1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Ulm"}'}}
    message = {"content": "Let me look.", "reasoning_content": "Hm.", "tool_calls": [call]}
    headers = {"x-ratelimit-remaining-requests": "7", "x-ratelimit-limit-requests": "10"}
    replayed = replay(recording(chat(message, "tool_calls"), headers=headers))
    assert isinstance(replayed, Replayed)
    assert replayed.to_dict() == {
        "id": "mine#1",
        "connector": "groq.api.v1",
        "ok": True,
        "text": "Let me look.",
        "reasoning": "Hm.",
        "tool_calls": [{"name": "weather", "arguments": {"city": "Ulm"}}],
        "finish_reason": "tool_calls",
        "usage": {"input": 7, "output": 4, "cached_input": 2, "cache_write": 0, "reasoning": 0},
        "failure": None,
        "headroom": {"requests": {"limit": 10, "remaining": 7, "reset_after": None}},
        "embeddings": None,
        "error": None,
    }


def test_a_stream_is_folded():
    events = [{"delta": {"content": "Hel"}}, {"delta": {"content": "lo"}}, {"delta": {}, "finish_reason": "stop"}]
    body = "".join(f"data: {json.dumps({'id': 'c', 'choices': [{'index': 0, **event}]})}\n\n" for event in events)
    assert replay(recording(body + "data: [DONE]\n\n", stream=True)).text == "Hello"
    cut = replay(recording(body[:-60], stream=True))
    assert not cut.ok
    assert cut.error


def test_an_understood_error_is_ok_and_tells_its_kind_and_wait():
    body = json.dumps({"error": {"message": "Rate limit reached. Please try again in 1m0.5s.", "code": "x"}})
    replayed = replay(recording(body, status=429)).to_dict()
    assert replayed["ok"]
    assert replayed["failure"] == {"kind": "rate-limit", "retry_after": 60.5}


def test_a_stream_comes_in_the_pieces_that_are_asked_for():
    event = {"id": "c", "choices": [{"index": 0, "delta": {"content": "Hé"}, "finish_reason": "stop"}]}
    line = recording(f"data: {json.dumps(event, ensure_ascii=False)}\n\n", stream=True)
    assert replay(line, cut=lambda body: [bytes([byte]) for byte in body]).text == "Hé"
    assert not replay(line, cut=lambda body: [body[:20]]).ok


def bodies_only(body, **more):
    return {**recording(body, **more), "request": {"method": "", "url": "", "headers": {}, "body": ""}}


def test_events_that_were_kept_without_their_frames_are_framed():
    events = [{"delta": {"content": "Hi"}}, {"delta": {}, "finish_reason": "stop"}]
    lines = [json.dumps({"id": "c", "choices": [{"index": 0, **event}]}) for event in events]
    replayed = replay(bodies_only("\n".join(lines), stream=True))
    assert (replayed.ok, replayed.text, replayed.finish_reason) == (True, "Hi", "stop")


def test_without_an_address_the_answer_says_what_was_asked():
    part = {"type": "output_text", "text": "Hi", "annotations": []}
    message = {"type": "message", "id": "m", "role": "assistant", "content": [part]}
    body = {"id": "r", "object": "response", "status": "completed", "model": "m", "output": [message]}
    replayed = replay(bodies_only(json.dumps(body), provider="openai", kind="images"))
    assert (replayed.ok, replayed.text) == (True, "Hi")


def test_a_stream_that_says_nothing_is_not_ok():
    replayed = replay(recording("nothing that anybody would call an event\n", stream=True))
    assert not replayed.ok
    assert "no event" in replayed.error


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (recording("<html>"), "not JSON"),
        (recording("{}", url="https://api.groq.com/openai/v1/unheard-of"), "no connector"),
        ({**recording("{}"), "request": {"method": "WS/GRPC", "url": ""}}, "no connector"),
        (recording("{}") | {"request": {"method": "GET", "url": recording("")["request"]["url"]}}, "no connector"),
        ({"id": "x"}, "no response"),
        ({"id": "x", "response": {"body": "{}"}}, "no connector"),
    ],
)
def test_what_cannot_be_replayed_says_why(line, told):
    replayed = replay(line)
    assert not replayed.ok
    assert told in replayed.error


def test_embeddings_are_counted():
    body = json.dumps({"data": [{"index": place, "embedding": [0.0] * 5} for place in range(3)], "usage": USAGE})
    line = recording(body, url="https://api.openai.com/v1/embeddings", provider="openai", kind="embeddings")
    assert replay(line).to_dict()["embeddings"] == [3, 5]


def run(*arguments):
    command = [sys.executable, "-m", "modelmesh_core.testing.replay", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_the_command_prints_a_line_an_exchange_and_exits_by_the_outcome(tmp_path):
    file = tmp_path / "cassette.jsonl"
    file.write_text(json.dumps(recording(chat({"content": "Hi"}))) + "\n")
    done = run(file, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["text"] == "Hi"
    file.write_text(file.read_text() + "no JSON\n" + json.dumps(recording("<html>")) + "\n")
    done = run(file, "--json")
    assert done.returncode == 1
    assert [json.loads(line)["ok"] for line in done.stdout.splitlines()] == [True, False, False]
    assert "1 of 3 are ok." in run(file).stdout
    assert run(tmp_path / "nope.jsonl").returncode == 2


def test_the_module_and_the_function_of_that_name_are_both_there():
    import importlib

    importlib.import_module("modelmesh_core.testing.replay")
    from modelmesh_core import testing

    assert testing.replay(recording(chat({"content": "Hi"}))).text == "Hi"
    assert list(replay_file("/dev/null")) == []
