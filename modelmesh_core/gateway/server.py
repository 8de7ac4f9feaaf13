"""ProxyServer: the gateway as a running server, with a start, a drain and an end."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Any

from ..errors import ModelMeshError
from .access import refuse_open_door
from .app import GatewayApp
from .limits import GatewayLimits
from .server_thread import ServerThread, import_server

if TYPE_CHECKING:
    from ..config.schema import ProxyConfig
    from ..mesh import ModelMesh
    from .workers import Berth

logger = logging.getLogger("modelmesh.gateway")

_BACKLOG = 2048


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
        berth: Berth | None = None,
    ) -> None:
        """``host`` and ``port`` default to the configuration's; port 0 takes any free one.

        ``berth``: what this process shares with other workers of one gateway, if it is one.
        """
        self._mesh = mesh
        self._wanted = (host, port)
        self._berth = berth
        self._limits = limits or GatewayLimits()
        self._owns_mesh = False
        self._state = "stopped"
        self._started_at = 0.0
        self._app: GatewayApp | None = None
        self._thread: ServerThread | None = None
        self.host = ""
        """Where it listens, once started."""
        self.port = 0

    @property
    def url(self) -> str:
        """``http://HOST:PORT``."""
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    def start(self, when_ended: Callable[[], object] = lambda: None) -> ProxyServer:
        """Listen and serve; returns as soon as connections are taken. Doing it again changes nothing.

        ``when_ended`` is called from the server's thread when it has ended, for whatever reason. Raises
        ConfigurationError for a gateway that strangers could use (no tokens, and no loopback address), ModelMeshError
        if the server is not installed or the address cannot be had, and whatever ``ModelMesh.initialize`` raises.
        """
        if self._thread is not None:
            return self
        make_server = import_server()
        self._state = "starting"
        self._owns_mesh = not _is_initialized(self._mesh)
        try:
            self._mesh.initialize()
            listener = self._listen()
            self._app = GatewayApp(self._mesh, host=self.host, limits=self._limits)
            if self._berth is not None:
                self._app.join(self._berth.folder)
            thread = ServerThread(self._app, listener, self._limits, make_server, when_ended)
            thread.start()
        except BaseException:
            self._shut_down()
            raise
        self._thread = thread
        self._started_at = monotonic()
        self._state = "serving"
        logger.info("serving on %s", self.url)
        return self

    def _listen(self) -> socket.socket:
        listener = socket.socket(fileno=self._berth.listener) if self._berth is not None else None
        if listener is None:
            listener = listen(self._mesh.config.proxy, *self._wanted)
        self.host, self.port = listener.getsockname()[:2]
        return listener

    def begin_stop(self) -> None:
        """Tell a running server to stop, and return at once; ``stop`` waits for it."""
        if self._thread is not None:
            self._state = "draining"
            self._thread.tell_to_stop()

    def stop(self) -> None:
        """Take no new connections, let what runs end (or cut it off after the drain limit), flush. Idempotent.

        Blocks meanwhile; inside an event loop use ``asyncio.to_thread``. Raises ModelMeshError if the server had
        broken down before.
        """
        if self._thread is None:
            return
        self.begin_stop()
        try:
            self._thread.join()
        finally:
            self._thread = None
            self._shut_down()
        logger.info("stopped after %d requests", self._app.served if self._app is not None else 0)

    def _shut_down(self) -> None:
        try:
            if self._owns_mesh:
                self._mesh.shutdown()
        finally:
            self._owns_mesh = False
            self._state = "stopped"

    def get_status(self) -> dict[str, Any]:
        """``state`` (stopped, starting, serving, draining), ``url``, ``in_flight``, ``served``, ``uptime``: seconds."""
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

    def hurry(self) -> None:
        """Let a ``stop`` that is under way wait no longer."""
        if self._thread is not None:
            self._thread.hurry()

    def reload(self) -> None:
        """Read the configuration again, and log what came of it. Blocks. Mistakes in it change nothing."""
        try:
            self._mesh.reload_config()
        except ModelMeshError as error:
            logger.error("the configuration was not reloaded, the old one goes on: %s", error)
        except Exception:
            logger.exception("the configuration was not reloaded, the old one goes on")
        else:
            logger.info("the configuration was reloaded")

    def serve_forever(self) -> None:
        """Start, and serve until SIGTERM or SIGINT; then drain and stop. SIGHUP reloads the configuration.

        A second SIGTERM or SIGINT ends the drain at once. For the main thread. Raises as ``start`` and ``stop`` do.
        """
        from .foreground import serve_until_signalled

        serve_until_signalled(self, self._berth.life_line if self._berth is not None else None)


def listen(config: ProxyConfig, host: str | None = None, port: int | None = None) -> socket.socket:
    """A socket that takes connections. ``host`` and ``port`` default to the configuration's.

    Raises ConfigurationError for a gateway that strangers could use, ModelMeshError if the address cannot be had.
    """
    host = config.host if host is None else host
    port = config.port if port is None else port
    refuse_open_door(config, host)
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
        return socket.create_server(address[:2], family=family, backlog=_BACKLOG)
    except OSError as error:
        raise ModelMeshError(
            f"the gateway cannot listen on {host}:{port}: {error.strerror or error}.",
            hint="Choose another port, or stop what uses this one.",
        ) from error


def url_of(listener: socket.socket) -> str:
    """``http://HOST:PORT`` of a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _is_initialized(mesh: ModelMesh) -> bool:
    try:
        mesh.get_router()
    except ModelMeshError:
        return False
    return True
