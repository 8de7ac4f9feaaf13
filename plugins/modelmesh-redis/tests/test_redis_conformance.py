"""What every storage has to do, done by a real Redis."""

import asyncio
import os

from modelmesh_core import Secret
from modelmesh_core.testing import StorageConformance
from modelmesh_redis import RedisOptions, RedisStorage


class TestRedis(StorageConformance):
    lease = 1.0

    def make(self, folder, clock):
        return RedisStorage(RedisOptions(url=Secret(os.environ["MODELMESH_TEST_REDIS"]), prefix=str(folder)))

    async def pass_time(self, clock, seconds):
        await asyncio.sleep(seconds)  # leases follow the server's clock
