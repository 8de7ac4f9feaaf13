"""The load: what is asked, of whom, and what a right answer is."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from upstream import MODEL

TOKEN = "sk-benchmark-0123456789abcdef0123456789abcdef"
MARK = "Paris."
QUESTION: dict[str, Any] = {
    "model": MODEL,
    "messages": [
        {"role": "system", "content": "You are a helpful assistant."},
        {"role": "user", "content": "What is the capital of France?"},
    ],
    "temperature": 0.2,
}


@dataclass(frozen=True)
class Target:
    """Where to ask, and with which headers beside the usual ones."""

    port: int
    more: Mapping[str, str]

    @property
    def headers(self) -> dict[str, str]:
        """Of every request."""
        return {"authorization": f"Bearer {TOKEN}", "content-type": "application/json", **self.more}


def payload(*, stream: bool = False) -> bytes:
    """The body of a request."""
    asked = {**QUESTION, "stream": True} if stream else QUESTION
    return json.dumps(asked, separators=(",", ":")).encode()


def request(target: Target, *, stream: bool = False) -> bytes:
    """The bytes of a whole request."""
    body = payload(stream=stream)
    head = [f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:{target.port}"]
    head += [f"{name}: {value}" for name, value in target.headers.items()]
    return "\r\n".join([*head, f"content-length: {len(body)}\r\n\r\n"]).encode() + body


def is_answer(body: bytes) -> bool:
    """Whether ``body`` is the upstream's completion, whole and with its usage."""
    try:
        said = json.loads(body)
        choice = said["choices"][0]
        right = choice["message"]["content"] == MARK and choice["finish_reason"] == "stop"
        return right and said["usage"]["total_tokens"] == 15
    except (ValueError, LookupError, TypeError):
        return False


class Connection:
    """A blocking connection that is kept: the least overhead for one request at a time."""

    def __init__(self, target: Target, seconds: float = 30) -> None:
        self._socket = socket.create_connection(("127.0.0.1", target.port), timeout=seconds)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._request = request(target)

    def ask(self) -> tuple[int, bytes]:
        """(status, body). Raises OSError if the connection breaks."""
        self._socket.sendall(self._request)
        data = b""
        while (head := data.find(b"\r\n\r\n")) < 0:
            data += self._receive()
        start = data[:head].lower()
        status = int(start[9:12])
        body = data[head + 4 :]
        place = start.find(b"content-length:")
        if place < 0:
            while not body.endswith(b"0\r\n\r\n"):
                body += self._receive()
            return status, unchunked(body)
        length = int(start[place + 15 :].split(b"\r\n", 1)[0])
        while len(body) < length:
            body += self._receive()
        return status, body

    def _receive(self) -> bytes:
        data = self._socket.recv(65536)
        if not data:
            raise ConnectionError("closed before the end of the answer")
        return data

    def close(self) -> None:
        self._socket.close()


def ask(target: Target) -> tuple[int, bytes]:
    """One request on a connection of its own."""
    connection = Connection(target)
    try:
        return connection.ask()
    finally:
        connection.close()


def unchunked(data: bytes) -> bytes:
    """A body without the frames of chunked encoding."""
    pieces: list[bytes] = []
    place = 0
    while (end := data.find(b"\r\n", place)) >= 0:
        size = int(data[place:end].split(b";")[0] or b"0", 16)
        if size == 0:
            break
        pieces.append(data[end + 2 : end + 2 + size])
        place = end + 4 + size
    return b"".join(pieces)
