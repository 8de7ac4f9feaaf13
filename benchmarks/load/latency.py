"""One request at a time, over one kept connection."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter

from . import Connection, Target, is_answer


@dataclass(frozen=True)
class Latencies:
    """Seconds that each request took, sorted."""

    seconds: list[float]
    errors: int

    def at(self, share: float) -> float:
        """The quantile ``share``, in seconds."""
        return self.seconds[min(len(self.seconds) - 1, int(len(self.seconds) * share))]


def drive(target: Target, seconds: float) -> Latencies:
    """Ask for ``seconds``."""
    connection = Connection(target)
    times: list[float] = []
    errors = 0
    try:
        end = perf_counter() + seconds
        while (started := perf_counter()) < end:
            status, body = connection.ask()
            times.append(perf_counter() - started)
            errors += status != 200 or not is_answer(body)
    finally:
        connection.close()
    return Latencies(sorted(times), errors)
