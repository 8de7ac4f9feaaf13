"""One process that asks a mesh, over an upstream of its own, as often as it is told: for tests of shared ledgers.

``python ledger_process.py CONFIG.json``: ``storage`` and ``pool`` sections, ``requests``, ``concurrency``. It writes a
line ``served COST`` for each answer that it was given, and ``refused`` for each that it was not.
"""

import asyncio
import json
import sys
from decimal import Decimal
from pathlib import Path
from random import Random

from meshes import config
from modelmesh_core import ModelMesh, ModelMeshError, Operation, Request
from modelmesh_core.testing import FakeUpstream, answers

INPUT, OUTPUT = 60, 40


def settings(task):
    made = config("a.one", pool=task.get("pool"), storage=task["storage"])
    made["models"]["a.one"]["pricing"] = {"input": 100, "output": 100}
    made["models"]["a.one"]["limits"] = task.get("limits", {})
    made["providers"]["a"].update(task.get("provider", {}))
    return made


async def ask(mesh, gate):
    body = {"messages": [{"role": "user", "content": "x" * 200}], "max_tokens": 60}
    async with gate:
        try:
            done = await mesh.get_router().complete(Request(Operation.CHAT, "chat", body))
        except ModelMeshError:
            return None
        return done.record.answered_by.cost


async def work(task):
    upstream = FakeUpstream()
    upstream.script("https://a.test/v1", [answers.chat("ok", tokens=(INPUT, OUTPUT))])
    mesh = ModelMesh(
        settings(task), environ={}, random=Random(1), clock=upstream.clock, make_transport=upstream.make_transport
    )
    async with mesh:
        gate = asyncio.Semaphore(task.get("concurrency", 8))

        async def one():
            cost = await ask(mesh, gate)
            print("refused" if cost is None else f"served {Decimal(cost):f}", flush=True)

        await asyncio.gather(*(one() for _ in range(task["requests"])))


if __name__ == "__main__":
    asyncio.run(work(json.loads(Path(sys.argv[1]).read_text())))
