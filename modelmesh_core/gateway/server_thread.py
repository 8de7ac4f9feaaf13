"""The thread in which a gateway serves: an event loop, a server, and an orderly end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..errors import ModelMeshError
from .app import GatewayApp
from .limits import GatewayLimits

if TYPE_CHECKING:
    from .http_server import HttpServer

logger = logging.getLogger("modelmesh.gateway")


class ServerThread:
    """Serves ``app`` on ``listener`` from ``start`` until it is told to stop, once."""

    def __init__(
        self,
        app: GatewayApp,
        listener: socket.socket,
        limits: GatewayLimits,
        make_server: type[HttpServer],
        when_ended: Callable[[], object],
    ) -> None:
        """``when_ended`` is called in the thread when it ends, also if nobody told it to."""
        self._make_server = make_server
        self._app = app
        self._listener = listener
        self._limits = limits
        self._when_ended = when_ended
        self._thread = threading.Thread(target=self._work, name="modelmesh gateway", daemon=True)
        self._listening = threading.Event()
        self._failure: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop
        self._told_to_stop: asyncio.Event

    def start(self) -> None:
        """Returns when connections are taken. Raises ModelMeshError if that fails."""
        self._thread.start()
        self._listening.wait()
        if self._failure is not None:
            raise ModelMeshError("the gateway could not start.") from self._failure

    def tell_to_stop(self) -> None:
        """Drain, then end. Returns at once."""
        self._call(self._told_to_stop.set)

    def join(self) -> None:
        """Wait for the end. Raises ModelMeshError if the server had broken down."""
        self._thread.join()
        if self._failure is not None:
            raise ModelMeshError("the gateway broke down.") from self._failure

    def hurry(self) -> None:
        """Do not wait any longer for requests under way."""
        self._call(self._app.cut_short)

    def _call(self, function: Callable[[], object]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended by itself
            self._loop.call_soon_threadsafe(function)

    def _work(self) -> None:
        try:
            with asyncio.Runner(loop_factory=_fast_loop()) as runner:
                runner.run(self._serve())
        except BaseException as error:
            self._failure = error
            logger.exception("the gateway broke down")
        finally:
            self._listener.close()
            self._listening.set()
            self._when_ended()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._told_to_stop = asyncio.Event()
        await self._app.start()
        server = self._make_server(self._app, self._listener, self._limits, self._listening.set)
        serving = asyncio.create_task(server.run())
        told = asyncio.create_task(self._told_to_stop.wait())
        await asyncio.wait((serving, told), return_when=asyncio.FIRST_COMPLETED)
        if not serving.done():
            await self._drain(server)
        await serving
        await self._app.aclose()

    async def _drain(self, server: HttpServer) -> None:
        """No new connections; what runs may end within the limit, and gets an error after it."""
        self._app.drain()
        server.stop_listening()
        try:
            async with asyncio.timeout(self._limits.drain):
                await self._app.until_idle()
        except TimeoutError:
            logger.warning("%d requests did not end in time and are cut off", self._app.in_flight)
            self._app.cut_short()
        server.stop()


def import_server() -> type[HttpServer]:
    """The server's class. Raises ModelMeshError if what it needs is not installed."""
    try:
        from .http_server import HttpServer
    except ImportError as error:
        raise ModelMeshError(
            f"the gateway needs a package that is not installed: {error.name}.",
            hint="pip install 'modelmesh-core[gateway]'",
        ) from error
    return HttpServer


def _fast_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
