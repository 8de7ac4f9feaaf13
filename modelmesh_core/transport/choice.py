"""The choice among the HTTP engines."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import ConfigurationError
from ..values import Clock, SystemClock
from .protocol import Transport, TransportOptions

ENGINES = ("httpx", "pyreqwest", "httptools")


def create_transport(engine: str, options: TransportOptions, clock: Clock | None = None) -> Transport:
    """The engine named ``engine``: ``httpx``, ``pyreqwest``, ``httptools``, or ``auto`` for httpx.

    The others are several times as fast as httpx. pyreqwest works in threads of its own and cannot close the socket
    of a call that is cancelled before the response's head; httptools works in the event loop and can.
    Raises ConfigurationError if the engine is unknown or not installed.
    """
    clock = clock or SystemClock()
    if engine in ("auto", "httpx"):
        from .httpx_engine import HttpxTransport

        return HttpxTransport(options, clock)
    if engine not in ENGINES:
        raise ConfigurationError(f"unknown HTTP engine {engine!r}; expected one of auto, {', '.join(ENGINES)}")
    try:
        return _fast(engine)(options, clock)
    except ImportError as error:
        raise ConfigurationError(
            f"the HTTP engine {engine} is not installed.", hint="pip install 'modelmesh-core[fast]'"
        ) from error


def _fast(engine: str) -> Callable[[TransportOptions, Clock], Transport]:
    if engine == "pyreqwest":
        from .pyreqwest_engine import PyreqwestTransport

        return PyreqwestTransport
    from .httptools_engine import HttptoolsTransport

    return HttptoolsTransport
