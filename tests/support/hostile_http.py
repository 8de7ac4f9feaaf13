"""For the engine that speaks HTTP itself: other ends that answer what they are told to, with a socket and without."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from loopback import Behaviour, Exchange, reply
from modelmesh_core.errors import ProviderError
from modelmesh_core.transport import Transport
from modelmesh_core.wire.http import HttpRequest, HttpTimeouts

ON_BOTH_LOOPS = pytest.mark.parametrize("engine_and_loop", ["httptools", "httptools on uvloop"], indirect=True)


class Wire(asyncio.Transport):
    """Stands for a socket: the first request written to it is answered by ``pieces``, one a round, and then the end."""

    def __init__(self, protocol: asyncio.Protocol, pieces: Sequence[bytes]) -> None:
        super().__init__()
        self.written = b""
        self.gone = False
        self._protocol = protocol
        self._pieces = list(pieces)
        self._held = False
        protocol.connection_made(self)

    def write(self, data: Any) -> None:
        if not self.written:
            asyncio.get_running_loop().call_soon(self._go_on)
        self.written += data

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        self._held = True

    def resume_reading(self) -> None:
        self._held = False
        asyncio.get_running_loop().call_soon(self._go_on)

    def abort(self) -> None:
        if not self.gone:
            self.gone = True
            asyncio.get_running_loop().call_soon(self._protocol.connection_lost, None)

    def _go_on(self) -> None:
        if self.gone or self._held:
            return
        if self._pieces:
            self._protocol.data_received(self._pieces.pop(0))
            asyncio.get_running_loop().call_soon(self._go_on)
        else:
            self._protocol.eof_received()
            self.abort()


async def failure_of(transport: Transport, request: HttpRequest) -> ProviderError:
    """What a call that must fail fails with."""
    limits = HttpTimeouts(connect=5, first_byte=5, idle=5, total=10)
    with pytest.raises(ProviderError) as caught:
        await transport.send(request, limits)
    return caught.value


def answering(*answers: bytes) -> Behaviour:
    """For a Loopback: it sends ``answers``, one to each request, and ``ok`` to those that follow."""
    left = list(answers)

    async def behave(exchange: Exchange) -> None:
        await exchange.send(left.pop(0) if left else reply(b"ok"))

    return behave
