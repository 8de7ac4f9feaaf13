"""The ledger in rows of PostgreSQL: what a batch touches is loaded into a book, changed there, and written back.

Two round trips, however long the batch: ``LOAD`` begins a transaction and waits for the ledger's lock, ``SAVE`` ends
it. There is one lock, so there are no deadlocks; the server takes it from a process that stalls in between.
"""

from __future__ import annotations

from typing import Any

import orjson
from modelmesh_core import LedgerAnswer, LedgerBatch, LedgerBook, keys_and_ids

LOAD = 'BEGIN; SELECT "$".ledger_load(%s, %s, %s)::text'
SAVE = 'SELECT "$".ledger_save(%s, %s, %s, %s, %s, %s, %s); COMMIT'


def load_values(batch: LedgerBatch) -> tuple[Any, ...]:
    """What ``LOAD`` takes."""
    keys, ids = keys_and_ids(batch)
    return batch.owner, list(ids), list(keys)


def applied(batch: LedgerBatch, loaded: str) -> tuple[tuple[LedgerAnswer, ...], tuple[Any, ...]]:
    """The answers, and what ``SAVE`` takes. Raises TypeError for a number of more than 64 bits."""
    saved = orjson.loads(loaded)
    book = LedgerBook.restored(saved)
    answers = book.apply(batch, saved["now"])
    changed = book.export()
    until, sequence = book.owners[batch.owner]
    return answers, (
        batch.owner,
        until,
        sequence,
        [owner for owner in saved["owners"] if owner not in book.owners],
        _chosen(changed["counters"], book.changed_keys),
        _chosen(changed["held"], book.changed_ids),
        [name for name in book.changed_ids if name not in book.held],
    )


def _chosen(entries: dict[str, Any], names: set[str]) -> str:
    return orjson.dumps({name: entries[name] for name in names if name in entries}).decode()
