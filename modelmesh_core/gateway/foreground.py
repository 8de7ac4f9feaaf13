"""A server that the process lives for: signals become calls."""

from __future__ import annotations

import ctypes
import gc
import os
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
_MALLOC = ((-8, 1), (-1, 2 * 1024 * 1024), (-3, 1024 * 1024))
"""M_ARENA_MAX: one for all threads, of which one runs at a time. M_TRIM_THRESHOLD: bytes that stay. M_MMAP_THRESHOLD:
from which size on a block is mapped by itself (to set the one ends its growth with the blocks that are freed)."""
RELOAD: int | None = getattr(signal, "SIGHUP", None)
"""The signal that asks for the configuration to be read again; Windows has none."""

Inbox = queue.SimpleQueue[int]


def serve_until_signalled(server: ProxyServer, life_line: int | None = None) -> None:
    """Start ``server``, and stop it on SIGTERM or SIGINT (a second one hurries); SIGHUP reloads.

    ``life_line``: file descriptor of a pipe, at whose end the server is stopped, too.
    """
    inbox: Inbox = queue.SimpleQueue()
    stopping = False
    with signals_to(inbox):
        if life_line is not None:
            threading.Thread(target=_watch, args=(life_line, inbox), name="modelmesh life line", daemon=True).start()
        _spare_the_allocator()
        server.start(when_ended=lambda: inbox.put(_ENDED))
        _spare_the_collector()
        while (number := inbox.get()) != _ENDED:
            if number == RELOAD:
                threading.Thread(target=server.reload, name="modelmesh reload", daemon=True).start()
            elif not stopping:
                stopping = True
                server.begin_stop()
            else:
                server.hurry()
        server.stop()


def _spare_the_collector() -> None:
    """What is there now stays: no collection has to walk it again, and hardly any garbage has cycles."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def _spare_the_allocator() -> None:
    """Keep some memory that was freed: glibc gives back whatever is over 128 KB, and the next round faults it in.

    And keep it in one place: a thread's own arena holds on to what the others could use.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, TypeError, AttributeError):  # another C library
        return
    for parameter, size in _MALLOC:
        mallopt(parameter, size)


def _watch(life_line: int, inbox: Inbox) -> None:
    while os.read(life_line, 1):
        pass
    inbox.put(signal.SIGTERM)


@contextmanager
def signals_to(inbox: Inbox) -> Generator[None]:
    """Put the number of every signal into ``inbox``; a handler must not do more."""

    def note(number: int, frame: FrameType | None) -> None:
        inbox.put(number)

    numbers = [signal.SIGTERM, signal.SIGINT, *([RELOAD] if RELOAD is not None else [])]
    before = {number: signal.signal(number, note) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
