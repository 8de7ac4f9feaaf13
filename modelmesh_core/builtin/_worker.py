"""One thread that does a connector's blocking work, in order, off the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from modelmesh_core import StorageError

P = ParamSpec("P")
R = TypeVar("R")


class WorkerThread:
    """Usable from any event loop. A thread of its own, because the loop's shared ones may all be waiting elsewhere."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._executor: ThreadPoolExecutor | None = None

    def start(self) -> None:
        self._executor = self._executor or ThreadPoolExecutor(1, thread_name_prefix=self._name)

    def stop(self) -> None:
        executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown(wait=False)

    async def run(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Call ``function`` in the thread. Once begun it finishes, even if the caller is cancelled.

        Raises StorageError unless ``start`` was called.
        """
        if self._executor is None:
            raise StorageError(f"{self._name} is not open.", hint="Call open() first, and nothing after close().")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, lambda: function(*args, **kwargs))
