"""The part of ``StorageConformance`` that is about the ledger: ``transact``."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from random import Random

from modelmesh_core import (
    Amounts,
    Correct,
    LedgerAnswer,
    LedgerBatch,
    LedgerBook,
    LedgerOperation,
    Line,
    Look,
    Reserve,
    Settle,
    Storage,
    SystemClock,
    Totals,
)

from ..clock import FakeClock
from ._opened import Opened
from ._processes import run_in_processes
from ._support import in_loop

PROCESSES, TRIES, LIMIT = 8, 40, 150
DAY = 86_400
TODAY = 20_000 * DAY
_HOLD = 30.0


def day_line(key: str = "model:acme|day", slot: int = TODAY, **more: object) -> Line:
    """A calendar day, without limits unless told."""
    return Line(key, slot, slot, slot, slot - DAY)._replace(**more)


def _answer(used: tuple[int, int, int], held: tuple[int, int, int]) -> LedgerAnswer:
    return LedgerAnswer((Totals(TODAY, Amounts(*used), Amounts(*held)),))


class _Process:
    """One process's way to the ledger."""

    def __init__(self, storage: Storage, owner: str = "one", hold: float = _HOLD) -> None:
        self.storage, self.owner, self.hold, self.sequence = storage, owner, hold, 0

    async def __call__(self, *operations: LedgerOperation) -> tuple[LedgerAnswer, ...]:
        self.sequence += 1
        batch = LedgerBatch(self.owner, self.sequence, self.hold, operations)
        return tuple(await self.storage.transact(batch))


class LedgerConformance(Opened):
    """What every storage's ledger has to do. Part of ``StorageConformance``."""

    @in_loop
    async def test_a_reservation_counts_until_it_is_settled_and_then_what_was_used(self, tmp_path: Path) -> None:
        async with self.opened(tmp_path) as storage:
            ask, line = _Process(storage), day_line()
            (reserved,) = await ask(Reserve("r1", (line,), Amounts(1, 500, 70)))
            assert reserved == _answer((0, 0, 0), (1, 500, 70))
            (settled,) = await ask(Settle("r1", (line,), Amounts(1, 320, 2_000_000_000_000)))
            assert settled == _answer((1, 320, 2_000_000_000_000), (0, 0, 0))
            assert await ask(Look((line,))) == (settled,), "looking changes nothing"

    @in_loop
    async def test_a_reservation_that_would_pass_a_limit_is_refused_whole(self, tmp_path: Path) -> None:
        async with self.opened(tmp_path) as storage:
            ask = _Process(storage)
            wide = day_line("pool:chat|day")
            narrow = day_line("model:acme|day", limits=(2, 1000, 50))
            answers = await ask(
                Reserve("r1", (wide, narrow), Amounts(1, 600, 10)),
                Reserve("r2", (wide, narrow), Amounts(1, 401, 10)),
                Reserve("r3", (wide, narrow), Amounts(1, 100, 41)),
                Reserve("r4", (wide, narrow), Amounts(1, 400, 40)),
                Reserve("r5", (wide, narrow), Amounts(1, 0, 0)),
            )
            outcomes = [(answer.refused, answer.measure) for answer in answers]
            assert outcomes == [(None, ""), (1, "tokens"), (1, "nanos"), (None, ""), (1, "requests")]
            assert answers[-1].totals[0].held == (2, 1000, 50), "what was refused is counted nowhere"

    @in_loop
    async def test_what_costs_nothing_is_not_bound_by_money(self, tmp_path: Path) -> None:
        async with self.opened(tmp_path) as storage:
            ask, line = _Process(storage), day_line(limits=(None, None, 100))
            first, free, priced = await ask(
                Settle("", (line,), Amounts(1, 10, 100)),
                Reserve("r1", (line,), Amounts(1, 10, 0)),
                Reserve("r2", (line,), Amounts(1, 10, 1)),
            )
            assert (first.refused, free.refused, priced.refused) == (None, None, 0)

    @in_loop
    async def test_requests_in_flight_count_only_while_they_are(self, tmp_path: Path) -> None:
        async with self.opened(tmp_path) as storage:
            ask = _Process(storage)
            line = Line("model:acme|flight", 0, 0, 0, 0, (1, None, None), is_passing=True)
            first, second, _, third = await ask(
                Reserve("r1", (line,), Amounts(1, 5, 5)),
                Reserve("r2", (line,), Amounts(1, 5, 5)),
                Settle("r1", (line,), Amounts(1, 9, 9)),
                Reserve("r3", (line,), Amounts(1, 5, 5)),
            )
            assert (first.refused, second.refused, third.refused) == (None, 0, None)
            assert third.totals[0].used == (0, 0, 0)

    @in_loop
    async def test_a_settlement_without_its_reservation_still_counts(self, tmp_path: Path) -> None:
        async with self.opened(tmp_path) as storage:
            (answer,) = await _Process(storage)(Settle("gone", (day_line(),), Amounts(1, 7, 9)))
            assert answer.totals[0].used == (1, 7, 9)

    @in_loop
    async def test_a_settlement_counts_in_the_window_of_its_reservation(self, tmp_path: Path) -> None:
        async with self.opened(tmp_path) as storage:
            ask, tomorrow = _Process(storage), day_line(slot=TODAY + DAY)
            await ask(Reserve("r1", (day_line(),), Amounts(1, 10, 0)))
            await ask(Reserve("r2", (tomorrow,), Amounts(1, 20, 0)))
            (late,) = await ask(Settle("r1", (tomorrow,), Amounts(1, 11, 0)))
            assert late.totals[0] == (TODAY + DAY, (0, 0, 0), (1, 20, 0)), "today's belongs to today"

    @in_loop
    async def test_a_window_of_many_slots_is_their_sum(self, tmp_path: Path) -> None:
        async with self.opened(tmp_path) as storage:
            ask = _Process(storage)

            def minute(second: int) -> Line:
                slot = TODAY + second
                return Line("model:acme|rolling", slot, slot - 60, slot, slot - 60, (3, None, None))

            outcomes: list[int | None] = []
            for number, second in enumerate((0, 30, 59, 60, 61, 90, 91)):
                (answer,) = await ask(Reserve(f"r{number}", (minute(second),), Amounts(1)))
                await ask(Settle(f"r{number}", (minute(second),), Amounts(0 if answer.refused == 0 else 1)))
                outcomes.append(answer.refused)
            assert outcomes == [None, None, None, 0, None, 0, None]

    @in_loop
    async def test_all_move_to_the_next_window_with_the_first_of_them(self, tmp_path: Path) -> None:
        async with self.opened(tmp_path) as storage:
            ask, tomorrow = _Process(storage), day_line(slot=TODAY + DAY)
            await ask(Settle("", (day_line(),), Amounts(5)), Settle("", (tomorrow,), Amounts(1)))
            behind = day_line(horizon=TODAY + DAY, limits=(2, None, None))
            one, two = await ask(Reserve("r1", (behind,), Amounts(1)), Reserve("r2", (behind,), Amounts(1)))
            assert (one.refused, one.totals[0].slot) == (None, TODAY + DAY), "its clock is behind by seconds"
            assert two.refused == 0

    @in_loop
    async def test_what_a_wrong_clock_left_in_the_future_does_not_count(self, tmp_path: Path) -> None:
        async with self.opened(tmp_path) as storage:
            ask = _Process(storage)
            await ask(Settle("", (day_line(slot=TODAY + 900 * DAY),), Amounts(9)))
            (answer,) = await ask(Reserve("r1", (day_line(limits=(1, None, None)),), Amounts(1)))
            assert answer == _answer((0, 0, 0), (1, 0, 0))

    @in_loop
    async def test_a_correction_raises_and_never_lowers(self, tmp_path: Path) -> None:
        async with self.opened(tmp_path) as storage:
            ask, line = _Process(storage), day_line()
            first, second = await ask(Correct(line, Amounts(5, 10, 0)), Correct(line, Amounts(3, 20, 0)))
            assert first.totals[0].used == (5, 10, 0)
            assert second.totals[0].used == (5, 20, 0)

    @in_loop
    async def test_a_batch_that_is_sent_again_is_applied_once(self, tmp_path: Path) -> None:
        async with self.opened(tmp_path) as storage:
            line = day_line(limits=(2, None, None))
            operations = Reserve("r1", (line,), Amounts(1)), Settle("", (line,), Amounts(1))
            batch = LedgerBatch("one", 1, _HOLD, (*operations, Reserve("r2", (line,), Amounts(1))))
            first, again = await storage.transact(batch), await storage.transact(batch)
            assert [answer.refused for answer in first] == [answer.refused for answer in again] == [None, None, 0]
            assert again[-1].totals[0] == (TODAY, (1, 0, 0), (1, 0, 0))

    @in_loop
    async def test_reservations_of_the_dead_are_released_and_of_the_living_kept(self, tmp_path: Path) -> None:
        clock = FakeClock()
        async with self.opened(tmp_path, clock) as storage:
            dead, living = _Process(storage, "dead", self.lease), _Process(storage, "living", self.lease)
            line = day_line()
            await dead(Reserve("r1", (line,), Amounts(1, 10, 0)), Settle("", (line,), Amounts(1, 3, 0)))
            await living(Reserve("r2", (line,), Amounts(1, 20, 0)))
            await self.pass_time(clock, self.lease * 0.7)
            await living()
            await self.pass_time(clock, self.lease * 0.7)
            await living()
            (answer,) = await living(Look((line,)))
            assert answer.totals[0] == (TODAY, (1, 3, 0), (1, 20, 0)), "what the dead had settled stays"
            (late,) = await dead(Settle("r1", (line,), Amounts(1, 12, 0)))
            assert late.totals[0].used == (2, 15, 0), "it was not dead: what it used is not lost"

    @in_loop
    async def test_it_is_all_there_for_the_next_process(self, tmp_path: Path) -> None:
        async with self.opened(tmp_path) as first:
            if not (first.shared and first.outlives_process):
                return
            await _Process(first, "a")(Reserve("r1", (day_line(),), Amounts(1, 5, 0)))
        async with self.opened(tmp_path) as second:
            (answer,) = await _Process(second, "b")(Settle("r1", (day_line(),), Amounts(1, 6, 0)))
            assert answer.totals[0] == (TODAY, (1, 6, 0), (0, 0, 0))

    @in_loop
    async def test_it_does_what_the_book_does(self, tmp_path: Path) -> None:
        random, book = Random(8128), LedgerBook()
        async with self.opened(tmp_path) as storage:
            for sequence in range(1, 61):
                operations = tuple(_any_operation(random) for _ in range(random.randrange(6)))
                batch = LedgerBatch("one", sequence, _HOLD, operations)
                expected = book.apply(batch, 0.0)
                assert tuple(await storage.transact(batch)) == expected, batch

    def test_processes_that_reserve_at_once_fill_a_limit_exactly(self, tmp_path: Path) -> None:
        storage = self.make(tmp_path, SystemClock())
        if not (storage.shared and storage.outlives_process):
            return
        run_in_processes(type(self), tmp_path, PROCESSES, "reserve_in_one_process")

        async def read() -> tuple[LedgerAnswer, ...]:
            async with self.opened(tmp_path, SystemClock()) as opened:
                return await _Process(opened, "reader")(Look((_limited(),)))

        assert asyncio.run(read())[0].totals[0] == (TODAY, (LIMIT, 2 * LIMIT, 0), (0, 0, 0))

    @classmethod
    async def reserve_in_one_process(cls, folder: Path) -> bool:
        """What each of the processes does: reserve, and settle what it was given."""
        storage = cls().make(folder, SystemClock())
        await storage.open()
        ask, line = _Process(storage, f"process-{os.getpid()}"), _limited()
        for number in range(TRIES):
            name = f"{os.getpid()}-{number}"
            (answer,) = await ask(Reserve(name, (line,), Amounts(1, 3, 0)))
            if answer.refused is None:
                await ask(Settle(name, (line,), Amounts(1, 2, 0)))
        await storage.close()
        return False


def _limited() -> Line:
    return day_line(limits=(LIMIT, None, None))


def _any_operation(random: Random) -> LedgerOperation:
    amounts = Amounts(random.randrange(2), random.randrange(50), random.choice((0, 7, 3_000_000_000_000)))
    lines = tuple(_any_line(random) for _ in range(random.randrange(1, 4)))
    name = f"r{random.randrange(12)}"
    kind = random.randrange(7)
    if kind < 3:
        return Reserve(f"{name}-{random.randrange(10**9)}" if kind else name, _distinct(lines), amounts)
    if kind < 5:
        return Settle(name, _distinct(lines), amounts)
    return Look(_distinct(lines)) if kind == 5 else Correct(lines[0]._replace(is_passing=False), amounts)


def _any_line(random: Random) -> Line:
    number = random.randrange(6)
    slot = TODAY + DAY * random.randrange(3)
    if number == 5:
        return Line("model:5|flight", 0, 0, 0, 0, (6, None, None), is_passing=True)
    limits = random.choice(((None, None, None), (20, None, None), (None, 300, 9_000_000_000_000)))
    return Line(f"model:{number}|day", slot, slot - DAY * (number % 2), slot + DAY * (number % 3), slot - DAY, limits)


def _distinct(lines: tuple[Line, ...]) -> tuple[Line, ...]:
    """No window twice: a reservation names each of its windows once."""
    return tuple({line.key: line for line in lines}.values())
