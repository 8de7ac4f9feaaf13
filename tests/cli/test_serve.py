"""``modelmesh serve``."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Write = Callable[..., Path]
Run = Callable[..., Any]
Spawn = Callable[..., subprocess.Popen[str]]


def _address(process: subprocess.Popen[str]) -> str:
    """Where the gateway says that it serves."""
    assert process.stderr is not None
    seen: list[str] = []
    for line in process.stderr:
        seen.append(line)
        if "serving on " in line:
            return line.rpartition("serving on ")[2].strip()
    pytest.fail(f"it never served: {seen}")


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_serves_until_it_is_told_to_stop(spawn: Spawn, write_config: Write, ending: signal.Signals) -> None:
    path = write_config()
    process = spawn("serve", "--config", str(path), "--host", "127.0.0.1", "--port", "0")
    address = _address(process)
    body = {"model": "chat-completion", "messages": [{"role": "user", "content": "Hello"}]}
    asked = urllib.request.Request(
        f"{address}/v1/chat/completions", json.dumps(body).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(asked, timeout=30) as answer:
        told = json.load(answer)
    assert told["choices"][0]["message"]["content"] == "Paris."
    process.send_signal(ending)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "Traceback" not in errors


def test_a_port_that_is_none_is_wrong_usage(run: Run) -> None:
    for port in ("65536", "-1", "http"):
        result = run("serve", f"--port={port}")
        assert result.code == 2
        assert "65535" in result.err


def test_a_port_that_is_taken(run: Run, write_config: Write) -> None:
    write_config()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = run("serve", "--port", str(taken.getsockname()[1]))
    assert result.code == 1
    assert "cannot listen on 127.0.0.1" in result.err


def test_an_open_door_is_refused(run: Run, write_config: Write) -> None:
    write_config()
    result = run("serve", "--host", "0.0.0.0", "--port", "0")
    assert result.code == 3
    assert "allow_unauthenticated" in result.err


def test_a_configuration_with_mistakes(run: Run, write_config: Write) -> None:
    write_config(more="poools: {}")
    result = run("serve", "--port", "0")
    assert result.code == 3
    assert "poools" in result.err
