"""ProxyServer: the gateway as a running server, with a start, a drain and an end."""

from __future__ import annotations

import asyncio
import logging
import queue
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from types import FrameType
from typing import TYPE_CHECKING, Any

from ..errors import ModelMeshError
from .access import refuse_open_door
from .app import GatewayApp
from .limits import GatewayLimits

if TYPE_CHECKING:
    from ..mesh import ModelMesh
    from .uvicorn_server import GatewayServer

logger = logging.getLogger("modelmesh.gateway")


class ProxyServer:
    """Serves ``mesh`` over HTTP, in a thread and event loop of its own.

        with ProxyServer(mesh, port=0) as server:
            print(server.url)

    ``start`` initializes the mesh if nobody has, and ``stop`` then shuts it down; a mesh that ran before goes on.
    """

    def __init__(
        self,
        mesh: ModelMesh,
        host: str | None = None,
        port: int | None = None,
        *,
        limits: GatewayLimits | None = None,
    ) -> None:
        """``host`` and ``port`` default to the configuration's; port 0 takes any free one."""
        self._mesh = mesh
        self._wanted = (host, port)
        self._limits = limits or GatewayLimits()
        self._owns_mesh = False
        self._state = "stopped"
        self._started_at = 0.0
        self._app: GatewayApp | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._told_to_stop: asyncio.Event | None = None
        self._failure: BaseException | None = None
        self.host = ""
        """Where it listens, once started."""
        self.port = 0

    @property
    def url(self) -> str:
        """``http://HOST:PORT``."""
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    # --- life --------------------------------------------------------------------------------------------------------

    def start(self) -> ProxyServer:
        """Listen and serve; returns as soon as connections are taken. Doing it again changes nothing.

        Raises ConfigurationError for an open door (see ``refuse_open_door``), ModelMeshError if uvicorn is missing or
        the address cannot be had, and whatever ``ModelMesh.initialize`` raises.
        """
        if self._thread is not None:
            return self
        make_server = _import_server()
        self._state = "starting"
        self._owns_mesh = not _is_running(self._mesh)
        try:
            self._mesh.initialize()
            listener = self._listen()
            self._run_in_thread(make_server, listener)
        except BaseException:
            self._state = "stopped"
            self._shut_mesh_down()
            raise
        self._started_at = monotonic()
        self._state = "serving"
        logger.info("serving on %s", self.url)
        return self

    def _listen(self) -> socket.socket:
        config = self._mesh.config.proxy
        host, port = self._wanted
        host = config.host if host is None else host
        port = config.port if port is None else port
        refuse_open_door(config, host)
        try:
            family, *_, address = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
            listener = socket.create_server(address[:2], family=family)
        except OSError as error:
            raise ModelMeshError(
                f"the gateway cannot listen on {host}:{port}: {error.strerror or error}.",
                hint="Choose another --port, or stop what uses this one.",
            ) from error
        self.host, self.port = host or "0.0.0.0", listener.getsockname()[1]
        return listener

    def _run_in_thread(self, make_server: Callable[..., GatewayServer], listener: socket.socket) -> None:
        self._app = GatewayApp(self._mesh, host=self.host, limits=self._limits)
        app, ready = self._app, threading.Event()
        self._failure = None

        def work() -> None:
            try:
                with asyncio.Runner(loop_factory=_fast_loop()) as runner:
                    runner.run(self._serve(app, make_server, listener, ready))
            except BaseException as error:
                self._failure = error
                logger.exception("the gateway stopped unexpectedly")
            finally:
                listener.close()
                ready.set()

        self._thread = threading.Thread(target=work, name="modelmesh gateway", daemon=True)
        self._thread.start()
        ready.wait()
        if self._failure is not None:
            self._thread = None
            raise ModelMeshError("the gateway could not start.") from self._failure

    async def _serve(
        self,
        app: GatewayApp,
        make_server: Callable[..., GatewayServer],
        listener: socket.socket,
        ready: threading.Event,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._told_to_stop = asyncio.Event()
        server = make_server(app, listener, self._limits)
        serving = asyncio.create_task(server.run_until_told())
        await server.is_listening.wait()
        ready.set()
        await self._told_to_stop.wait()
        await self._drain(app, server)
        server.should_exit = True
        await serving
        await app.aclose()

    async def _drain(self, app: GatewayApp, server: GatewayServer) -> None:
        """No new connections; what runs may end within the limit, and gets an error after it."""
        app.drain()
        server.stop_listening()
        deadline = monotonic() + self._limits.drain
        while app.in_flight and monotonic() < deadline:
            await asyncio.sleep(0.02)
        if app.in_flight:
            logger.warning("%d requests did not end within %g s and are cut off", app.in_flight, self._limits.drain)
            app.cut_short()

    def stop(self) -> None:
        """Take no new connections, let what runs end (or cut it off after the drain limit), flush. Idempotent.

        Blocks meanwhile; inside an event loop use ``asyncio.to_thread``.
        """
        thread, loop, told_to_stop = self._thread, self._loop, self._told_to_stop
        if thread is None or loop is None or told_to_stop is None:
            return
        self._state = "draining"
        if thread.is_alive():
            loop.call_soon_threadsafe(told_to_stop.set)
            thread.join()
        self._thread = None
        self._shut_mesh_down()
        self._state = "stopped"
        logger.info("stopped after %d requests", self._app.served if self._app is not None else 0)

    def _shut_mesh_down(self) -> None:
        if self._owns_mesh:
            self._owns_mesh = False
            self._mesh.shutdown()

    def get_status(self) -> dict[str, Any]:
        """``state`` (stopped, starting, serving, draining), ``url``, ``in_flight``, ``served``, ``uptime`` (seconds)."""
        is_up = self._state in ("serving", "draining")
        return {
            "state": self._state,
            "url": self.url if is_up else None,
            "in_flight": self._app.in_flight if self._app is not None else 0,
            "served": self._app.served if self._app is not None else 0,
            "uptime": monotonic() - self._started_at if is_up else 0.0,
        }

    def __enter__(self) -> ProxyServer:
        return self.start()

    def __exit__(self, *exception: object) -> None:
        self.stop()

    # --- the command line --------------------------------------------------------------------------------------------

    def serve_forever(self) -> None:
        """Start, and serve until SIGTERM or SIGINT; then drain and stop. SIGHUP reloads the configuration.

        A second SIGTERM or SIGINT ends the drain at once. Only for the main thread. Raises as ``start`` does.
        """
        inbox: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        with _signals_to(inbox):
            self.start()
            stopping: threading.Thread | None = None
            while (number := inbox.get()) is not None:
                if number == _RELOAD:
                    threading.Thread(target=self._reload, name="modelmesh reload", daemon=True).start()
                elif stopping is None:
                    stopping = threading.Thread(target=self._stop_and_tell, args=(inbox,), name="modelmesh stop")
                    stopping.start()
                else:
                    self._hurry()
