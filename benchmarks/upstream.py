"""A provider that answers at once: the smallest HTTP server that a benchmark can lean on.

python benchmarks/upstream.py PORT
"""

from __future__ import annotations

import asyncio
import sys

import orjson

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
RESPONSE = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(ANSWER), ANSWER)


class Provider(asyncio.Protocol):
    """Answers each request with the same completion."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.pending = b""

    def data_received(self, data: bytes) -> None:
        self.pending += data
        while (head := self.pending.find(b"\r\n\r\n")) >= 0:
            start = self.pending[:head].lower()
            place = start.find(b"content-length:")
            length = int(start[place + 15 :].split(b"\r\n", 1)[0]) if place >= 0 else 0
            if len(self.pending) < head + 4 + length:
                return
            self.pending = self.pending[head + 4 + length :]
            self.transport.write(RESPONSE)  # type: ignore[attr-defined]


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Provider, "127.0.0.1", port)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    import uvloop

    uvloop.run(serve(int(sys.argv[1]) if len(sys.argv) > 1 else 0))
