"""GatewayApp: the gateway as an ASGI application."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from ..config.schema import ENDPOINTS
from ..engine import Engine
from ..errors import ModelMeshError, PermissionDeniedError
from ..interfaces.observability import Snapshot
from .access import METRICS, Caller, CorsPolicy
from .channel import AsgiChannel, Channel, ClientGoneError, Receive, Scope, Send
from .endpoints import ROUTES, Handler
from .errors import error_answer
from .exchange import Exchange
from .limits import GatewayLimits
from .peers import Peers
from .policy import Policy, make_policy
from .redaction import Redactor
from .refusals import Refusal
from .resources import RESOURCES
from .routes import Routes

if TYPE_CHECKING:
    from ..mesh import ModelMesh

_NOTHING_KNOWN = Redactor()
_ROUTES = Routes(ROUTES)
_LIVE = frozenset({"/health/live", "/health/liveness"})
_READY = frozenset({"/health", "/health/ready", "/health/readiness"})


class GatewayApp:
    """The OpenAI-compatible API over ``mesh``, for any ASGI server. Follows a reload of the mesh by itself.

    While the mesh is not initialized, or after ``drain()``, ``/health/ready`` answers 503.
    """

    def __init__(self, mesh: ModelMesh, *, host: str = "127.0.0.1", limits: GatewayLimits | None = None) -> None:
        """``host``: where the server listens; decides whether callers may come without a token."""
        self._mesh = mesh
        self._host = host
        self._limits = limits or GatewayLimits()
        self._policy: Policy | None = None
        self._retired: set[asyncio.Task[None]] = set()
        self._running: set[asyncio.Task[None]] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._draining = False
        self.metrics_peers: Callable[[], Awaitable[Sequence[Snapshot]]] | None = None
        """Gives what the other processes of this gateway have counted (``Observability.metrics_snapshot``), those that
        have ended included (``MetricsSink.retired``): ``/metrics`` tells the sum. Set it where there are any."""
        self._peers: Peers | None = None
        self.served = 0
        """Requests answered so far, the health endpoints' aside."""

    def join(self, folder: Path) -> None:
        """Serve as one of several workers, who find each other in ``folder``. Before ``start``."""
        self._peers = Peers(folder, self._mesh.get_observability)
        self.metrics_peers = self._peers.snapshots

    async def start(self) -> None:
        """What has to run in the serving loop beside requests."""
        if self._peers is not None:
            await self._peers.start()

    @property
    def in_flight(self) -> int:
        """Requests under way, the health endpoints' aside."""
        return len(self._running)

    def drain(self) -> None:
        """Say at ``/health/ready`` that no more requests are wanted. Those that come are served all the same."""
        self._draining = True

    async def until_idle(self) -> None:
        """Until no request is under way."""
        await self._idle.wait()

    def cut_short(self) -> None:
        """End every request under way with an error, in the loop that serves them."""
        for task in self._running:
            task.cancel()

    async def aclose(self) -> None:
        """Close the connections to providers that were opened in the running loop."""
        if self._peers is not None:
            await self._peers.close()
        for task in self._retired:
            task.cancel()
        await asyncio.gather(*self._retired, return_exceptions=True)
        if self._policy is not None:
            await _close_transports(self._policy.engine)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise ValueError(f"the gateway speaks HTTP, not {scope['type']}")
        await self.serve(AsgiChannel(scope, receive, send))

    async def serve(self, channel: Channel) -> None:
        """Answer one request. Raises nothing."""
        exchange = Exchange(channel, self._limits)
        task = exchange.task
        exchange.is_last = self._draining
        if exchange.path in _LIVE or exchange.path in _READY:
            await self._tell_health(exchange)
            return
        if not self._running:
            self._idle.clear()
        self._running.add(task)
        redact = _NOTHING_KNOWN
        try:
            policy = self._current_policy()
            if policy is None:
                raise Refusal(503, "the gateway is starting", code="starting", headers={"retry-after": "1"})
            redact = policy.redact
            if policy.cors.is_on and await _answers_page(exchange, policy.cors):
                return
            caller = policy.authenticator.admit(exchange)
            exchange.key, exchange.key_limits = caller.name, caller.limits
            handler = _handler(exchange, policy, caller)
            await handler(exchange, policy)
        except ClientGoneError:
            return
        except asyncio.CancelledError:
            error = Refusal(503, "the gateway is shutting down", code="shutting_down", headers={"retry-after": "1"})
            await _refuse(exchange, error, redact)
        except Exception as error:
            await _refuse(exchange, error, redact)
        finally:
            exchange.release()
            self._running.discard(task)
            self.served += 1
            if not self._running:
                self._idle.set()

    async def _tell_health(self, exchange: Exchange) -> None:
        if exchange.method not in ("GET", "HEAD"):
            await _refuse(exchange, _wrong_method(exchange, "GET, HEAD"), Redactor())
            return
        state = "live"
        if exchange.path in _READY:
            state = "starting" if self._current_policy() is None else "draining" if self._draining else "ready"
        await exchange.answer(200 if state in ("live", "ready") else 503, orjson.dumps({"status": state}))

    async def _peer_snapshots(self) -> Sequence[Snapshot]:
        return await self.metrics_peers() if self.metrics_peers is not None else ()

    def _current_policy(self) -> Policy | None:
        """The policy of the running engine: a new one after a reload. None while there is no engine."""
        try:
            engine = self._mesh.engine
        except ModelMeshError:
            return None
        policy = self._policy
        if policy is None or policy.engine is not engine:
            self._policy = make_policy(self._mesh, engine, self._host, self._peer_snapshots)
            if policy is not None:
                task = asyncio.create_task(_retire(policy.engine), name="modelmesh gateway: retire an engine")
                self._retired.add(task)
                task.add_done_callback(self._retired.discard)
        return self._policy


async def _answers_page(exchange: Exchange, cors: CorsPolicy) -> bool:
    """Say in the answer which web pages may read it. Whether that was all that a browser asked for."""
    exchange.extra_headers = cors.headers(exchange)
    if not cors.is_preflight(exchange):
        return False
    await exchange.answer(200, b"", cors.preflight_headers(exchange))
    return True


def _handler(exchange: Exchange, policy: Policy, caller: Caller) -> Handler:
    """The function for what was asked. Raises Refusal."""
    path = exchange.path
    found = _ROUTES.find(path)
    if found is None:
        if path in ENDPOINTS:
            raise Refusal(404, f"{path} is not served yet by this gateway", code="endpoint_not_served")
        raise Refusal(404, f"there is nothing at {path}; the API begins at /v1", code="unknown_url")
    route, arguments = found
    if not policy.serves(route.endpoint):
        message = f"{route.endpoint} is switched off on this gateway (proxy.endpoints)"
        raise Refusal(404, message, code="endpoint_not_served")
    handler = ROUTES.get(("GET" if exchange.method == "HEAD" else exchange.method, route.path))
    if handler is None:
        raise _wrong_method(exchange, ", ".join(route.methods))
    is_shared = (exchange.method, route.path) in RESOURCES
    is_closed = (is_shared and not caller.may_share(route.endpoint)) or (path == METRICS and not caller.may_watch)
    if is_closed or not caller.may_call(route.endpoint):
        raise PermissionDeniedError(
            f"the key {caller.name!r} may not call {exchange.method} {route.endpoint}.",
            hint="`modelmesh keys list` shows what it may.",
        )
    exchange.route, exchange.arguments = route.path, arguments
    return handler


def _wrong_method(exchange: Exchange, allowed: str) -> Refusal:
    message = f"{exchange.path} does not take {exchange.method}, but {allowed}"
    return Refusal(405, message, code="method_not_allowed", headers={"allow": allowed})


async def _refuse(exchange: Exchange, error: BaseException, redact: Redactor) -> None:
    answer = error_answer(error, exchange, redact)
    await exchange.answer(answer.status, answer.body, answer.headers)


async def _retire(engine: Engine) -> None:
    """Close the old engine's connections of this loop once its last request has ended."""
    while engine.router.in_flight:  # noqa: ASYNC110  (a router does not tell when its last request ends)
        await asyncio.sleep(0.25)
    await _close_transports(engine)


async def _close_transports(engine: Engine) -> None:
    for service in engine.providers.values():
        await service.aclose()
