"""What a run of the gateways came to: ratios first, then the figures, then what went wrong."""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from load.chat import Throughput
from load.latency import Latencies
from load.streams import Streams

OURS = "modelmesh"
SLOWDOWN = 1.10


@dataclass
class Results:
    """Measurements by peer; ``direct`` is the upstream without a gateway."""

    missing: dict[str, str] = field(default_factory=dict[str, str])
    chat: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    latency: dict[str, list[tuple[float, float]]] = field(default_factory=dict[str, list[tuple[float, float]]])
    """(p50, p99) of each round, in ms."""
    streams: dict[str, dict[int, Streams]] = field(default_factory=dict[str, dict[int, Streams]])
    memory: dict[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])
    """(at start, after the load), in bytes."""
    starts: dict[str, float] = field(default_factory=dict[str, float])
    soak: dict[str, list[int]] = field(default_factory=dict[str, list[int]])
    """Bytes at the start, and after each minute."""
    requests: Counter[str] = field(default_factory=Counter[str])
    errors: Counter[str] = field(default_factory=Counter[str])

    def add_chat(self, name: str, round_: Throughput) -> None:
        self.chat.setdefault(name, []).append(round_.per_second)
        self.count(name, round_)

    def count(self, name: str, round_: Throughput) -> None:
        self.requests[name] += round_.requests
        self.errors[name] += round_.errors

    def forget(self, name: str) -> None:
        """Leave out what was measured of a peer that did not start in every round."""
        for found in (self.chat, self.latency, self.memory):
            found.pop(name, None)

    def add_latency(self, name: str, round_: Latencies) -> None:
        self.latency.setdefault(name, []).append((round_.at(0.5) * 1000, round_.at(0.99) * 1000))
        self.requests[name] += len(round_.seconds)
        self.errors[name] += round_.errors

    def add_streams(self, name: str, level: Streams) -> None:
        self.streams.setdefault(name, {})[level.count] = level
        self.requests[name] += level.count * 3
        self.errors[name] += level.errors

    def throughput(self, name: str) -> float | None:
        """Requests a second, the median round's."""
        return statistics.median(self.chat[name]) if name in self.chat else None

    def ratio(self, name: str) -> float | None:
        """Our throughput over that of ``name``, the median of the rounds' own ratios: drift hits both alike."""
        if name not in self.chat or OURS not in self.chat:
            return None
        return statistics.median(one / other for one, other in zip(self.chat[OURS], self.chat[name], strict=True))

    def added(self, name: str, which: int) -> float | None:
        """Milliseconds over direct at p50 (0) or p99 (1), the median of the rounds."""
        if name not in self.latency:
            return None
        pairs = zip(self.latency[name], self.latency["direct"], strict=True)
        return statistics.median(one[which] - direct[which] for one, direct in pairs)

    def held(self, name: str) -> int:
        """The most streams at once whose median is at most a tenth longer than direct, without errors."""
        levels = self.streams.get(name, {})
        fine = [count for count, level in levels.items() if self._keeps_up(level)]
        return max(fine, default=0)

    def _keeps_up(self, level: Streams) -> bool:
        return not level.errors and level.duration <= self.streams["direct"][level.count].duration * SLOWDOWN

    def late(self, level: Streams) -> tuple[float, float]:
        """(share that the median stream takes longer than direct, ms that the first token comes later)."""
        direct = self.streams["direct"][level.count]
        return level.duration / direct.duration - 1, (level.first_token - direct.first_token) * 1000

    def names(self) -> list[str]:
        """Whatever was measured, in the order of measuring."""
        return list(dict.fromkeys([*self.chat, *self.latency, *self.streams, *self.starts]))

    def as_json(self) -> dict[str, Any]:
        """All of it, for programs."""
        return {
            "requests_per_second": {name: self.throughput(name) for name in self.chat},
            "modelmesh_over": {name: self.ratio(name) for name in self.chat if name != OURS},
            "added_ms": {
                name: {"p50": self.added(name, 0), "p99": self.added(name, 1)}
                for name in self.latency
                if name != "direct"
            },
            "direct_ms": self.latency.get("direct"),
            "streams": {
                name: {
                    "held": self.held(name),
                    "levels": [
                        {"count": level.count, "seconds": level.duration, "first_token": level.first_token}
                        for level in levels.values()
                    ],
                }
                for name, levels in self.streams.items()
            },
            "memory_bytes": {name: {"start": pair[0], "after": pair[1]} for name, pair in self.memory.items()},
            "cold_start_seconds": self.starts,
            "soak_bytes": self.soak,
            "requests": dict(self.requests),
            "errors": dict(self.errors),
            "missing": self.missing,
        }


def render(results: Results) -> str:
    """For people."""
    parts = [
        _ratios(results),
        _calls(results),
        _streams(results),
        _machine(results),
        _soak(results),
        _ending(results),
    ]
    return "\n\n".join(part for part in parts if part)


def _table(head: list[str], rows: list[list[str]]) -> str:
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    lines = [[head[column].ljust(widths[column]) for column in range(len(head))]]
    lines += [
        [row[0].ljust(widths[0]), *(row[column].rjust(widths[column]) for column in range(1, len(row)))] for row in rows
    ]
    return "\n".join("  ".join(line).rstrip() for line in lines)


def _number(value: float | None, form: str = ",.0f") -> str:
    return "-" if value is None else format(value, form)


def _ratios(results: Results) -> str:
    rows = [[name, f"{ratio:.2f}"] for name in results.chat if name != OURS and (ratio := results.ratio(name))]
    return "ModelMesh's requests a second over those of\n" + _table(["", "ratio"], rows) if rows else ""


def _calls(results: Results) -> str:
    names = [name for name in results.names() if name in results.chat or name in results.latency]
    rows = [
        [
            name,
            _number(results.throughput(name)),
            _number(results.added(name, 0), ".2f"),
            _number(results.added(name, 1), ".2f"),
        ]
        for name in names
    ]
    head = ["chat, not streamed", "32 in flight, 1/s", "one at a time, added p50 ms", "p99 ms"]
    return _table(head, rows) if rows else ""


def _streams(results: Results) -> str:
    if not results.streams:
        return ""
    levels = list(results.streams["direct"])
    rows: list[list[str]] = []
    for name, measured in results.streams.items():
        cells: list[str] = []
        for count in levels:
            if count not in measured:
                cells.append("-")
                continue
            longer, later = results.late(measured[count])
            cells.append(
                f"{measured[count].first_token * 1000:.1f} ms" if name == "direct" else f"+{longer:.0%} {later:.1f} ms"
            )
        rows.append([name, str(results.held(name)), *cells])
    head = ["streams of 200 chunks, 5 ms apart", "held", *(f"{count} at once" for count in levels)]
    note = "held: most at once with the median at most 10% over direct; cells: over direct, first token later by"
    return _table(head, rows) + "\n" + note


def _machine(results: Results) -> str:
    names = [name for name in results.names() if name in results.memory or name in results.starts]
    rows: list[list[str]] = []
    for name in names:
        start, after = results.memory.get(name, (None, None))
        in_mb = [None if value is None else value / 1e6 for value in (start, after)]
        rows.append([name, _number(in_mb[0]), _number(in_mb[1]), _number(results.starts.get(name), ".2f")])
    return _table(["", "MB at start", "MB after the load", "cold start s"], rows) if rows else ""


def _soak(results: Results) -> str:
    rows: list[list[str]] = []
    for name, found in results.soak.items():
        in_mb = [value / 1e6 for value in found]
        places = (0, 1, len(in_mb) // 4, len(in_mb) // 2, len(in_mb) - 1)
        rows.append([name, *(_number(in_mb[place]) for place in places), str(len(in_mb) - 1)])
    head = ["MB under load", "at start", "after 1 minute", "a quarter", "half", "at the end", "minutes"]
    return _table(head, rows) if rows else ""


def _ending(results: Results) -> str:
    lines = [f"{sum(results.requests.values()):,} requests, {sum(results.errors.values()):,} errors"]
    lines += [
        f"{name}: {count:,} errors in {results.requests[name]:,}" for name, count in results.errors.items() if count
    ]
    lines += [f"{name} was left out: {reason}" for name, reason in results.missing.items()]
    return "\n".join(lines)
