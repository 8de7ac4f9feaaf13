"""Account: what one model, provider, pool or key has used, in every window."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from ..interfaces.ledger import Totals
from ..interfaces.routing import WindowUsage
from .windows import KINDS, ROLLING_SECONDS, SLOTS, window_at

NANO = 1_000_000_000
PLACES = {kind: place for place, kind in enumerate(KINDS)}
_JUMP = 60.0
"""Seconds that a clock may go back before its windows are worked out anew."""
Used = tuple[int, int, int]
"""Requests, tokens and nano-dollars."""
Row = tuple[int, int | None, int | None, int | None]
"""A limited window: its place in ``KINDS``, and the most requests, tokens and nano-dollars. None is no limit."""


_INFINITE = float("inf")


def nano_dollars(amount: Decimal | float | None) -> int:
    """USD as integer nano-dollars; nothing for None or infinity."""
    if isinstance(amount, Decimal):
        return int(amount * NANO)  # what was billed is finite
    return round(amount * NANO) if amount and amount != _INFINITE else 0


class UsedWindows(Mapping[str, WindowUsage]):
    """Window → usage, as it was at one moment. Costs little to make; what is never read is never worked out."""

    __slots__ = ("_bases", "_count", "_ends")

    def __init__(self, count: Used, bases: tuple[Used, ...], ends: tuple[float, ...]) -> None:
        """``count``: everything so far; ``bases``: where it stood when each window began."""
        self._count = count
        self._bases = bases
        self._ends = ends

    def __getitem__(self, kind: str) -> WindowUsage:
        place = PLACES[kind]
        requests, tokens, nanos = minus(self._count, self._bases[place])
        return WindowUsage(requests, tokens, Decimal(nanos) / NANO, self._ends[place])

    def __iter__(self) -> Iterator[str]:
        return iter(KINDS)

    def __len__(self) -> int:
        return len(KINDS)

    def __repr__(self) -> str:
        return repr(dict(self))


class Account:
    """Usage of one thing in the windows minute, hour, day and month. Changed only under the ledger's lock.

    It counts once, whatever the number of windows: each window remembers where the count stood when it began.
    """

    __slots__ = (
        "_bases",
        "_ends",
        "_next_end",
        "_starts",
        "_sums",
        "_written",
        "count",
        "held",
        "in_flight",
        "last_request",
        "moves",
        "name",
        "timezone",
        "unsent",
        "version",
    )

    def __init__(self, name: str, timezone: str = "UTC", *, rolling: bool = False) -> None:
        self.name = name
        self.timezone = timezone
        self.count: Used = (0, 0, 0)
        """Everything so far, reservations included."""
        self.held: Used = (0, 0, 0)
        """Of it, what is reserved and not settled."""
        self.unsent: Used = (0, 0, 0)
        """Of it, what is settled here, and the shared ledger does not know yet."""
        self.in_flight = 0
        self.last_request: float | None = None
        self.version = 0
        """Grows with every change, so that snapshots know when they are stale."""
        self.moves = 0
        """Grows whenever a window begins anew, or is corrected."""
        self._written: Used = (0, 0, 0)
        """Of it, what has been asked for by ``unwritten``."""
        self._bases: list[Used] = [(0, 0, 0)] * len(KINDS)
        self._starts = [0.0] * len(KINDS)
        self._ends = [0.0] * len(KINDS)
        self._next_end = 0.0
        self._sums = tuple(_SlidingSum(kind) for kind in KINDS) if rolling else None

    @property
    def rolling(self) -> bool:
        """Whether its windows follow the clock instead of the calendar."""
        return self._sums is not None

    # --- windows -----------------------------------------------------------------------------------------------------

    def advance(self, now: float) -> None:
        """Let windows that have ended begin anew."""
        if self._starts[0] - _JUMP <= now < self._next_end:
            return
        for place, kind in enumerate(KINDS):
            start, end = self._starts[place], self._ends[place]
            if start - _JUMP <= now < end:
                continue
            _, self._starts[place], self._ends[place] = window_at(kind, now, self.timezone)
            self.moves += 1
            if now >= end:  # a clock that went back keeps what was used: nothing says that it was in another window
                self._bases[place] = minus(self.count, self.held)
        self._next_end = min(self._ends)

    def used_in(self, place: int, now: float) -> Used:
        """Used and reserved in the window ``KINDS[place]``."""
        if self._sums is not None:
            return self._sums[place].total(now)
        self.advance(now)
        return minus(self.count, self._bases[place])

    def ceilings(self, rows: Sequence[Row], now: float) -> tuple[float, float, float]:
        """How far ``count`` may grow until it passes the first of ``rows``; it holds until ``moves`` changes."""
        self.advance(now)
        found = [float("inf")] * 3
        for place, *most in rows:
            for measure, limit in enumerate(most):
                if limit is not None:
                    found[measure] = min(found[measure], self._bases[place][measure] + limit)
        return found[0], found[1], found[2]

    def end_of(self, place: int, now: float) -> float:
        """When that window ends, or its oldest amount leaves it. UTC epoch seconds."""
        if self._sums is not None:
            return self._sums[place].next_change(now)
        self.advance(now)
        return self._ends[place]

    def used(self, now: float) -> UsedWindows:
        """Window → usage at ``now``, reservations included."""
        if self._sums is None:
            self.advance(now)
            return UsedWindows(self.count, tuple(self._bases), tuple(self._ends))
        used, ends = zip(*((sums.total(now), sums.next_change(now)) for sums in self._sums), strict=True)
        return UsedWindows((0, 0, 0), tuple(minus((0, 0, 0), total) for total in used), ends)

    def next_reset(self, now: float) -> float:
        """When the first of the windows changes by itself: until then, only ``version`` tells of change."""
        if self._sums is not None:
            return min(sums.next_change(now) for sums in self._sums)
        self.advance(now)
        return self._next_end

    # --- counting ----------------------------------------------------------------------------------------------------

    def reserve(self, now: float, amounts: Used) -> None:
        """Set ``amounts`` aside."""
        if not self._starts[0] - _JUMP <= now < self._next_end:
            self.advance(now)
        requests, tokens, nanos = amounts
        count, held = self.count, self.held
        self.count = (count[0] + requests, count[1] + tokens, count[2] + nanos)
        self.held = (held[0] + requests, held[1] + tokens, held[2] + nanos)
        self.in_flight += 1
        self.last_request = now
        self.version += 1
        if self._sums is not None:
            for sliding in self._sums:
                sliding.add(now, amounts)

    def settle(self, since: float, now: float, reserved: Used, amounts: Used) -> None:
        """Replace what was reserved at ``since`` by what was used: it counts in the windows of that moment."""
        if not self._starts[0] - _JUMP <= now < self._next_end:
            self.advance(now)
        requests, tokens, nanos = reserved
        count, held = self.count, self.held
        self.count = (
            count[0] + amounts[0] - requests,
            count[1] + amounts[1] - tokens,
            count[2] + amounts[2] - nanos,
        )
        self.held = (held[0] - requests, held[1] - tokens, held[2] - nanos)
        self.in_flight -= 1
        self.version += 1
        if self._sums is not None:
            for sliding in self._sums:
                sliding.add(since, minus(amounts, reserved))
        elif since < self._starts[0]:  # the minute is the last to begin
            for place, start in enumerate(self._starts):
                if since < start:
                    self._bases[place] = plus(self._bases[place], amounts)
                    self.moves += 1

    def unwritten(self) -> Used:
        """What was settled since this was asked last."""
        settled = minus(self.count, self.held)
        new, self._written = minus(settled, self._written), settled
        return new

    def raise_used(self, place: int, missing: Used) -> None:
        """Count ``missing`` more in one window."""
        self._bases[place] = minus(self._bases[place], missing)
        self.moves += 1
        self.version += 1

    def learn(self, place: int, totals: Totals, unsent: Used, now: float) -> None:
        """Take what the shared ledger holds for the window ``KINDS[place]``: the usage of all processes.

        ``unsent`` is what was settled here and is not in these totals yet.
        """
        # Nor is what is reserved here among what the others know to be used.
        mine = plus(self.held, unsent)
        if self._sums is not None:
            self._sums[place].learn(now, plus(totals.used, mine))
        else:
            self.advance(now)
            if totals.slot > self._starts[place]:
                _, start, end = window_at(KINDS[place], totals.slot, self.timezone)
                self._starts[place], self._ends[place] = start, end
                self._next_end = min(self._ends)
            elif totals.slot < int(self._starts[place]):
                return  # of the window before
            self._bases[place] = minus(self.count, plus(totals.used, mine))
            self.moves += 1
        self.version += 1

    # --- keeping -----------------------------------------------------------------------------------------------------

    def export(self) -> dict[str, list[float]]:
        """Calendar window → where it begins and ends (UTC epoch seconds), and what was used. JSON-able."""
        if self._sums is not None or not self._next_end:
            return {}
        return {
            kind: [self._starts[place], self._ends[place], *minus(self.count, self._bases[place])]
            for place, kind in enumerate(KINDS)
        }

    def restore(self, saved: Mapping[str, list[float]]) -> None:
        """Take up what ``export`` gave; a window that has ended meanwhile begins anew at the next use."""
        for place, kind in enumerate(KINDS):
            if kind in saved and self._sums is None:
                self._starts[place], self._ends[place], requests, tokens, nanos = saved[kind]
                self._bases[place] = minus(self.count, (int(requests), int(tokens), int(nanos)))
                self.moves += 1
        self._next_end = min(self._ends)
        self.version += 1


def plus(one: Used, other: Used) -> Used:
    return one[0] + other[0], one[1] + other[1], one[2] + other[2]


def minus(one: Used, other: Used) -> Used:
    return one[0] - other[0], one[1] - other[1], one[2] - other[2]


class _SlidingSum:
    """A window that follows the clock: amounts in slots of 1/60 of its length, the oldest first.

    An amount counts until its whole slot is older than the window: never too short, at most a slot too long.
    """

    __slots__ = ("_slots", "_sum", "length", "step")

    def __init__(self, kind: str) -> None:
        self.length = ROLLING_SECONDS[kind]
        self.step = self.length / SLOTS
        self._slots: deque[tuple[float, Used]] = deque()
        self._sum: Used = (0, 0, 0)

    def add(self, moment: float, amounts: Used) -> None:
        start = moment // self.step * self.step
        if self._slots and self._slots[0][0] > start:
            return  # it has left the window already
        if self._slots and self._slots[-1][0] >= start:
            for place in range(len(self._slots) - 1, -1, -1):
                if self._slots[place][0] <= start:
                    self._slots[place] = (self._slots[place][0], plus(self._slots[place][1], amounts))
                    break
        else:
            self._slots.append((start, amounts))
        self._sum = plus(self._sum, amounts)

    def total(self, now: float) -> Used:
        oldest = now // self.step * self.step - self.length
        while self._slots and self._slots[0][0] < oldest:
            self._sum = minus(self._sum, self._slots.popleft()[1])
        return self._sum

    def next_change(self, now: float) -> float:
        self.total(now)
        return self._slots[0][0] + self.length + self.step if self._slots else now + self.length

    def learn(self, now: float, amounts: Used) -> None:
        """``amounts`` is the sum: what else is known of others' usage leaves with the next slot, unless learnt anew."""
        missing = minus(amounts, self.total(now))
        if any(missing):
            start = now // self.step * self.step - self.length
            self._slots.appendleft((start, missing))
            self._sum = amounts
