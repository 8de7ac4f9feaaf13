"""What a reservation and its settlement cost, in memory and in each store.

    python benchmarks/ledger.py [--seconds 2] [--stores memory,sqlite,local-file,redis,postgres]

A request is bound by four accounts (model, provider, pool, key), each in a minute, an hour, a day and a month.
"in memory" is what every request pays (goal: 5 µs). A store is asked once before an attempt and told once after it;
requests that come together share a step of the store, so the price of one falls with their number.

Redis and PostgreSQL are measured where MODELMESH_REDIS_URL and MODELMESH_POSTGRES_URL name a server.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from time import perf_counter, time
from typing import Any

from modelmesh_core import AccountLimits, ConnectorRegistry, StorageConnector, WindowLimit
from modelmesh_core.state.ledger import Ledger, Reservation
from modelmesh_core.state.shared_ledger import SharedLedger
from modelmesh_core.values import SystemClock

ACCOUNTS = ("model:a.one", "provider:a", "pool:chat", "key:team")
LIMITS = AccountLimits(
    tuple(
        WindowLimit(window, requests=10**9, tokens=10**12, cost=Decimal(10**6))
        for window in ("minute", "hour", "day", "month")
    )
)
TOKENS, COST = 700, 0.001
STORES = {
    "memory": ("modelmesh.memory.v1", {}),
    "sqlite": ("modelmesh.sqlite.v1", {"path": "{folder}/state.db"}),
    "local-file": ("modelmesh.local-file.v1", {"path": "{folder}/state"}),
    "redis": ("redis.redis.v1", {"url": "$MODELMESH_REDIS_URL"}),
    "postgres": ("postgres.postgres.v1", {"url": "$MODELMESH_POSTGRES_URL"}),
}
CONCURRENCY = (1, 32, 256)


def in_memory(accounts: int, rounds: int = 20_000) -> float:
    """Median µs of a reservation and its settlement."""
    ledger = Ledger()
    bound = tuple(ledger.allowance(name, LIMITS) for name in ACCOUNTS[:accounts])
    times: list[float] = []
    now = time()
    for _ in range(rounds):
        started = perf_counter()
        reservation = ledger.reserve(bound, tokens=TOKENS, cost=COST, now=now)
        assert isinstance(reservation, Reservation)
        reservation.settle(now, TOKENS, None)
        times.append(perf_counter() - started)
    return statistics.median(times) * 1e6


async def in_store(connector: StorageConnector, options: dict[str, Any], seconds: float) -> Iterator[tuple[int, Any]]:
    """(requests at once, (median ms of one, requests a second))."""
    storage = connector.create(connector.options(**options) if connector.options is not None else None)
    await storage.open()
    ledger, clock = Ledger(), SystemClock()
    shared = ledger.shared = SharedLedger(ledger, storage, clock)
    bound = tuple(ledger.allowance(name, LIMITS) for name in ACCOUNTS)
    await shared.start()
    rows: list[tuple[int, Any]] = []
    try:
        for concurrency in CONCURRENCY:
            times: list[float] = []
            ends = perf_counter() + seconds

            async def work(times: list[float] = times, ends: float = ends) -> None:
                while perf_counter() < ends:
                    started = perf_counter()
                    reservation = ledger.reserve(bound, tokens=TOKENS, cost=COST, now=clock.now())
                    assert isinstance(reservation, Reservation)
                    assert await shared.confirm(reservation) is None
                    reservation.settle(clock.now(), TOKENS, Decimal("0.001"))
                    await shared.flushed()
                    times.append(perf_counter() - started)

            began = perf_counter()
            await asyncio.gather(*(work() for _ in range(concurrency)))
            took = perf_counter() - began
            rows.append((concurrency, (statistics.median(times) * 1000, len(times) / took)))
    finally:
        await shared.close()
        await storage.close()
    return iter(rows)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--seconds", type=float, default=2.0, help="for each store and number of requests at once")
    arguments.add_argument("--stores", default=",".join(STORES))
    arguments.add_argument("--json", action="store_true")
    stated = arguments.parse_args()
    found: dict[str, Any] = {f"in memory, {n} accounts, µs": round(in_memory(n), 2) for n in (1, 2, 4)}
    registry = ConnectorRegistry()
    for name in stated.stores.split(","):
        connector_id, options = STORES[name]
        missing = [value[1:] for value in options.values() if value[:1] == "$" and value[1:] not in os.environ]
        if missing:
            print(f"{name}: left out, {missing[0]} names no server", file=sys.stderr)
            continue
        with tempfile.TemporaryDirectory() as folder:
            filled = {
                key: os.environ[value[1:]] if value.startswith("$") else value.format(folder=Path(folder))
                for key, value in options.items()
            }
            connector = registry.connector(StorageConnector, connector_id)
            for concurrency, (median, rate) in asyncio.run(in_store(connector, filled, stated.seconds)):
                found[f"{name}, {concurrency} at once"] = {"median ms": round(median, 3), "requests/s": round(rate)}
    if stated.json:
        print(json.dumps(found))
        return
    for name, measured in found.items():
        shown = "  ".join(f"{k} {v:,}" for k, v in measured.items()) if isinstance(measured, dict) else f"{measured:,}"
        print(f"{name:36} {shown}")


if __name__ == "__main__":
    main()
