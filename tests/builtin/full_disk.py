"""A process whose files may not grow: ``python full_disk.py CONNECTOR PATH``. For tests of a full disk.

Saves, counts and reserves until the storage refuses, then makes room and goes on. Prints what it saw as JSON.
"""

import asyncio
import json
import resource
import signal
import sys

from modelmesh_core import ConnectorRegistry, StorageConnector, StorageError
from modelmesh_core.interfaces.ledger import Amounts, LedgerBatch, Line, Settle

ROOM = 300_000
"""Bytes that one file may have."""
SIZE = 20_000


async def work(connector_id, path):
    connector = ConnectorRegistry().connector(StorageConnector, connector_id)
    storage = connector.create(connector.options(path=path))
    await storage.open()
    await storage.save("kept/before", b"whole")
    line = Line("key:team|day", 0, 0, 0, 0, (None, None, None))
    sequence = 0

    async def settle():
        nonlocal sequence
        sequence += 1
        operation = Settle("", (line,), Amounts(1, 10, 100))
        return (await storage.transact(LedgerBatch("owner", sequence, 60.0, (operation,))))[0].totals[0].used.requests

    counted = await settle()
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, hard))
    saved, refused = 0, ""
    for number in range(200):
        try:
            await storage.save(f"many/{number:03}", bytes([number]) * (SIZE + number * 3000))
            saved = number + 1
        except StorageError as error:
            refused = str(error)
            break
    whole = [
        (await storage.load(f"many/{number:03}")) == bytes([number]) * (SIZE + number * 3000) for number in range(saved)
    ]
    there = await storage.load(f"many/{saved:03}")
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    await storage.save("kept/after", b"there is room again")
    after = await settle()
    found = {
        "saved": saved,
        "refused": refused,
        "whole": all(whole),
        "half": there is not None,
        "before": (await storage.load("kept/before") or b"").decode(),
        "counted": [counted, after],
    }
    await storage.close()
    print(json.dumps(found))


if __name__ == "__main__":
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    asyncio.run(work(*sys.argv[1:]))
