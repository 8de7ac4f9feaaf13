"""Many callers at once over raw sockets: fast enough that the server, not they, is what is tested."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import Any
from urllib.parse import urlsplit

import attrs


@attrs.frozen
class Answered:
    """One whole answer."""

    status: int
    body: bytes

    @property
    def is_whole_stream(self) -> bool:
        return self.status == 200 and self.body.rstrip().endswith(b"data: [DONE]")


class Caller:
    """One kept-alive connection."""

    def __init__(self, url: str, token: str | None = None) -> None:
        self._address = urlsplit(url)
        self._token = token
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def post(self, path: str, body: dict[str, Any]) -> Answered:
        """Raises OSError or asyncio.IncompleteReadError where the connection breaks."""
        if self._writer is None or self._writer.is_closing():
            await self.close()
            host, port = self._address.hostname, self._address.port
            self._reader, self._writer = await asyncio.open_connection(host, port)
        assert self._reader is not None
        data = json.dumps(body).encode()
        head = f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(data)}\r\n"
        if self._token is not None:
            head += f"authorization: Bearer {self._token}\r\n"
        self._writer.write(f"{head}\r\n".encode() + data)
        return await self._answer(self._reader)

    async def _answer(self, reader: asyncio.StreamReader) -> Answered:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if "chunked" in headers.get("transfer-encoding", ""):
            pieces: list[bytes] = []
            while size := int(await reader.readline(), 16):
                pieces.append((await reader.readexactly(size + 2))[:-2])
            await reader.readline()
            body = b"".join(pieces)
        else:
            body = await reader.readexactly(int(headers.get("content-length", 0)))
        if headers.get("connection") == "close":
            await self.close()
        return Answered(int(first.split(" ")[1]), body)

    async def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._writer = None


async def crowd(
    url: str, path: str, body: dict[str, Any], *, total: int, callers: int, token: str | None
) -> Counter[Any]:
    """``total`` requests by so many callers. Status, or "broken", → how many."""
    left = iter(range(total))
    found: Counter[Any] = Counter()

    async def work() -> None:
        caller = Caller(url, token)
        for _ in left:
            try:
                found[(await caller.post(path, body)).status] += 1
            except (OSError, asyncio.IncompleteReadError):
                found["broken"] += 1
                await caller.close()
        await caller.close()

    await asyncio.gather(*(work() for _ in range(callers)))
    return found
