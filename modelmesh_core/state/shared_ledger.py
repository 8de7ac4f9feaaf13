"""The ledger that processes share: reservations confirmed, settlements kept, in batches, in a storage.

What a limit or a budget binds is reserved in the storage before the call and settled there before its answer is
given; what is only counted is written a moment later, summed up. While the storage cannot be reached, the policy
decides: each process uses at most its share of what was left, or nothing bound is let through, or everything.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from time import monotonic
from typing import Literal
from uuid import uuid4

from ..errors import StorageError
from ..interfaces.ledger import (
    Amounts,
    Correct,
    LedgerAnswer,
    LedgerBatch,
    LedgerOperation,
    Line,
    Look,
    Reserve,
    Settle,
    Totals,
)
from ..interfaces.storage import Storage
from ..values import Clock
from .accounts import Account, Used, minus, plus
from .allowances import Allowance, LimitReached, line_of
from .ledger import Ledger, Reservation, reserve_operation, settle_operation
from .windows import KINDS

logger = logging.getLogger("modelmesh.ledger")

OnFailure = Literal["local-share", "deny", "allow"]
HOLD_SECONDS = 30.0
"""How long the reservations of a process outlive it."""
FLUSH_SECONDS = 0.1
"""After which what is only counted is written."""
RETRY_SECONDS = 1.0
LOOK_SECONDS = 2.0
"""How old what is known of other processes may get while requests come."""
_RECENT = 60.0
_MOST = 256
"""Operations in one batch."""
_HISTORY = tuple(KINDS.index(kind) for kind in ("day", "month"))
"""Windows that are kept of every account, limited or not."""

Done = Callable[[LedgerAnswer | None], None]
"""Takes an operation's answer; None if the storage could not be asked."""


class SharedLedger:
    """One process's side of the ledger in a storage. Its work is done in one event loop; anybody may hand it over."""

    def __init__(
        self,
        ledger: Ledger,
        storage: Storage,
        clock: Clock,
        *,
        policy: OnFailure = "local-share",
        hold: float = HOLD_SECONDS,
    ) -> None:
        self.owner = uuid4().hex
        self.policy: OnFailure = policy
        self.replicas = 1
        """Processes that share the ledger, this one included, as last known."""
        self.is_reachable = True
        self._ledger = ledger
        self._storage = storage
        self._clock = clock
        self._hold = hold
        self._lock = threading.Lock()
        self._queue: list[tuple[LedgerOperation, Done | None]] = []
        self._owed: set[Account] = set()
        """Used, and not yet written to their history."""
        self._owed_bound: dict[Allowance, Used] = {}
        """Used while the storage could not be asked."""
        self._sequence = 0
        self._unsure: LedgerBatch | None = None
        """Sent, and not known whether it arrived."""
        self._names = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake = asyncio.Event()
        self._is_awake = False
        self._task: asyncio.Task[None] | None = None
        self._unsure_done: list[Done | None] = []
        self._looked_at = 0.0
        self._wrote_history_at = 0.0
        self._sent_at = 0.0

    @property
    def is_started(self) -> bool:
        """Whether its work has begun."""
        return self._loop is not None

    @property
    def share(self) -> float:
        """How much of what is left this process may use by itself: all of it, unless the storage is out of reach."""
        return 1.0 if self.is_reachable or self.policy != "local-share" else 1.0 / max(1, self.replicas)

    # --- on the request's way ----------------------------------------------------------------------------------------

    async def confirm(self, reservation: Reservation) -> LimitReached | None:
        """Reserve in the storage what was reserved here; if it is refused there, the reservation is released."""
        now = self._clock.now()
        if not self.is_reachable:
            return self._by_policy(reservation, now)
        self._names += 1
        reservation.id = f"{self.owner}-{self._names}"
        answer = await self._ask(reserve_operation(reservation, now))
        if answer is None:
            return self._by_policy(reservation, now)
        refused: LimitReached | None = None
        if answer.refused is not None:
            refused = _refusal(reservation.kept, answer.refused, answer.measure, now)
        with self._ledger.lock:
            self._learn(reservation.kept, answer.totals, now)
        if refused is not None:
            reservation.id = ""
            reservation.kept = ()  # there is nothing to end in the storage
            reservation.release(now)
        return refused

    def _by_policy(self, reservation: Reservation, now: float) -> LimitReached | None:
        """What becomes of a reservation that the storage could not be asked for."""
        if self.policy != "deny":
            return None  # within the share that ``Ledger.reserve`` left it, or without bounds but its own
        reservation.release(now)
        return LimitReached("ledger cannot be reached, and on_storage_failure is deny", now + RETRY_SECONDS)

    def settle(self, reservation: Reservation, used: Used, now: float) -> None:
        """Hand over what was used. Called under the ledger's lock; ``flushed`` waits until it is kept."""
        bound = reservation.kept
        with self._lock:
            if not self._owed and self._loop is not None:
                with contextlib.suppress(RuntimeError):
                    self._loop.call_soon_threadsafe(self._loop.call_later, FLUSH_SECONDS, self._wake.set)
            for allowance in bound:
                allowance.account.unsent = plus(allowance.account.unsent, used)
            for allowance in reservation.allowances:
                self._owed.add(allowance.account)
            if bound and not reservation.id:
                for allowance in bound:
                    self._owed_bound[allowance] = plus(self._owed_bound.get(allowance, (0, 0, 0)), used)
        if bound and reservation.id:
            self._put(settle_operation(reservation, Amounts(*used), now), self._settled(bound, used, now))

    def _settled(self, bound: tuple[Allowance, ...], used: Used, now: float) -> Done:
        def done(answer: LedgerAnswer | None) -> None:
            if answer is None:
                return  # it is sent again
            with self._ledger.lock:
                for allowance in bound:
                    allowance.account.unsent = minus(allowance.account.unsent, used)
                self._learn(bound, answer.totals, now)
            self._alert(bound, answer.totals, used[2], now)

        return done

    async def flushed(self) -> None:
        """Wait until everything that was handed over so far is kept, or the storage is known to be out of reach."""
        if self.is_reachable:
            await self._ask(Look(()))

    def correct(self, allowance: Allowance, place: int, amounts: Amounts, now: float) -> None:
        """Tell the others what the provider said."""
        line, _ = line_of(allowance.account, place, now)
        self._put(Correct(line, amounts), None)

    def refresh(self, allowances: Sequence[Allowance]) -> None:
        """Learn what the others used of ``allowances``."""
        now = self._clock.now()
        kept = tuple(a for a in allowances if a.is_kept)
        if kept:
            lines = tuple(line for allowance in kept for line in allowance.lines(now))
            self._put(Look(lines), lambda answer: self._take(kept, answer, now))

    def _take(self, kept: tuple[Allowance, ...], answer: LedgerAnswer | None, now: float) -> None:
        if answer is not None:
            with self._ledger.lock:
                self._learn(kept, answer.totals, now)

    def _learn(self, kept: tuple[Allowance, ...], totals: Sequence[Totals], now: float) -> None:
        position = 0
        for allowance in kept:
            for place in allowance.places():
                allowance.account.learn(place, totals[position], allowance.account.unsent, now)
                position += 1
            position += allowance.limits.concurrent is not None

    def _alert(self, kept: tuple[Allowance, ...], totals: Sequence[Totals], nanos: int, now: float) -> None:
        position = 0
        for allowance in kept:
            for row in range(len(allowance.limits.windows)):
                after = totals[position].used.nanos
                self._ledger.passed(allowance, row, after - nanos, after, now)
                position += 1
            position += allowance.limits.concurrent is not None

    # --- handing over ------------------------------------------------------------------------------------------------

    async def _ask(self, operation: LedgerOperation) -> LedgerAnswer | None:
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[LedgerAnswer | None] = loop.create_future()

        def set_answer(answer: LedgerAnswer | None) -> None:
            if not answered.done():
                answered.set_result(answer)

        def done(answer: LedgerAnswer | None) -> None:
            with contextlib.suppress(RuntimeError):  # the asker's loop is gone
                loop.call_soon_threadsafe(set_answer, answer)

        self._put(operation, set_answer if loop is self._loop else done)
        return await answered

    def _put(self, operation: LedgerOperation, done: Done | None) -> None:
        with self._lock:
            self._queue.append((operation, done))
            if self._is_awake or self._loop is None:
                return
            self._is_awake = True
        with contextlib.suppress(RuntimeError):  # it is being closed: ``close`` sends what is left
            self._loop.call_soon_threadsafe(self._wake.set)

    # --- in the background -------------------------------------------------------------------------------------------

    async def start(self, *, read_only: bool = False) -> None:
        """Learn what is used already, and begin to work, unless this process only looks.

        Raises StorageError if the storage cannot be asked.
        """
        self._loop = asyncio.get_running_loop()
        with self._ledger.lock:
            allowances = [a for a in self._ledger.allowances.values() if a.is_kept]
        for start in range(0, len(allowances), _MOST):
            self.refresh(allowances[start : start + _MOST])
        while self.is_reachable and (batch := self._taken()):
            await self._send(batch)
        if not self.is_reachable:
            raise StorageError("the ledger cannot be read.", hint="Is the storage there? The log says more.")
        if not read_only:
            self._task = asyncio.create_task(self._work(), name="modelmesh ledger")

    async def restore(self, known: Iterable[Account], adopt: Callable[[Account], None]) -> None:
        """Learn what is used of ``known`` accounts in this day and month, limited or not.

        ``adopt`` is given those of which anything is.
        """
        listed = list(known)
        for start in range(0, len(listed), _MOST):
            some, now = listed[start : start + _MOST], self._clock.now()
            lines = tuple(line_of(account, place, now)[0] for account in some for place in _HISTORY)
            answers = await self._send([(Look(lines), None)])
            if not answers:
                return
            for number, totals in enumerate(answers[0].totals):
                account, place = some[number // len(_HISTORY)], _HISTORY[number % len(_HISTORY)]
                if any(totals.used):
                    account.learn(place, totals, (0, 0, 0), now)
            for account in some:
                if account.version:
                    adopt(account)

    async def _work(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._pause()):
                    await self._wake.wait()
            self._wake.clear()
            with self._lock:
                self._is_awake = False
            try:
                await self._round()
            except Exception:
                logger.exception("the ledger's work failed, and goes on")

    def _pause(self) -> float:
        """Seconds until there is something to do though nobody asks."""
        if not self.is_reachable:
            return RETRY_SECONDS
        return LOOK_SECONDS if self._recent() else self._hold / 3

    async def _round(self) -> None:
        if not self.is_reachable:
            await self._try_again()
            return
        self._look_around()
        while batch := self._taken():
            await self._send(batch)
            if not self.is_reachable:
                return
        if monotonic() - self._sent_at >= self._hold / 3:
            await self._send([])  # a sign of life, or the reservations of this process are released

    def _look_around(self) -> None:
        if monotonic() - self._looked_at >= LOOK_SECONDS:
            self._looked_at = monotonic()
            self.refresh(self._recent())

    def _recent(self) -> list[Allowance]:
        """What requests were bound by in the last minute."""
        now = self._clock.now()
        with self._ledger.lock:
            return [
                allowance
                for allowance in self._ledger.allowances.values()
                if allowance.is_kept and now - (allowance.account.last_request or 0.0) < _RECENT
            ]

    def _taken(self, *, everything: bool = False) -> list[tuple[LedgerOperation, Done | None]]:
        """The next operations; now and then with what is owed."""
        now = self._clock.now()
        owed: set[Account] = set()
        with self._lock:
            taken, self._queue = self._queue[:_MOST], self._queue[_MOST:]
            if everything or not 0 <= monotonic() - self._wrote_history_at < FLUSH_SECONDS:
                owed, self._owed = self._owed, owed
                self._wrote_history_at = monotonic()
        with self._ledger.lock:
            used = {account: account.unwritten() for account in owed}
        for account, amounts in used.items():
            if any(amounts):
                taken.append((Settle("", self._history(account, now), Amounts(*amounts)), None))
        return taken

    def _history(self, account: Account, now: float) -> tuple[Line, ...]:
        """The day and the month of ``account``, without those in which it is limited: these are counted already."""
        allowance = self._ledger.allowances.get(account.name)
        limited = allowance.places() if allowance is not None else ()
        return tuple(line_of(account, place, now)[0] for place in _HISTORY if place not in limited)

    async def _send(self, taken: list[tuple[LedgerOperation, Done | None]]) -> Sequence[LedgerAnswer]:
        """Send one batch. Its answers; none if the storage is out of reach."""
        self._sequence += 1
        self._sent_at = monotonic()
        batch = LedgerBatch(self.owner, self._sequence, self._hold, tuple(operation for operation, _ in taken))
        try:
            answers = await self._storage.transact(batch)
        except StorageError as error:
            self._lost(batch, taken, error)
            return ()
        except Exception as error:
            self._lost(batch, taken, error)
            raise
        for (_, done), answer in zip(taken, answers, strict=True):
            if done is not None:
                done(answer)
        return answers

    def _lost(self, batch: LedgerBatch, taken: list[tuple[LedgerOperation, Done | None]], error: Exception) -> None:
        """The storage is out of reach: nobody waits for it any more."""
        self.is_reachable = False
        self._unsure = batch
        self._unsure_done = [done for _, done in taken]
        logger.error("the ledger cannot be reached (%s): %s", _POLICY[self.policy], error)
        with self._lock:
            waiting = [done for operation, done in self._queue if isinstance(operation, (Reserve, Look))]
            self._queue = [(o, done) for o, done in self._queue if not isinstance(o, (Reserve, Look))]
        for done in (*waiting, *(done for o, done in taken if not isinstance(o, Settle))):
            if done is not None:
                done(None)

    async def _try_again(self) -> None:
        """Send the batch of which nothing is known, once more; then what was used meanwhile."""
        assert self._unsure is not None
        try:
            answers = await self._storage.transact(self._unsure)
        except StorageError:
            return
        settled = zip(self._unsure.operations, self._unsure_done, answers, strict=True)
        for operation, done, answer in settled:
            if isinstance(operation, Settle) and done is not None:
                done(answer)
        self._unsure = None
        now = self._clock.now()
        with self._ledger.lock, self._lock:
            owed, self._owed_bound = self._owed_bound, {}
            for allowance, used in owed.items():
                operation = Settle("", allowance.lines(now), Amounts(*used))
                self._queue.append((operation, self._settled((allowance,), used, now)))
            self._is_awake = True
        self.is_reachable = True
        self._wake.set()
        logger.warning("the ledger can be reached again")

    async def close(self) -> None:
        """Write what is left. What cannot be written is told in the log."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        if not self.is_reachable:
            await self._try_again()
        while self.is_reachable and (batch := self._taken(everything=True)):
            await self._send(batch)
        if not self.is_reachable:
            logger.error("the ledger could not be reached at the end: the last usage is not in it")


_POLICY: dict[OnFailure, str] = {
    "local-share": "each process goes on within its share of what was left",
    "deny": "what limits or budgets bind is refused",
    "allow": "limits are kept by this process alone",
}


def _refusal(kept: tuple[Allowance, ...], line: int, measure: str, now: float) -> LimitReached:
    for allowance in kept:
        lines = len(allowance.lines(now))
        if line < lines:
            return allowance.refusal_of(line, measure, now)
        line -= lines
    raise StorageError(f"the storage refused at line {line} of a reservation that has fewer.")
