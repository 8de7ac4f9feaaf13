"""A gateway on a real socket, over scripted providers or over a real upstream that is driven step by step."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import httpx
import pytest
from meshes import config
from modelmesh_core import ModelMesh
from modelmesh_core.gateway import ProxyServer
from modelmesh_core.testing import FakeUpstream

STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


@pytest.fixture
def upstream() -> FakeUpstream:
    return FakeUpstream()


@pytest.fixture
def serve(upstream: FakeUpstream) -> Iterator[Callable[..., ProxyServer]]:
    """Starts a gateway for a configuration, by default over the scripted ``upstream``; stops it after the test."""
    started: list[ProxyServer] = []

    def start(
        configuration: Any = None, *, live: bool = False, limits: Any = None, registry: Any = None, **proxy: Any
    ) -> ProxyServer:
        configuration = config("a.one") if configuration is None else configuration
        if proxy:
            configuration = {**configuration, "proxy": proxy}
        scripted = {} if live else {"clock": upstream.clock, "make_transport": upstream.make_transport}
        mesh = ModelMesh(configuration, environ={}, registry=registry, **scripted)
        server = ProxyServer(mesh, port=0, limits=limits)
        started.append(server)
        return server.start()

    yield start
    for server in started:
        server.stop()


@pytest.fixture
def client(serve: Callable[..., ProxyServer]) -> Iterator[Callable[..., httpx.Client]]:
    """An httpx client of a new gateway."""
    opened: list[httpx.Client] = []

    def connect(*arguments: Any, **options: Any) -> httpx.Client:
        opened.append(httpx.Client(base_url=serve(*arguments, **options).url, timeout=10))
        return opened[-1]

    yield connect
    for one in opened:
        one.close()


class Call:
    """One request at the live upstream, and the means to answer it slowly, or not at all."""

    def __init__(self, connection: socket.socket, body: dict[str, Any]) -> None:
        self.body = body
        self._connection = connection

    def send(self, data: bytes) -> None:
        self._connection.sendall(data)

    def answer(self) -> None:
        """A whole chat completion."""
        choice = {"index": 0, "message": {"role": "assistant", "content": "x"}, "finish_reason": "stop"}
        body = json.dumps({"id": "c", "object": "chat.completion", "choices": [choice]}).encode()
        head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        self.send(head.encode() + body)

    def begin_stream(self) -> None:
        self.send(STREAM_HEAD)

    def say(self, text: str, finish: str | None = None) -> None:
        """One streamed chunk."""
        choice = {"index": 0, "delta": {"content": text} if text else {}, "finish_reason": finish}
        chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
        self.send_event(json.dumps(chunk))

    def send_event(self, data: str) -> None:
        event = f"data: {data}\n\n".encode()
        self.send(b"%x\r\n%s\r\n" % (len(event), event))

    def end_stream(self) -> None:
        self.say("", finish="stop")
        self.send_event("[DONE]")
        self.send(b"0\r\n\r\n")

    def wait_until_closed(self, seconds: float) -> bool:
        """Whether the gateway closes the connection within ``seconds``."""
        self._connection.settimeout(seconds)
        try:
            return self._connection.recv(1) == b""
        except TimeoutError:
            return False
        except ConnectionError:
            return True


class LiveUpstream:
    """A provider on a real socket. ``behaviour`` is called with each Call, in a thread of its own."""

    def __init__(self) -> None:
        self.behaviour: Callable[[Call], None] = Call.answer
        self.open_connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.base_url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/v1"
        threading.Thread(target=self._accept, daemon=True).start()

    def config(self, **more: Any) -> dict[str, Any]:
        """One model at this upstream, asked once."""
        made = config("a.one", pool={"retry": {"max_attempts": 1}, **more})
        made["providers"]["a"].update(base_url=self.base_url)
        return made

    def _accept(self) -> None:
        with suppress(OSError):  # the test is over
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        self.open_connections += 1
        try:
            self._talk(connection)
        finally:
            self.open_connections -= 1

    def _talk(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as reader, suppress(OSError):
            while request_line := reader.readline():
                assert request_line.startswith(b"POST ")
                length = 0
                while (line := reader.readline().strip().lower()) != b"":
                    if line.startswith(b"content-length:"):
                        length = int(line.partition(b":")[2])
                self.behaviour(Call(connection, json.loads(reader.read(length))))

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def live() -> Iterator[LiveUpstream]:
    upstream = LiveUpstream()
    yield upstream
    upstream.close()


@pytest.fixture
def chat_body() -> Callable[..., dict[str, Any]]:
    """A chat request for the pool ``chat``."""

    def body(**more: Any) -> dict[str, Any]:
        return {"model": "chat", "messages": [{"role": "user", "content": "Hi"}], **more}

    return body


class RawClient:
    """A caller who writes bytes as they come, and hangs up when they like."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=5)

    def post(self, body: dict[str, Any], path: str = "/v1/chat/completions") -> None:
        data = json.dumps(body).encode()
        head = f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(data)}\r\n\r\n"
        self.socket.sendall(head.encode() + data)

    def read_until(self, mark: bytes) -> bytes:
        """Everything up to ``mark``, or up to the end of the connection."""
        seen = b""
        while mark not in seen and (data := self.socket.recv(65536)):
            seen += data
        return seen

    def read_all(self) -> bytes:
        seen = b""
        while data := self.socket.recv(65536):
            seen += data
        return seen

    def close(self) -> None:
        self.socket.close()


@pytest.fixture
def raw() -> Iterator[Callable[[int], RawClient]]:
    opened: list[RawClient] = []

    def connect(port: int) -> RawClient:
        opened.append(RawClient(port))
        return opened[-1]

    yield connect
    for one in opened:
        one.close()
