"""``modelmesh chat``."""

from __future__ import annotations

import io
import os
import pty
import signal
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

Write = Callable[..., Any]
Run = Callable[..., Any]
Spawn = Callable[..., subprocess.Popen[str]]


def test_prints_the_answer_and_a_line_end(run: Run, write_config: Write, upstream: Any) -> None:
    write_config()
    result = run("chat", "Name the capital of France.")
    assert (result.code, result.out, result.err) == (0, "Paris.\n", "")
    assert upstream.asked[0]["stream"] is True


def test_options_reach_the_provider(run: Run, write_config: Write, upstream: Any) -> None:
    write_config()
    arguments = ("--system", "Be brief.", "--max-tokens", "9", "--temperature", "0.5", "--no-stream")
    result = run("chat", "--model", "talk", *arguments, "Hello")
    assert (result.code, result.out) == (0, "Paris.\n")
    asked = upstream.asked[0]
    assert asked["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello"},
    ]
    assert (asked["max_tokens"], asked["temperature"]) == (9, 0.5)
    assert not asked.get("stream")


def test_json_tells_the_whole_story(run: Run, write_config: Write) -> None:
    write_config(("broken", "good"))
    result = run("chat", "--json", "--model", "talk", "Hello")
    told = result.json
    assert result.code == 0
    assert told["text"] == "Paris."
    assert (told["model"], told["provider"], told["pool"]) == ("local.good", "local", "talk")
    assert told["usage"]["completion_tokens"] == 3
    assert float(told["cost"]) == pytest.approx(12 * 2e-6 + 3 * 10e-6)
    assert [attempt["status"] for attempt in told["attempts"]] == ["failed", "success"]
    assert told["request_id"]
    assert told["finish_reason"] == "stop"


@pytest.mark.parametrize("arguments", [(), ("-",)])
def test_prompt_comes_from_a_pipe(
    run: Run, write_config: Write, upstream: Any, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    write_config()
    monkeypatch.setattr("sys.stdin", io.StringIO("from a pipe\n"))
    assert run("chat", *arguments).code == 0
    assert upstream.asked[0]["messages"][0]["content"] == "from a pipe\n"


def test_an_empty_prompt_is_wrong_usage(run: Run, write_config: Write, upstream: Any) -> None:
    write_config()
    result = run("chat", "  ")
    assert result.code == 2
    assert "PROMPT" in result.err
    assert upstream.asked == []


def test_every_provider_failed(run: Run, write_config: Write) -> None:
    write_config(("broken",))
    result = run("chat", "Hello")
    assert (result.code, result.out) == (1, "")
    assert "local.broken" in result.err
    assert "on fire" in result.err
    assert "Traceback" not in result.err


def test_the_callers_mistake_comes_back_in_the_providers_words(run: Run, write_config: Write) -> None:
    write_config(("picky",))
    result = run("chat", "Hello")
    assert result.code == 1
    assert "temperature must be a virtue" in result.err


def test_an_unknown_name_has_its_own_exit_code_and_a_suggestion(run: Run, write_config: Write) -> None:
    write_config()
    result = run("chat", "--model", "chat-completon", "Hello")
    assert result.code == 4
    assert "chat-completion" in result.err


def test_a_stream_that_breaks_is_no_success(run: Run, write_config: Write) -> None:
    write_config(("cut",))
    result = run("chat", "Hello")
    assert result.code == 1
    assert result.out == "Par\n"
    assert "broke off after 3 characters" in result.err


def test_an_answer_cut_at_its_limit_says_so(run: Run, write_config: Write) -> None:
    write_config(("long",))
    result = run("chat", "Hello")
    assert (result.code, result.out) == (0, "Paris.\n")
    assert "token limit" in result.err


def test_a_configuration_with_mistakes_lists_all_of_them(run: Run, write_config: Write) -> None:
    write_config(more="poools: {}\nstorage: {sync_interval: soon}")
    result = run("chat", "Hello")
    assert result.code == 3
    assert "modelmesh.yaml:9:1" in result.err
    assert "poools" in result.err
    assert "sync_interval" in result.err


def test_words_arrive_before_the_answer_is_whole(spawn: Spawn, write_config: Write, upstream: Any) -> None:
    write_config(("slow",))
    process = spawn("chat", "Hello")
    assert process.stdout is not None
    assert process.stdout.read(3) == "Par"
    assert not upstream.go_on.is_set()
    upstream.go_on.set()
    rest, errors = process.communicate(timeout=60)
    assert (rest, errors, process.returncode) == ("is.\n", "", 0)


def test_interrupting_it_exits_with_130_and_no_traceback(spawn: Spawn, write_config: Write) -> None:
    write_config(("slow",))
    process = spawn("chat", "Hello")
    assert process.stdout is not None
    assert process.stdout.read(3) == "Par"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors == ""


def test_on_a_terminal_escape_codes_of_the_model_are_left_out_and_a_summary_follows(
    spawn: Spawn, write_config: Write
) -> None:
    write_config(("escapes",))
    own, other = pty.openpty()
    process = spawn("chat", "Hello", stdout=other, stderr=other, env={**os.environ, "TERM": "xterm", "NO_COLOR": "1"})
    os.close(other)
    seen = _read_all(own)
    assert process.wait(60) == 0
    assert "[31mred\r\n" in seen
    assert "\x1b[31m" not in seen
    assert "\x07" not in seen
    assert "local.escapes" in seen
    assert "12 tokens in, 3 out" in seen


def _read_all(descriptor: int) -> str:
    data = b""
    while True:
        try:
            piece = os.read(descriptor, 65536)
        except OSError:  # Linux says so when the other side is closed
            break
        if not piece:
            break
        data += piece
    os.close(descriptor)
    return data.decode()
