"""``StorageConformance``: what every Storage has to do."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from modelmesh_core import SystemClock

from ..clock import FakeClock
from ._ledger import LedgerConformance
from ._processes import run_in_processes
from ._support import in_loop

PROCESSES, ADDS = 8, 25


class StorageConformance(LedgerConformance):
    """Inherit it, name your class ``Test...``, and write ``make``.

    Where ``shared`` is true, two tests start eight processes; each loads your test class by its file and calls
    ``make`` with the same folder. So ``make`` uses nothing but its arguments, the environment, and what the test file
    imports.
    """

    # --- values ------------------------------------------------------------------------------------------------------

    @in_loop
    async def test_saved_bytes_are_loaded_back_unchanged(self, tmp_path: Path) -> None:
        async with self.opened(tmp_path) as storage:
            for data in (b"{}", b"", bytes(range(256)) * 1000):
                await storage.save("state/health", data)
                assert await storage.load("state/health") == data

    @in_loop
    async def test_what_was_never_saved_is_not_there(self, tmp_path: Path) -> None:
        async with self.opened(tmp_path) as storage:
            assert await storage.load("nothing") is None
            assert await storage.stat("nothing") is None
            assert not await storage.exists("nothing")
            assert not await storage.delete("nothing"), "delete must say False when there was nothing"
            assert list(await storage.list()) == []

    @in_loop
    async def test_saving_again_replaces_the_value(self, tmp_path: Path) -> None:
        async with self.opened(tmp_path) as storage:
            await storage.save("key", b"a longer first value")
            await storage.save("key", b"second")
            assert await storage.load("key") == b"second", "nothing of the old value may remain"
            assert list(await storage.list()) == ["key"]

    @in_loop
    async def test_list_gives_the_keys_of_a_prefix_sorted(self, tmp_path: Path) -> None:
        async with self.opened(tmp_path) as storage:
            keys = ["a", "a/b", "a/b.c", "a_b", "ab-1", "b/a", "0.1_x-y/z"]
            for key in keys:
                await storage.save(key, key.encode())
            assert list(await storage.list()) == sorted(keys)
            assert list(await storage.list("a/")) == ["a/b", "a/b.c"]
            assert list(await storage.list("a_")) == ["a_b"], "a prefix is no pattern"
            assert list(await storage.list("c")) == []
            assert await storage.load("a/b") == b"a/b", "a key may also be the beginning of another"

    @in_loop
    async def test_a_deleted_key_is_gone_and_can_be_saved_again(self, tmp_path: Path) -> None:
        async with self.opened(tmp_path) as storage:
            await storage.save("key", b"1")
            assert await storage.delete("key")
            assert await storage.load("key") is None
            assert not await storage.exists("key")
            await storage.save("key", b"2")
            assert await storage.load("key") == b"2"

    @in_loop
    async def test_stat_tells_size_and_age(self, tmp_path: Path) -> None:
        async with self.opened(tmp_path, SystemClock()) as storage:
            before = SystemClock().now()
            await storage.save("key", b"12345")
            info = await storage.stat("key")
            assert info is not None
            assert info.size == 5
            assert before - 5 <= info.modified_at <= SystemClock().now() + 5, "modified_at is in UTC epoch seconds"
            assert await storage.exists("key")

    @in_loop
    async def test_a_reader_never_sees_a_half_written_value(self, tmp_path: Path) -> None:
        async with self.opened(tmp_path) as storage:
            values = [bytes([number]) * 200_000 for number in range(20)]
            await storage.save("key", values[0])

            async def write() -> None:
                for value in values:
                    await storage.save("key", value)

            writer = asyncio.create_task(write())
            while not writer.done():
                assert await storage.load("key") in values
                await asyncio.sleep(0)  # a store in memory never waits, and would keep the writer from its turn
            await writer

    @in_loop
    async def test_a_shared_store_shows_everybody_the_same(self, tmp_path: Path) -> None:
        async with self.opened(tmp_path) as first:
            if not first.shared:
                return
            await first.save("key", b"1")
            async with self.opened(tmp_path) as second:
                assert await second.load("key") == b"1", "what one saved, another loads"
                await second.save("key", b"2")
                await second.add("spend", {"requests": 1}, "day:1")
            assert await first.load("key") == b"2"
            assert await first.add("spend", {}, "day:1") == {"requests": 1}

    # --- counters ----------------------------------------------------------------------------------------------------

    @in_loop
    async def test_counters_add_up_and_give_the_new_totals(self, tmp_path: Path) -> None:
        async with self.opened(tmp_path) as storage:
            first = await storage.add("acme", {"requests": 1, "tokens": 500}, "day:2026-11-23")
            second = await storage.add("acme", {"requests": 1, "tokens": -200}, "day:2026-11-23")
            assert dict(first) == {"requests": 1, "tokens": 500}
            assert dict(second) == {"requests": 2, "tokens": 300}, "a negative amount is a release"

    @in_loop
    async def test_totals_hold_at_least_the_counters_that_were_added_to(self, tmp_path: Path) -> None:
        async with self.opened(tmp_path) as storage:
            await storage.add("acme", {"requests": 1}, "day:1")
            totals = await storage.add("acme", {"cost": 2_000_000_000_000}, "day:1")
            assert totals["cost"] == 2_000_000_000_000, "counters hold at least 63 bits"

    @in_loop
    async def test_adding_nothing_reads(self, tmp_path: Path) -> None:
        async with self.opened(tmp_path) as storage:
            assert dict(await storage.add("acme", {}, "day:1")) == {}
            await storage.add("acme", {"requests": 3, "tokens": -4}, "day:1")
            assert dict(await storage.add("acme", {}, "day:1")) == {"requests": 3, "tokens": -4}
            assert dict(await storage.add("acme", {}, "day:1")) == {"requests": 3, "tokens": -4}

    @in_loop
    async def test_keys_and_windows_are_counted_apart(self, tmp_path: Path) -> None:
        async with self.opened(tmp_path) as storage:
            await storage.add("acme", {"requests": 1}, "day:2026-11-23")
            await storage.add("acme", {"requests": 10}, "day:2026-11-24")
            await storage.add("other", {"requests": 100}, "day:2026-11-23")
            await storage.save("acme", b"a value of the same name")
            assert dict(await storage.add("acme", {}, "day:2026-11-23")) == {"requests": 1}
            assert dict(await storage.add("acme", {}, "day:2026-11-24")) == {"requests": 10}
            assert dict(await storage.add("other", {}, "day:2026-11-23")) == {"requests": 100}
            assert list(await storage.list()) == ["acme"], "counters are no values"

    @in_loop
    async def test_tasks_that_add_at_once_all_count(self, tmp_path: Path) -> None:
        async with self.opened(tmp_path) as storage:

            async def add() -> list[int]:
                return [(await storage.add("acme", {"requests": 1}, "day:1"))["requests"] for _ in range(ADDS)]

            seen = await asyncio.gather(*(add() for _ in range(PROCESSES)))
            totals = sorted(total for task in seen for total in task)
            assert totals == list(range(1, PROCESSES * ADDS + 1)), "every add sees a total of its own"

    def test_processes_that_add_at_once_all_count_and_one_gets_the_lease(self, tmp_path: Path) -> None:
        if not self.make(tmp_path, SystemClock()).shared:
            return
        leases_won = run_in_processes(type(self), tmp_path, PROCESSES, "work_of_one_process")
        assert leases_won == 1, f"{leases_won} of {PROCESSES} processes were given the same lease"

        async def read() -> None:
            async with self.opened(tmp_path, SystemClock()) as storage:
                totals = dict(await storage.add("acme", {}, "day:1"))
                assert totals == {"requests": PROCESSES * ADDS, "tokens": -2 * PROCESSES * ADDS}

        asyncio.run(read())

    @classmethod
    async def work_of_one_process(cls, folder: Path) -> bool:
        """What each of the processes does; whether it was given the lease. It keeps the lease."""
        storage = cls().make(folder, SystemClock())
        await storage.open()
        for _ in range(ADDS):
            await storage.add("acme", {"requests": 1, "tokens": -2}, "day:1")
        return await storage.acquire("leader", f"process-{os.getpid()}", 600.0)

    # --- leases ------------------------------------------------------------------------------------------------------

    @in_loop
    async def test_a_lease_has_one_owner(self, tmp_path: Path) -> None:
        async with self.opened(tmp_path) as storage:
            assert not await storage.is_locked("leader")
            assert await storage.acquire("leader", "one", self.lease)
            assert await storage.is_locked("leader")
            assert not await storage.acquire("leader", "two", self.lease)
            assert await storage.acquire("leader", "one", self.lease), "its owner may take it again"
            assert await storage.acquire("other", "two", self.lease), "each name is a lease of its own"

    @in_loop
    async def test_a_released_lease_is_free(self, tmp_path: Path) -> None:
        async with self.opened(tmp_path) as storage:
            await storage.acquire("leader", "one", self.lease)
            assert not await storage.release("leader", "two"), "only its owner can release it"
            assert await storage.is_locked("leader")
            assert await storage.release("leader", "one")
            assert not await storage.is_locked("leader")
            assert not await storage.release("leader", "one"), "nobody holds it any more"
            assert await storage.acquire("leader", "two", self.lease)

    @in_loop
    async def test_a_lease_expires(self, tmp_path: Path) -> None:
        clock = FakeClock()
        async with self.opened(tmp_path, clock) as storage:
            await storage.acquire("leader", "one", self.lease)
            await self.pass_time(clock, self.lease * 1.5)
            assert not await storage.is_locked("leader")
            assert not await storage.renew("leader", "one", self.lease), "what has expired cannot be renewed"
            assert await storage.acquire("leader", "two", self.lease)
            assert not await storage.release("leader", "one"), "the former owner cannot release the new one's"
            assert await storage.is_locked("leader")

    @in_loop
    async def test_a_renewed_lease_runs_on(self, tmp_path: Path) -> None:
        clock = FakeClock()
        async with self.opened(tmp_path, clock) as storage:
            assert not await storage.renew("leader", "one", self.lease), "nobody holds it yet"
            await storage.acquire("leader", "one", self.lease)
            for _ in range(3):
                await self.pass_time(clock, self.lease * 0.5)
                assert await storage.renew("leader", "one", self.lease)
            assert not await storage.renew("leader", "two", self.lease), "only its owner can renew it"
            assert not await storage.acquire("leader", "two", self.lease)

    @in_loop
    async def test_closing_releases_the_leases_that_were_held(self, tmp_path: Path) -> None:
        async with self.opened(tmp_path) as first:
            if not first.shared:
                return
            async with self.opened(tmp_path) as second:
                await second.acquire("leader", "two", self.lease)
                assert not await first.acquire("leader", "one", self.lease)
            assert await first.acquire("leader", "one", self.lease)
