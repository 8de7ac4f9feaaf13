"""What every storage has to do, done by a real PostgreSQL."""

import asyncio
import hashlib
import os

from modelmesh_core import Secret
from modelmesh_core.testing import StorageConformance
from modelmesh_postgres import PostgresOptions, PostgresStorage


class TestPostgres(StorageConformance):
    lease = 1.0

    def make(self, folder, clock):
        schema = "t" + hashlib.sha256(str(folder).encode()).hexdigest()[:20]
        return PostgresStorage(PostgresOptions(url=Secret(os.environ["MODELMESH_TEST_POSTGRES"]), schema=schema))

    async def pass_time(self, clock, seconds):
        await asyncio.sleep(seconds)  # leases follow the server's clock
