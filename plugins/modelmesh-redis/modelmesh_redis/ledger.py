"""The ledger's batches and answers as text, which is how the script takes and gives them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

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
    StorageError,
    Totals,
)

MOST = 2**53 - 1
"""The largest integer that is exact in Lua: nine million dollars, as nano-dollars."""
_MEASURES = ("", *Amounts._fields)


def written_operations(batch: LedgerBatch) -> bytes:
    """What the script decodes: for each operation its kind, reservation, amounts and lines.

    Raises StorageError for an amount or a slot that Lua cannot hold exactly.
    """
    return orjson.dumps([_written(operation) for operation in batch.operations])


def read_answers(batch: LedgerBatch, text: bytes) -> tuple[LedgerAnswer, ...]:
    """The answers, in the order of the operations."""
    numbers = map(int, text.split())
    return tuple(_read(len(lines_of(operation)), numbers) for operation in batch.operations)


def lines_of(operation: LedgerOperation) -> tuple[Line, ...]:
    return (operation.line,) if isinstance(operation, Correct) else operation.lines


def _written(operation: LedgerOperation) -> list[object]:
    kind, name, amounts = "look", "", Amounts()
    if isinstance(operation, Reserve):
        kind, name, amounts = "reserve", operation.id, operation.amounts
    elif isinstance(operation, Settle):
        kind, name, amounts = "settle", operation.id, operation.amounts
    elif isinstance(operation, Correct):
        kind, amounts = "correct", operation.amounts
    _check(amounts)
    return [kind, name, list(amounts), [_written_line(line) for line in lines_of(operation)]]


def _written_line(line: Line) -> list[object]:
    limits = [False if limit is None else min(limit, MOST) for limit in line.limits]
    return [line.key, line.slot, line.since, line.horizon, line.oldest, int(line.is_passing), *limits]


def _check(amounts: Iterable[int]) -> None:
    for amount in amounts:
        if abs(amount) > MOST:
            raise StorageError(f"the ledger of redis.redis.v1 cannot count {amount}: more than 2^53 at once.")


def _read(lines: int, numbers: Iterator[int]) -> LedgerAnswer:
    refused, measure = next(numbers), next(numbers)
    totals = tuple(_read_totals(numbers) for _ in range(lines))
    return LedgerAnswer(totals, None if refused < 0 else refused, _MEASURES[measure])


def _read_totals(numbers: Iterator[int]) -> Totals:
    slot, *sums = (next(numbers) for _ in range(7))
    return Totals(slot, Amounts(*sums[:3]), Amounts(*sums[3:]))
