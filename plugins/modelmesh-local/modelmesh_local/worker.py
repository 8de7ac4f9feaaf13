"""A thread of its own for a native model: it is loaded there at first use, and answers one request at a time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

from modelmesh_core import Failure, FailureKind, ProviderError, provider_error

Model = TypeVar("Model")
Result = TypeVar("Result")
Stopped = Callable[[], bool]


class Worker(Generic[Model]):
    """Runs jobs on a model in one thread, so that loading and answering need no lock."""

    def __init__(self, name: str, load: Callable[[], Model]) -> None:
        self._load = load
        self._model: Model | None = None
        self._closed = threading.Event()
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)

    async def run(self, job: Callable[[Model, Stopped], Result]) -> Result:
        """The job's result. Raises ProviderError of kind CANCELLED once the worker is closed.

        Cancelling drops a job that waits, and makes ``Stopped`` true for one that runs; what it returns then is lost.
        """
        abandoned = threading.Event()
        if self._closed.is_set():
            raise _closed()
        waiting = self._executor.submit(self._work, job, lambda: abandoned.is_set() or self._closed.is_set())
        try:
            return await asyncio.wrap_future(waiting)
        finally:
            abandoned.set()

    def _work(self, job: Callable[[Model, Stopped], Result], stopped: Stopped) -> Result:
        if stopped():
            raise _closed()
        if self._model is None:
            self._model = self._load()
        result = job(self._model, stopped)
        if stopped():
            raise _closed()
        return result

    def close(self) -> None:
        """Stop what runs, refuse what waits, free the model. Blocks until the thread has ended."""
        self._closed.set()
        self._executor.shutdown()
        self._model = None


def _closed() -> ProviderError:
    message = "the local model was stopped before its answer ended, because its provider is shut down"
    return provider_error(Failure(FailureKind.CANCELLED, message))
