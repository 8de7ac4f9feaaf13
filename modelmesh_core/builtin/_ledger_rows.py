"""The ledger in rows of SQLite: what a batch touches is loaded into a book, changed there, and written back."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from modelmesh_core import Amounts, LedgerAnswer, LedgerBatch, LedgerBook, keys_and_ids

SCHEMA = """
CREATE TABLE IF NOT EXISTS ledger_counters (
    key TEXT PRIMARY KEY, slots TEXT NOT NULL, modified_at REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ledger_held (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, amounts TEXT NOT NULL, places TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS ledger_held_by_owner ON ledger_held (owner);
CREATE TABLE IF NOT EXISTS ledger_owners (
    owner TEXT PRIMARY KEY, until REAL NOT NULL, sequence INTEGER NOT NULL) WITHOUT ROWID;
"""
_MANY = 500
"""Values in one statement: SQLite takes 999 at least."""


def apply_batch(database: sqlite3.Connection, batch: LedgerBatch, now: float) -> Sequence[LedgerAnswer]:
    """Apply ``batch``. The caller has begun a transaction that excludes other writers."""
    keys, ids = keys_and_ids(batch)
    book = LedgerBook()
    for owner, until, sequence in database.execute("SELECT owner, until, sequence FROM ledger_owners"):
        book.owners[owner] = until, sequence
    dead = [owner for owner, (until, _) in book.owners.items() if until <= now and owner != batch.owner]
    _load_held(database, book, "id", ids)
    if dead:
        _load_held(database, book, "owner", dead)
    keys.update(key for _, _, places in book.held.values() for key, _, _ in places)
    for key, slots in _selected(database, "SELECT key, slots FROM ledger_counters WHERE key IN", keys):
        book.counters[key] = {row[0]: tuple(row[1:]) for row in json.loads(slots)}
    answers = book.apply(batch, now)
    _write(database, book, now)
    until, sequence = book.owners[batch.owner]
    database.execute("REPLACE INTO ledger_owners VALUES (?, ?, ?)", (batch.owner, until, sequence))
    if dead:
        database.executemany("DELETE FROM ledger_owners WHERE owner = ?", [(owner,) for owner in dead])
    return answers


def _write(database: sqlite3.Connection, book: LedgerBook, now: float) -> None:
    counters = [(key, _slots_text(book, key), now) for key in book.changed_keys]
    database.executemany("REPLACE INTO ledger_counters VALUES (?, ?, ?)", counters)
    made = [(name, *book.held[name]) for name in book.changed_ids if name in book.held]
    database.executemany(
        "REPLACE INTO ledger_held VALUES (?, ?, ?, ?)",
        [(name, owner, json.dumps(amounts), json.dumps(places)) for name, owner, amounts, places in made],
    )
    ended = [(name,) for name in book.changed_ids if name not in book.held]
    database.executemany("DELETE FROM ledger_held WHERE id = ?", ended)


def _slots_text(book: LedgerBook, key: str) -> str:
    return json.dumps([[slot, *amounts] for slot, amounts in book.counters.get(key, {}).items()])


def _load_held(database: sqlite3.Connection, book: LedgerBook, column: str, values: Iterable[str]) -> None:
    statement = f"SELECT id, owner, amounts, places FROM ledger_held WHERE {column} IN"
    for name, owner, amounts, places in _selected(database, statement, values):
        where = tuple((key, slot, bool(passing)) for key, slot, passing in json.loads(places))
        book.held[name] = owner, Amounts(*json.loads(amounts)), where


def _selected(database: sqlite3.Connection, statement: str, values: Iterable[str]) -> Iterable[tuple[Any, ...]]:
    listed = list(values)
    for start in range(0, len(listed), _MANY):
        some = listed[start : start + _MANY]
        yield from database.execute(f"{statement} ({','.join('?' * len(some))})", some)
