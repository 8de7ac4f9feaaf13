"""FaultyProvider: an OpenAI-compatible server on loopback that breaks on demand."""

from __future__ import annotations

import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Self

import orjson

from .answering import HEALTHY, Answering
from .catalogue import find_fault
from .connection import Connection
from .content import as_object
from .dialect import HealthyAnswer, Prefill, Speaker, error_answer
from .fault import Fault
from .seen import SeenRequest
from .service import HOST, Service
from .wire import RawRequest

Choose = Callable[[SeenRequest], "str | Fault | None"]
KEY_HEADERS = frozenset({"authorization", "proxy-authorization", "api-key", "x-api-key", "x-goog-api-key", "cookie"})


class FaultyProvider:
    """A provider that answers well, or breaks as it is told: see FAULTS.

    It runs in a thread and an event loop of its own, at a port of 127.0.0.1 that the system chooses, so that
    synchronous and asynchronous tests, and other processes, can call it. Use it as a context manager, or ``start`` and
    ``stop`` it. ``fault``, ``script`` and ``choose`` say what happens; the latest of them holds.
    """

    def __init__(
        self,
        *,
        text: str | Callable[[dict[str, Any]], str] | None = None,
        different: bool = False,
        prefill: Prefill = "continue",
        models: Sequence[str] = ("faulty-model",),
        pace: float = 0.0,
        latency: float = 0.0,
        limit: float = 60.0,
    ) -> None:
        """
        text: what it says in place of ``answer_to(body)``, or a function of the body.
        different: says something else than the other providers.
        prefill: what it makes of a last message of the assistant: ``continue`` goes on where that ends, ``reject``
            answers 400, ``ignore`` starts again.
        models: what it lists. It answers for any model.
        pace: seconds after each event of a stream.
        latency: seconds before each answer.
        limit: seconds after which an answer under way is reset, and an idle connection closed.
        """
        self.pace = pace
        self.latency = latency
        self.limit = limit
        self.requests: list[SeenRequest] = []
        """In the order in which they came. It grows while they come; clear it at will."""
        self.redirect_visits = 0
        """How often somebody followed the redirect of ``http-302``."""
        self.connections: set[Connection] = set()
        """Kept by the connections themselves; see ``open_connections``."""
        self._speaker = Speaker(text, different, prefill, models)
        self._numbers = itertools.count(1)
        self._fault: Fault | None = None
        self._choose: Choose = lambda request: None
        self._under_way = 0
        self._changed = threading.Condition()
        self._service: Service | None = None

    # --- life --------------------------------------------------------------------------------------------------------

    def start(self) -> Self:
        """Listen; returns when it does. Raises RuntimeError when it is running."""
        if self._service is not None:
            raise RuntimeError("this FaultyProvider is running: stop it before you start it again")
        self._service = Service(self, listens=self._fault is None or not self._fault.refuses)
        return self

    def stop(self) -> None:
        """Reset all connections, close all sockets and end the thread. Does nothing when it is not running."""
        if self._service is not None:
            self._service.stop()
            self._service = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.stop()

    @property
    def base_url(self) -> str:
        """Such as ``http://127.0.0.1:40123/v1``. Raises RuntimeError when it is not running."""
        return f"http://{HOST}:{self.port}/v1"

    @property
    def port(self) -> int:
        """Raises RuntimeError when it is not running."""
        return self._running().port

    def _running(self) -> Service:
        if self._service is None:
            raise RuntimeError("this FaultyProvider is not running: use it in a with statement, or start() it")
        return self._service

    # --- what happens ------------------------------------------------------------------------------------------------

    @property
    def fault(self) -> Fault | None:
        """What happens to every request from now on; None: it is healthy. Assign a name of FAULTS or a Fault.

        With ``connection-refused`` all connections are reset and the listener is closed before the assignment returns.
        Raises KeyError for an unknown name.
        """
        return self._fault

    @fault.setter
    def fault(self, fault: str | Fault | None) -> None:
        found = find_fault(fault)
        self._set(lambda request: found, found)

    def script(self, faults: Iterable[str | Fault | None]) -> None:
        """One fault for each request, in order; the last one repeats. Raises KeyError for an unknown name."""
        left = deque(find_fault(fault) for fault in faults)
        if not left:
            raise ValueError("a script needs at least one entry")
        self._set(lambda request: left.popleft() if len(left) > 1 else left[0])

    @property
    def choose(self) -> Choose:
        """A function of each request that names its fault; called in the provider's thread.

        An exception that it raises is answered with a 500 that tells it.
        """
        return self._choose

    @choose.setter
    def choose(self, choose: Choose) -> None:
        self._set(choose)

    def _set(self, choose: Choose, fault: Fault | None = None) -> None:
        self._choose, self._fault = choose, fault
        if self._service is not None:
            self._service.listen(fault is None or not fault.refuses)

    # --- what happened -----------------------------------------------------------------------------------------------

    @property
    def open_connections(self) -> int:
        """Those that neither side has closed."""
        return len(self.connections)

    def wait_until_idle(self, seconds: float) -> bool:
        """Block until no request is under way, at most ``seconds``; whether that is so."""
        with self._changed:
            return self._changed.wait_for(lambda: self._under_way == 0, seconds)

    # --- called by connections, in the provider's thread -------------------------------------------------------------

    def begin(self, raw: RawRequest, connection: Connection, *, is_first: bool) -> Answering:
        request = _seen(raw, next(self._numbers))
        fault, healthy = self._decide(request)
        request.fault = None if fault is HEALTHY else fault.name
        with self._changed:
            self._under_way += 1
            self.requests.append(request)
        return Answering(
            request,
            fault,
            healthy,
            connection,
            pace=self.pace,
            redirect_url=self._running().redirect_url,
            first_on_connection=is_first,
        )

    def finish(self, request: SeenRequest) -> None:
        request.ended_at = time.monotonic()
        with self._changed:
            self._under_way -= 1
            self._changed.notify_all()

    def _decide(self, request: SeenRequest) -> tuple[Fault, HealthyAnswer]:
        try:
            fault = find_fault(self._choose(request))
            healthy = self._speaker.answer(request)
        except Exception as error:
            return HEALTHY, error_answer(500, f"this answer could not be made: {error!r}", "server_error")
        kind = "stream" if request.stream and healthy.stream is not None else "whole"
        return (fault if fault is not None and kind in fault.applies_to else HEALTHY), healthy


def _seen(raw: RawRequest, number: int) -> SeenRequest:
    try:
        parsed: Any = orjson.loads(raw.body)
    except ValueError:
        parsed = None
    body = as_object(parsed) if isinstance(parsed, dict) else None
    return SeenRequest(
        number=number,
        at=time.monotonic(),
        method=raw.method,
        path=raw.target,
        headers={name: "(hidden)" if name in KEY_HEADERS else value for name, value in raw.headers.items()},
        body=body,
        model=None if body is None or body.get("model") is None else str(body["model"]),
        stream=body is not None and body.get("stream") is True,
    )
