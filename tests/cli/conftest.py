"""A server on the loopback interface that speaks the OpenAI dialect, and ways to run the command line against it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from modelmesh_core.cli import main

WORDS = ("Par", "is", ".")


class Upstream:
    """Answers chat completions. What it does depends on the model that it is asked for:

    ``good`` answers; ``broken`` has a 500 for everybody; ``picky`` refuses with a 400; ``cut`` stops in the middle of
    a stream; ``slow`` waits for ``go_on`` after its first word; ``escapes`` answers in control characters; ``long``
    is cut at its token limit.
    """

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.listing_status = 200
        self.go_on = threading.Event()
        upstream = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = {"object": "list", "data": [{"id": "good", "object": "model"}]}
                self._send(upstream.listing_status, body if upstream.listing_status == 200 else _error("no such key"))

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                upstream.asked.append(body)
                model = body["model"]
                if model == "broken":
                    self._send(500, _error("the server is on fire"))
                elif model == "picky":
                    self._send(400, _error("temperature must be a virtue"))
                elif body.get("stream"):
                    self._stream(model)
                else:
                    self._send(200, _whole(model))

            def _send(self, status: int, body: dict[str, Any]) -> None:
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def _stream(self, model: str) -> None:
                self.send_response(200)
                self.send_header("content-type", "text/event-stream")
                self.end_headers()
                words = ("\x1b[31m", "red", "\x07") if model == "escapes" else WORDS
                for place, word in enumerate(words):
                    if model in ("slow", "cut") and place == 1:
                        if model == "cut":
                            return
                        upstream.go_on.wait(30)
                    self._event({"choices": [{"index": 0, "delta": {"content": word}, "finish_reason": None}]})
                reason = "length" if model == "long" else "stop"
                self._event({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
                self._event({"choices": [], "usage": _USAGE})
                self.wfile.write(b"data: [DONE]\n\n")

            def _event(self, chunk: dict[str, Any]) -> None:
                base = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
                self.wfile.write(b"data: " + json.dumps({**base, **chunk}).encode() + b"\n\n")
                self.wfile.flush()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self.go_on.set()
        self._server.shutdown()
        self._server.server_close()


_USAGE = {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15}


def _whole(model: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": "".join(WORDS)}
    reason = "length" if model == "long" else "stop"
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": reason}],
        "usage": _USAGE,
    }


def _error(message: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": "some_error", "param": None, "code": None}}


class Result(NamedTuple):
    """What a command line did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    server = Upstream()
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, with state of its own and none of the developer's variables."""
    for name in list(os.environ):
        if name.endswith(("_API_KEY", "_HOST", "_TOKEN")) or name.startswith("MODELMESH_"):
            monkeypatch.delenv(name)
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """Run a command line in this process."""

    def call(*arguments: str) -> Result:
        capsys.readouterr()
        code = main(arguments)
        return Result(code, *capsys.readouterr())

    return call


@pytest.fixture
def spawn(home: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a command line as a process of its own."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str, **options: Any) -> subprocess.Popen[str]:
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        # Whoever starts the tests in the background makes their children deaf to an interrupt.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            process = subprocess.Popen([sys.executable, "-m", "modelmesh_core.cli", *arguments], text=True, **streams)
        finally:
            signal.signal(signal.SIGINT, before)
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def write_config(home: Path, upstream: Upstream) -> Callable[..., Path]:
    """Write modelmesh.yaml: a pool ``talk`` of the named models of the upstream, in that order."""

    def write(models: Sequence[str] = ("good",), more: str = "", pool: str = "") -> Path:
        lines = [
            "providers:",
            f"  local: {{connector: modelmesh.openai-compatible.v1, base_url: '{upstream.url}'}}",
            "models:",
            *(f"  local.{name}: {{pricing: {{input: 2, output: 10}}}}" for name in models),
            "pools:",
            "  talk:",
            "    capability: chat-completion",
            "    retry: {max_attempts: 1}",
            *([f"    {pool}"] if pool else []),
            more,
        ]
        path = home / "modelmesh.yaml"
        path.write_text("\n".join(lines) + "\n")
        return path

    return write
