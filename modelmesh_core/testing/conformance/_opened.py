"""What an author of a storage's test class writes and overrides."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from pathlib import Path

from modelmesh_core import Clock, Storage

from ..clock import FakeClock


class Opened(ABC):
    """Makes and opens the storage that is tested."""

    lease: float = 30.0
    """Seconds. Lower it where ``pass_time`` has to wait for a server's clock."""

    @abstractmethod
    def make(self, folder: Path, clock: Clock) -> Storage:
        """A new storage, not opened. Two of the same ``folder`` are the same store, if it is shared.

        ``folder`` exists, is empty before each test, and has a name that no other test has: a server's connector
        takes it as a prefix.
        """

    async def pass_time(self, clock: FakeClock, seconds: float) -> None:
        """Let ``seconds`` go by for the store's leases. Overridden where they follow another clock than ``clock``."""
        clock.advance(seconds)

    @contextlib.asynccontextmanager
    async def opened(self, folder: Path, clock: Clock | None = None) -> AsyncGenerator[Storage]:
        """A storage that is open for the length of the block."""
        storage = self.make(folder, clock or FakeClock())
        await storage.open()
        try:
            yield storage
        finally:
            await storage.close()
