"""The ledger's batches and answers, as the function in the database takes and gives them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import orjson
from modelmesh_core import (
    Amounts,
    Correct,
    LedgerAnswer,
    LedgerBatch,
    LedgerOperation,
    Line,
    Reserve,
    Settle,
    Totals,
)

_MEASURES = ("", *Amounts._fields)


def written_operations(batch: LedgerBatch) -> str:
    """JSON: an object for each operation. Raises ValueError for a number of more than 64 bits."""
    return orjson.dumps([_written(operation) for operation in batch.operations]).decode()


def read_answers(batch: LedgerBatch, numbers: Sequence[int]) -> tuple[LedgerAnswer, ...]:
    """The answers, in the order of the operations."""
    rest = iter(numbers)
    return tuple(_read(len(_lines_of(operation)), rest) for operation in batch.operations)


def _written(operation: LedgerOperation) -> dict[str, Any]:
    written: dict[str, Any] = {"kind": "look", "lines": [_written_line(line) for line in _lines_of(operation)]}
    if isinstance(operation, (Reserve, Settle)):
        written["kind"] = "reserve" if isinstance(operation, Reserve) else "settle"
        written["id"], written["amounts"] = operation.id, list(operation.amounts)
    elif isinstance(operation, Correct):
        written["kind"], written["amounts"] = "correct", list(operation.amounts)
    return written


def _written_line(line: Line) -> dict[str, Any]:
    return {
        "key": line.key,
        "slot": line.slot,
        "since": line.since,
        "horizon": line.horizon,
        "oldest": line.oldest,
        "passing": line.is_passing,
        "limits": list(line.limits),
    }


def _lines_of(operation: LedgerOperation) -> tuple[Line, ...]:
    return (operation.line,) if isinstance(operation, Correct) else operation.lines


def _read(lines: int, numbers: Iterator[int]) -> LedgerAnswer:
    refused, measure = next(numbers), next(numbers)
    totals = tuple(_read_totals(numbers) for _ in range(lines))
    return LedgerAnswer(totals, None if refused < 0 else refused, _MEASURES[measure])


def _read_totals(numbers: Iterator[int]) -> Totals:
    slot, *sums = (next(numbers) for _ in range(7))
    return Totals(slot, Amounts(*sums[:3]), Amounts(*sums[3:]))
