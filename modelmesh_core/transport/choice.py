"""The choice among the HTTP engines."""

from __future__ import annotations

from ..errors import ConfigurationError
from ..values import Clock, SystemClock
from .protocol import Transport, TransportOptions

ENGINES = ("httpx", "pyreqwest")


def create_transport(engine: str, options: TransportOptions, clock: Clock | None = None) -> Transport:
    """The engine named ``engine``: ``httpx``, ``pyreqwest``, or ``auto`` for httpx.

    pyreqwest is several times as fast and has to be asked for: it cannot close the socket of a call that is cancelled
    before the response's head. Raises ConfigurationError if the engine is unknown or not installed.
    """
    clock = clock or SystemClock()
    if engine in ("auto", "httpx"):
        from .httpx_engine import HttpxTransport

        return HttpxTransport(options, clock)
    if engine != "pyreqwest":
        raise ConfigurationError(f"unknown HTTP engine {engine!r}; expected one of auto, {', '.join(ENGINES)}")
    try:
        from .pyreqwest_engine import PyreqwestTransport
    except ImportError as error:
        raise ConfigurationError(
            "the HTTP engine pyreqwest is not installed.", hint="pip install 'modelmesh-core[fast]'"
        ) from error
    return PyreqwestTransport(options, clock)
