"""The least that a Python gateway can do: uvicorn in, pyreqwest out, and nothing between.

    python benchmarks/peers/bare.py PORT UPSTREAM_PORT

No token, no routing, no accounting, no watch over callers that go away: what these cost is the distance to it.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn
from pyreqwest.client import Client, ClientBuilder

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
HEADERS = {"content-type": "application/json", "authorization": "Bearer upstream-key"}


class PassThrough:
    """An ASGI application that sends each request on."""

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream
        self._client: Client | None = None

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if self._client is None:
            self._client = ClientBuilder().no_proxy().max_connections(1024).build()
        pieces: list[bytes] = []
        more = True
        while more:
            message = await receive()
            pieces.append(message.get("body", b""))
            more = message.get("more_body", False)
        exchange = self._client.request(scope["method"], self._upstream + scope["path"]).headers(HEADERS)
        exchange = exchange.body_bytes(b"".join(pieces)).streamed_read_buffer_limit(0).build_streamed()
        async with exchange as response:
            media_type = response.headers.get("content-type", "").encode()
            headers = [(b"content-type", media_type)]
            length = response.headers.get("content-length")
            if length is not None:
                headers.append((b"content-length", length.encode()))
            await send({"type": "http.response.start", "status": response.status, "headers": headers})
            while (piece := await response.body_reader.read_chunk()) is not None:
                await send({"type": "http.response.body", "body": piece.to_bytes(), "more_body": True})
        await send({"type": "http.response.body", "body": b""})


def main() -> None:
    port, upstream = (int(word) for word in sys.argv[1:3])
    app = PassThrough(f"http://127.0.0.1:{upstream}")
    config = uvicorn.Config(app, port=port, log_level="error", access_log=False, lifespan="off", loop="uvloop")
    uvicorn.Server(config).run()


if __name__ == "__main__":
    main()
