"""A provider that answers at once: the smallest HTTP server that a benchmark can lean on.

    python benchmarks/upstream.py PORT

A request that asks for a stream gets 200 chunks, 5 ms apart, by a timetable that a late chunk does not shift.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import orjson

MODEL = "gpt-4o-mini"
CHUNKS = 200
INTERVAL = 0.005
WORDS = [f"word{number:03} " for number in range(CHUNKS)]
"""What a stream says, chunk by chunk."""

ANSWER = orjson.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "upstream",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Paris."}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15},
    }
)
MODELS = orjson.dumps({"object": "list", "data": [{"id": MODEL, "object": "model", "created": 1, "owned_by": "x"}]})
_STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def _response(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)


def _event(data: bytes) -> bytes:
    event = b"data: %s\n\n" % data
    return b"%x\r\n%s\r\n" % (len(event), event)


def _chunk(delta: dict[str, str], finish: str | None = None, **more: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": MODEL}
    return _event(orjson.dumps({**head, "choices": [choice], **more}))


_USAGE = {"prompt_tokens": 12, "completion_tokens": CHUNKS, "total_tokens": 12 + CHUNKS}
_PIECES = [_chunk({"content": word}) for word in WORDS]
_END = _chunk({}, "stop", usage=_USAGE) + _event(b"[DONE]") + b"0\r\n\r\n"
_WHOLE, _MODELS = _response(ANSWER), _response(MODELS)


class Provider(asyncio.Protocol):
    """Answers each request with the same completion, whole or as a stream."""

    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self.pending = b""
        self.loop = asyncio.get_running_loop()

    def data_received(self, data: bytes) -> None:
        self.pending += data
        while (head := self.pending.find(b"\r\n\r\n")) >= 0:
            start = self.pending[:head].lower()
            place = start.find(b"content-length:")
            length = int(start[place + 15 :].split(b"\r\n", 1)[0]) if place >= 0 else 0
            if len(self.pending) < head + 4 + length:
                return
            body = self.pending[head + 4 : head + 4 + length]
            self.pending = self.pending[head + 4 + length :]
            self.answer(start, body)

    def answer(self, head: bytes, body: bytes) -> None:
        if head.startswith(b"get"):
            self.transport.write(_MODELS)
        elif b'"stream":true' in body or b'"stream": true' in body:
            self.transport.write(_STREAM_HEAD + _PIECES[0])
            self.start = self.loop.time()
            self.loop.call_at(self.start + INTERVAL, self.go_on, 1)
        else:
            self.transport.write(_WHOLE)

    def go_on(self, number: int) -> None:
        if self.transport.is_closing():
            return
        if number == CHUNKS:
            self.transport.write(_END)
            return
        self.transport.write(_PIECES[number])
        self.loop.call_at(self.start + (number + 1) * INTERVAL, self.go_on, number + 1)


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Provider, "127.0.0.1", port, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    import uvloop

    uvloop.run(serve(int(sys.argv[1]) if len(sys.argv) > 1 else 0))
