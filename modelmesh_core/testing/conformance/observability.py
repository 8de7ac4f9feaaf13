"""``ObservabilityConformance``: what every ObservabilitySink has to do."""

from __future__ import annotations

import copy
import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from modelmesh_core import Entry, ObservabilitySink, json_line

from ._support import in_loop

ENTRIES: Sequence[Entry] = (
    {
        "type": "event",
        "at": 1_800_000_000.25,
        "name": "model_deactivated",
        "data": {"model": "acme.large", "reason": "error", "until": None},
    },
    {
        "type": "request",
        "at": 1_800_000_001.0,
        "request_id": "req-1",
        "capability": "generation.text-generation.chat-completion",
        "attempts": [{"model": "acme.large", "status": 500}, {"model": "acme.small", "status": 200}],
        "cost": 0.00125,
        "text": "two lines\nand a tab\t, \x1b[31mred\x1b[0m, «кавычки» 🔑",
    },
    {"type": "statistics", "at": 1_800_000_060.0, "scope": "model", "name": "acme.small", "requests": 10_000},
    {"type": "trace", "at": 1_800_000_061.0, "severity": "info"},
)


def _given(sink: ObservabilitySink, entries: Sequence[Entry]) -> Sequence[Any]:
    """``entries`` as the mesh hands them over."""
    return [json_line(entry) for entry in entries] if sink.takes_lines else entries


class ObservabilityConformance(ABC):
    """Inherit it, name your class ``Test...``, and write ``make``; ``received`` too, if entries can be read back."""

    @abstractmethod
    def make(self, folder: Path) -> ObservabilitySink:
        """A new sink. ``folder`` exists and is the test's own."""

    async def received(self, folder: Path) -> Sequence[Any] | None:
        """Every entry that arrived so far, in order, as JSON gives it back; None where that cannot be told."""
        return None

    async def assert_received(self, folder: Path, expected: Sequence[Entry]) -> None:
        """Compare what ``received`` tells, if it can tell."""
        found = await self.received(folder)
        assert found is None or list(found) == json.loads(json.dumps(expected))

    @in_loop
    async def test_entries_of_every_type_arrive_whole_and_in_order(self, tmp_path: Path) -> None:
        sink = self.make(tmp_path)
        await sink.write(_given(sink, ENTRIES))
        await sink.close()
        await self.assert_received(tmp_path, ENTRIES)

    @in_loop
    async def test_batches_follow_one_another(self, tmp_path: Path) -> None:
        sink = self.make(tmp_path)
        batches = [[{"type": "event", "at": float(number), "name": "config_reloaded"}] * 3 for number in range(5)]
        for batch in batches:
            await sink.write(_given(sink, batch))
        await sink.close()
        await self.assert_received(tmp_path, [entry for batch in batches for entry in batch])

    @in_loop
    async def test_a_large_batch_is_taken(self, tmp_path: Path) -> None:
        sink = self.make(tmp_path)
        entries = [{"type": "request", "at": float(number), "request_id": f"req-{number}"} for number in range(1000)]
        await sink.write(_given(sink, entries))
        await sink.close()
        await self.assert_received(tmp_path, entries)

    @in_loop
    async def test_an_empty_batch_is_no_entry(self, tmp_path: Path) -> None:
        sink = self.make(tmp_path)
        await sink.write(_given(sink, []))
        await sink.close()
        await self.assert_received(tmp_path, [])

    @in_loop
    async def test_entries_are_left_as_they_are(self, tmp_path: Path) -> None:
        sink = self.make(tmp_path)
        entries = copy.deepcopy(list(ENTRIES))  # other sinks are given the same objects
        await sink.write(_given(sink, entries))
        await sink.close()
        assert entries == list(ENTRIES), "write must not change what it is given"

    @in_loop
    async def test_a_sink_that_wrote_nothing_can_be_closed(self, tmp_path: Path) -> None:
        await self.make(tmp_path).close()
