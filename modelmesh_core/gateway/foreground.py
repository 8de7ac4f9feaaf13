"""A server that the process lives for: signals become calls."""

from __future__ import annotations

import queue
import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .server import ProxyServer

_ENDED = 0
_RELOAD: int | None = getattr(signal, "SIGHUP", None)

Inbox = queue.SimpleQueue[int]


def serve_until_signalled(server: ProxyServer) -> None:
    """Start ``server``, and stop it on SIGTERM or SIGINT (a second one hurries); SIGHUP reloads."""
    inbox: Inbox = queue.SimpleQueue()
    stopping = False
    with _signals_to(inbox):
        server.start(when_ended=lambda: inbox.put(_ENDED))
        while (number := inbox.get()) != _ENDED:
            if number == _RELOAD:
                threading.Thread(target=server.reload, name="modelmesh reload", daemon=True).start()
            elif not stopping:
                stopping = True
                server.begin_stop()
            else:
                server.hurry()
        server.stop()


@contextmanager
def _signals_to(inbox: Inbox) -> Generator[None]:
    """Put the number of every signal into ``inbox``; a handler must not do more."""

    def note(number: int, frame: FrameType | None) -> None:
        inbox.put(number)

    numbers = [signal.SIGTERM, signal.SIGINT, *([_RELOAD] if _RELOAD is not None else [])]
    before = {number: signal.signal(number, note) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
