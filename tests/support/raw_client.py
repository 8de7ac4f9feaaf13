"""A client that hides nothing: it says which bytes came, and how the connection ended."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from time import monotonic
from typing import Any

import attrs
from modelmesh_core.testing import FaultyProvider

PROMPT = "How did it go?"
PATIENCE = 0.25
"""Seconds without a byte after which the connection counts as silent."""
ENOUGH = 300_000
"""Bytes after which an answer counts as endless."""
TOOL = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}


def body_of(*, stream: bool = False, prompt: str = PROMPT, **more: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": prompt}], "stream": stream, **more}


def request_bytes(body: dict[str, Any], *, close: bool = True) -> bytes:
    data = json.dumps(body).encode()
    lines = ["POST /v1/chat/completions HTTP/1.1", "authorization: Bearer sk-secret", f"content-length: {len(data)}"]
    if close:
        lines.append("connection: close")
    return "\r\n".join([*lines, "", ""]).encode() + data


@attrs.frozen
class Seen:
    """What one request brought."""

    data: bytes
    end: str
    """closed, reset, refused, silent (nothing more came in time) or endless (it went on and on)."""
    segments: int = 0

    @property
    def status(self) -> int:
        return int(self.data.split(b" ", 2)[1])

    @property
    def head(self) -> str:
        return self.data.partition(b"\r\n\r\n")[0].decode("latin-1")

    @property
    def body(self) -> bytes:
        """As it came, or the chunks up to the first that is not whole."""
        body = self.data.partition(b"\r\n\r\n")[2]
        return b"".join(self._chunks(body)) if "chunked" in self.head else body

    @property
    def is_whole(self) -> bool:
        """Whether the chunked body has its end."""
        return self.data.endswith(b"\r\n0\r\n\r\n")

    @property
    def payloads(self) -> list[str]:
        """The data of the events."""
        return re.findall(r"^data: (.*)\n\n", self.body.decode("utf-8", "replace"), re.MULTILINE)

    @property
    def deltas(self) -> list[dict[str, Any]]:
        return [choice["delta"] for chunk in self._read() for choice in chunk.get("choices", [])]

    @property
    def text(self) -> str:
        return "".join(delta.get("content") or "" for delta in self.deltas)

    @property
    def finishes(self) -> bool:
        return any(choice["finish_reason"] for chunk in self._read() for choice in chunk.get("choices", []))

    @property
    def garbage(self) -> int:
        return len([data for data in self.payloads if data != "[DONE]"]) - len(self._read())

    @property
    def done(self) -> bool:
        return "[DONE]" in self.payloads

    def _read(self) -> list[dict[str, Any]]:
        found = []
        for data in self.payloads:
            try:
                found.append(json.loads(data))
            except ValueError:
                continue
        return [chunk for chunk in found if isinstance(chunk, dict)]

    @staticmethod
    def _chunks(body: bytes) -> Iterator[bytes]:
        while match := re.match(rb"([0-9a-f]+)\r\n", body):
            size = int(match[1], 16)
            chunk = body[match.end() : match.end() + size]
            if not size or len(chunk) < size:
                return
            yield chunk
            body = body[match.end() + size + 2 :]


def read(client: socket.socket, *, within: float = 5.0) -> Seen:
    """All that comes on a connection ``within`` so many seconds."""
    data, segments, end = b"", 0, "closed"
    deadline = monotonic() + within
    client.settimeout(PATIENCE)
    try:
        while piece := client.recv(65536):
            data, segments = data + piece, segments + 1
            if len(data) > ENOUGH or monotonic() > deadline:
                return Seen(data, "endless", segments)
    except TimeoutError:
        end = "silent"
    except ConnectionResetError:
        end = "reset"
    return Seen(data, end, segments)


def ask(provider: FaultyProvider, body: dict[str, Any], *, within: float = 5.0) -> Seen:
    """One request on a connection of its own."""
    try:
        client = socket.create_connection(("127.0.0.1", provider.port), timeout=1.0)
    except ConnectionRefusedError:
        return Seen(b"", "refused")
    with client:
        client.sendall(request_bytes(body))
        return read(client, within=within)
