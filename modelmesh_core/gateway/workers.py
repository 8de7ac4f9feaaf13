"""Several processes that serve one address: started, watched, replaced when one dies, and stopped together.

They listen on one socket that they inherit, so that a connection which waits for a worker that died is taken by
another. What they have in common (limits, budgets, keys, standby) they keep in the storage.
"""

from __future__ import annotations

import logging
import os
import queue
import signal
import socket
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import monotonic

import attrs

from ..errors import ConfigurationError, ModelMeshError, Problem
from .foreground import RELOAD, Inbox

logger = logging.getLogger("modelmesh.workers")

FOLDER = "MODELMESH_WORKERS"
"""Variable of a worker's environment: where its listening socket, its life line and its peers are."""
_TOO_SOON = 5.0
"""Seconds within which a worker that ends has failed to start."""
_MOST_FAILURES = 3
"""So many of them in a row, and the gateway gives up."""
_CHECK_SECONDS = 0.2


@attrs.frozen
class Berth:
    """What a worker is started with."""

    listener: int
    """File descriptor of the socket on which it listens."""
    life_line: int
    """Of a pipe that nobody writes to: it ends when the parent does."""
    folder: Path
    """Where the workers find each other."""

    def __str__(self) -> str:
        return f"{self.listener}:{self.life_line}:{self.folder}"

    @classmethod
    def of_environment(cls) -> Berth | None:
        """The one of this process; None if it is no worker. The variable is taken out, so that no child inherits it."""
        stated = os.environ.pop(FOLDER, None)
        if stated is None:
            return None
        listener, life_line, folder = stated.split(":", 2)
        return cls(int(listener), int(life_line), Path(folder))


@attrs.define
class _Worker:
    process: subprocess.Popen[bytes]
    started: float


class Workers:
    """``count`` processes of ``command`` over ``listener``."""

    def __init__(self, command: Sequence[str], count: int, listener: socket.socket) -> None:
        if not hasattr(socket, "AF_UNIX") or os.name != "posix":
            raise ConfigurationError(
                [Problem("several workers need a Unix system", ("proxy", "workers"))], hint="Use workers: 1."
            )
        self._command = list(command)
        self._count = count
        self._listener = listener
        self._workers: list[_Worker] = []
        self._failures = 0
        self._stopping = False

    def run(self, inbox: Inbox) -> None:
        """Serve until a SIGTERM or SIGINT comes into ``inbox``; SIGHUP reloads. Raises ModelMeshError if none lives."""
        mine, theirs = os.pipe()
        os.set_inheritable(mine, True)
        os.set_inheritable(theirs, False)  # it must end with this process, whatever happens to it
        self._listener.set_inheritable(True)
        with tempfile.TemporaryDirectory(prefix="modelmesh-") as folder:
            berth = Berth(self._listener.fileno(), mine, Path(folder))
            try:
                self._workers = [self._start(berth) for _ in range(self._count)]
                while self._workers:
                    self._look_after(berth)
                    self._obey(inbox)
            finally:
                self._end()
                os.close(theirs)
                os.close(mine)

    def _start(self, berth: Berth) -> _Worker:
        process = subprocess.Popen(
            self._command,
            env={**os.environ, FOLDER: str(berth)},
            pass_fds=(berth.listener, berth.life_line),
            start_new_session=True,  # a Ctrl-C goes to the parent, which tells each of them once
        )
        logger.debug("worker %d is started", process.pid)
        return _Worker(process, monotonic())

    def _look_after(self, berth: Berth) -> None:
        """Put a new worker in the place of each that ended though nobody told it to."""
        for place, worker in enumerate(list(self._workers)):
            code = worker.process.poll()
            if code is None:
                continue
            if self._stopping:
                self._workers.remove(worker)
                continue
            soon = monotonic() - worker.started < _TOO_SOON
            self._failures = self._failures + 1 if soon else 0
            if self._failures >= max(_MOST_FAILURES, self._count):
                raise ModelMeshError(
                    f"the gateway's workers do not start: the last one ended with code {code}.",
                    hint="The log above says why.",
                )
            logger.error("worker %d ended (%s) and is replaced", worker.process.pid, _said(code))
            self._workers[place] = self._start(berth)

    def _obey(self, inbox: Inbox) -> None:
        try:
            number = inbox.get(timeout=_CHECK_SECONDS)
        except queue.Empty:
            return
        if number != RELOAD:
            self._stopping = True
        for worker in self._workers:
            worker.process.send_signal(number if number == RELOAD else signal.SIGTERM)

    def _end(self) -> None:
        for worker in self._workers:
            worker.process.terminate()
        for worker in self._workers:
            worker.process.wait()


def _said(code: int) -> str:
    return f"by {signal.Signals(-code).name}" if code < 0 else f"code {code}"
