"""What the ledger asks of a storage: reservations and settlements over windows, each applied whole or not at all.

``LedgerBook`` is the meaning of these operations, in plain Python over plain dicts. A storage that can change one
document atomically keeps a book in it; one with a language of its own (rows, a script) does the same there, and the
conformance suite compares the two.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, cast


class Amounts(NamedTuple):
    """What is counted. Money is in integer nano-dollars, so that sums are exact."""

    requests: int = 0
    tokens: int = 0
    nanos: int = 0

    def plus(self, other: Amounts, sign: int = 1) -> Amounts:
        return Amounts(
            self.requests + sign * other.requests, self.tokens + sign * other.tokens, self.nanos + sign * other.nanos
        )


NOTHING = Amounts()


class Line(NamedTuple):
    """One window of one account. Slots are named by the UTC epoch second at which they begin.

    A calendar window is one slot; a window that follows the clock is the sum of several.
    """

    key: str
    """Which window of whom: ``model:openai.gpt-4.1|day``."""
    slot: int
    """Where an amount is added now."""
    since: int
    """The oldest slot that still counts."""
    horizon: int
    """The latest slot that can be true. What stands in a later one came from a clock that was wrong."""
    oldest: int
    """Slots before this may be forgotten."""
    limits: tuple[int | None, int | None, int | None] = (None, None, None)
    """Most requests, tokens and nano-dollars of the window, reservations included. None is no limit."""
    is_passing: bool = False
    """Counted only while it is reserved: requests in flight."""


class Reserve(NamedTuple):
    """Set ``amounts`` aside in every line, or in none where one of them would pass a limit.

    A limit on money does not bind a request that costs nothing.
    """

    id: str
    lines: tuple[Line, ...]
    amounts: Amounts


class Settle(NamedTuple):
    """Replace reservation ``id`` by the ``amounts`` that were really used, in the windows that it was made in.

    Where there is no such reservation (any more), the amounts are added to ``lines``: what was used is never lost.
    """

    id: str
    lines: tuple[Line, ...]
    amounts: Amounts


class Correct(NamedTuple):
    """Raise what is used in ``line`` to ``amounts``, where it is less: somebody who knows better said so."""

    line: Line
    amounts: Amounts


class Look(NamedTuple):
    """Change nothing; tell the totals of ``lines``."""

    lines: tuple[Line, ...]


LedgerOperation = Reserve | Settle | Correct | Look


class LedgerBatch(NamedTuple):
    """Operations of one process, applied in order, in one atomic step.

    A batch whose answer was lost is sent again with the same ``sequence``: then it is not applied twice.
    """

    owner: str
    """The process. Its reservations live while it sends a batch, if an empty one, within every ``hold`` seconds."""
    sequence: int
    """Counts up from 1 for each owner."""
    hold: float
    """Seconds."""
    operations: tuple[LedgerOperation, ...] = ()


class Totals(NamedTuple):
    """What one line holds now."""

    slot: int
    """Where amounts are added: later than the line's own if another process has begun the next window already."""
    used: Amounts
    """Settled."""
    held: Amounts
    """Reserved, by all processes."""


class LedgerAnswer(NamedTuple):
    """What became of one operation."""

    totals: tuple[Totals, ...]
    """One for each line, after the operation."""
    refused: int | None = None
    """Of a Reserve: the line whose limit it would have passed."""
    measure: str = ""
    """``requests``, ``tokens`` or ``nanos``, where it was refused."""


_ZERO = (0, 0, 0, 0, 0, 0)
_Slots = dict[int, tuple[int, ...]]
"""Slot → used requests, tokens, nanos, then those held."""
_Held = tuple[str, Amounts, tuple[tuple[str, int, bool], ...]]
"""Owner, amounts, and where they stand: key, slot, whether passing."""


class LedgerBook:
    """Counters, reservations and their owners, and what a batch does to them. Not safe for threads by itself."""

    def __init__(self) -> None:
        self.counters: dict[str, _Slots] = {}
        self.held: dict[str, _Held] = {}
        self.owners: dict[str, tuple[float, int]] = {}
        """Owner → until when it lives (UTC epoch seconds), and its last sequence."""
        self.changed_keys: set[str] = set()
        """Counters that differ from what was loaded."""
        self.changed_ids: set[str] = set()
        """Reservations that were made or ended."""

    def apply(self, batch: LedgerBatch, now: float) -> tuple[LedgerAnswer, ...]:
        """Do what ``batch`` asks, at ``now`` by the storage's own clock; then release what the dead had reserved."""
        _, last = self.owners.get(batch.owner, (0.0, 0))
        self.owners[batch.owner] = now + batch.hold, max(last, batch.sequence)
        if batch.sequence <= last:
            return tuple(self._answer_again(operation) for operation in batch.operations)
        answers = tuple(self._do(batch.owner, operation) for operation in batch.operations)
        self.release_dead(now)
        return answers

    def release_dead(self, now: float) -> None:
        """End the reservations of owners that have not been heard of in time, and forget these."""
        dead = {owner for owner, (until, _) in self.owners.items() if until <= now}
        if not dead:
            return
        for name in [name for name, (owner, _, _) in self.held.items() if owner in dead]:
            self._end(name)
        for owner in dead:
            del self.owners[owner]

    def _do(self, owner: str, operation: LedgerOperation) -> LedgerAnswer:
        if isinstance(operation, Reserve):
            return self._reserve(owner, operation)
        if isinstance(operation, Settle):
            return self._settle(operation)
        if isinstance(operation, Correct):
            totals = self._totals(operation.line)
            missing = Amounts(*(max(0, a - b) for a, b in zip(operation.amounts, totals.used, strict=True)))
            self._add(operation.line.key, totals.slot, used=missing, oldest=operation.line.oldest)
            return LedgerAnswer((self._totals(operation.line),))
        return self._looked(operation.lines)

    def _answer_again(self, operation: LedgerOperation) -> LedgerAnswer:
        """What an operation that was applied before is answered."""
        if isinstance(operation, Correct):
            return self._looked((operation.line,))
        answer = self._looked(operation.lines)
        if isinstance(operation, Reserve) and operation.id not in self.held:
            return answer._replace(refused=0, measure="requests")
        return answer

    def _reserve(self, owner: str, operation: Reserve) -> LedgerAnswer:
        places: list[tuple[str, int, bool]] = []
        for number, line in enumerate(operation.lines):
            totals = self._totals(line)
            measure = _passed(line, totals, operation.amounts)
            if measure:
                return self._looked(operation.lines)._replace(refused=number, measure=measure)
            places.append((line.key, totals.slot, line.is_passing))
        for line, (key, slot, _) in zip(operation.lines, places, strict=True):
            self._add(key, slot, held=operation.amounts, oldest=line.oldest)
        self.held[operation.id] = owner, operation.amounts, tuple(places)
        self.changed_ids.add(operation.id)
        return self._looked(operation.lines)

    def _settle(self, operation: Settle) -> LedgerAnswer:
        if operation.id in self.held:
            for key, slot, is_passing in self._end(operation.id):
                if not is_passing:
                    self._add(key, slot, used=operation.amounts)
        else:
            for line in operation.lines:
                if not line.is_passing:
                    self._add(line.key, self._totals(line).slot, used=operation.amounts, oldest=line.oldest)
        return self._looked(operation.lines)

    def _end(self, name: str) -> tuple[tuple[str, int, bool], ...]:
        _, amounts, places = self.held.pop(name)
        self.changed_ids.add(name)
        for key, slot, _ in places:
            self._add(key, slot, held=amounts, sign=-1)
        return places

    def _add(
        self, key: str, slot: int, *, used: Amounts = NOTHING, held: Amounts = NOTHING, sign: int = 1, oldest: int = 0
    ) -> None:
        slots = self.counters.setdefault(key, {})
        before = slots.get(slot, _ZERO)
        slots[slot] = tuple(value + sign * more for value, more in zip(before, (*used, *held), strict=True))
        self.changed_keys.add(key)
        for old in [old for old, amounts in slots.items() if old < oldest and not any(amounts[3:])]:
            del slots[old]

    def _totals(self, line: Line) -> Totals:
        slots = self.counters.get(line.key)
        if not slots:
            return Totals(line.slot, NOTHING, NOTHING)
        slot = max((found for found in slots if found <= line.horizon), default=line.slot)
        slot = max(slot, line.slot)
        since = line.since + slot - line.slot
        sums = [0, 0, 0, 0, 0, 0]
        for found, amounts in slots.items():
            if since <= found <= slot:
                for place in range(6):
                    sums[place] += amounts[place]
        return Totals(slot, Amounts(*sums[:3]), Amounts(*sums[3:]))

    def _looked(self, lines: Sequence[Line]) -> LedgerAnswer:
        return LedgerAnswer(tuple(self._totals(line) for line in lines))

    def prune(self, before: float) -> None:
        """Forget counters whose last slot began before ``before``."""
        for key in [key for key, slots in self.counters.items() if max(slots, default=0) < before]:
            if not any(any(amounts[3:]) for amounts in self.counters[key].values()):
                del self.counters[key]
                self.changed_keys.add(key)

    # --- as a document -----------------------------------------------------------------------------------------------

    def export(self) -> dict[str, Any]:
        """JSON-able; see ``restored``."""
        return {
            "counters": {
                key: [[slot, *amounts] for slot, amounts in slots.items()] for key, slots in self.counters.items()
            },
            "held": {name: [owner, list(amounts), places] for name, (owner, amounts, places) in self.held.items()},
            "owners": self.owners,
        }

    @classmethod
    def restored(cls, saved: Mapping[str, Any]) -> LedgerBook:
        """The book that ``export`` gave."""
        book = cls()
        for key, rows in cast("Mapping[str, Iterable[Sequence[int]]]", saved.get("counters", {})).items():
            book.counters[key] = {row[0]: tuple(row[1:]) for row in rows}
        for name, (owner, amounts, places) in saved.get("held", {}).items():
            book.held[name] = owner, Amounts(*amounts), tuple((key, slot, passing) for key, slot, passing in places)
        for owner, (until, sequence) in saved.get("owners", {}).items():
            book.owners[owner] = until, sequence
        return book


def _passed(line: Line, totals: Totals, amounts: Amounts) -> str:
    """The measure in which ``amounts`` more would pass a limit of ``line``; empty if they fit."""
    for place, limit in enumerate(line.limits):
        more = amounts[place]
        if limit is not None and (more or place == 1) and totals.used[place] + totals.held[place] + more > limit:
            return Amounts._fields[place]
    return ""


def keys_and_ids(batch: LedgerBatch) -> tuple[set[str], set[str]]:
    """The counters and the reservations that ``batch`` may touch, apart from those of the dead: what to load."""
    keys: set[str] = set()
    ids: set[str] = set()
    for operation in batch.operations:
        lines = (operation.line,) if isinstance(operation, Correct) else operation.lines
        keys.update(line.key for line in lines)
        if isinstance(operation, (Reserve, Settle)):
            ids.add(operation.id)
    return keys, ids
