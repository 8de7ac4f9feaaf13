"""The tables, and the functions that read and write the ledger. ``"$"`` stands for the schema's name."""

from __future__ import annotations

VERSION = 1
LOCK = 0x4D4D5348
"""Class of the advisory locks."""

SCHEMA = """
CREATE SCHEMA IF NOT EXISTS "$";
CREATE TABLE "$".items (
    key text COLLATE "C" PRIMARY KEY, data bytea NOT NULL, sha256 text NOT NULL, modified_at float8 NOT NULL);
CREATE TABLE "$".counters (
    key text, period text, name text, total bigint NOT NULL, modified_at float8 NOT NULL,
    PRIMARY KEY (key, period, name)) WITH (fillfactor = 50);
CREATE TABLE "$".leases (name text PRIMARY KEY, owner text NOT NULL, expires_at float8 NOT NULL);
CREATE TABLE "$".ledger_counters (
    key text PRIMARY KEY, slots json NOT NULL, modified_at float8 NOT NULL) WITH (fillfactor = 50);
CREATE TABLE "$".ledger_held (id text PRIMARY KEY, owner text NOT NULL, amounts json NOT NULL, places json NOT NULL);
CREATE INDEX ledger_held_by_owner ON "$".ledger_held (owner);
CREATE TABLE "$".ledger_owners (
    owner text PRIMARY KEY, until float8 NOT NULL, sequence bigint NOT NULL) WITH (fillfactor = 50);
CREATE TABLE "$".about (version integer NOT NULL);

CREATE FUNCTION "$".epoch() RETURNS float8 LANGUAGE sql AS
    'SELECT extract(epoch FROM clock_timestamp())::float8';

-- Wait for the ledger, which is then this transaction's, and give what a batch may touch, as LedgerBook exports it.
CREATE FUNCTION "$".ledger_load(batch_owner text, ids text[], keys text[]) RETURNS json LANGUAGE plpgsql AS $body$
DECLARE
    now float8;
    dead text[];
    owners json;
    held json;
BEGIN
    PERFORM pg_advisory_xact_lock({lock}, '"$".ledger_owners'::regclass::oid::integer);
    now := "$".epoch();
    SELECT coalesce(json_object_agg(owner, json_build_array(until, sequence)), '{}'),
            coalesce(array_agg(owner) FILTER (WHERE owner <> batch_owner), '{}')
        INTO owners, dead FROM "$".ledger_owners WHERE owner = batch_owner OR until <= now;
    SELECT coalesce(json_object_agg(id, json_build_array(owner, amounts, places)), '{}')
        INTO held FROM "$".ledger_held WHERE id = ANY (ids) OR owner = ANY (dead);
    SELECT keys || coalesce(array_agg(place ->> 0), '{}')
        INTO keys FROM json_each(held) AS h, json_array_elements(h.value -> 2) AS place;
    RETURN json_build_object('now', now, 'owners', owners, 'held', held, 'counters', (
        SELECT coalesce(json_object_agg(key, slots), '{}') FROM "$".ledger_counters WHERE key = ANY (keys)));
END $body$;

CREATE FUNCTION "$".ledger_save(
    batch_owner text, alive_until float8, last_sequence bigint, gone text[], counters json, held json, ended text[])
RETURNS void LANGUAGE plpgsql AS $body$
BEGIN
    INSERT INTO "$".ledger_owners VALUES (batch_owner, alive_until, last_sequence)
        ON CONFLICT (owner) DO UPDATE SET until = excluded.until, sequence = excluded.sequence;
    DELETE FROM "$".ledger_owners WHERE owner = ANY (gone);
    INSERT INTO "$".ledger_counters SELECT key, value, "$".epoch() FROM json_each(counters)
        ON CONFLICT (key) DO UPDATE SET slots = excluded.slots, modified_at = excluded.modified_at;
    INSERT INTO "$".ledger_held SELECT key, value ->> 0, value -> 1, value -> 2 FROM json_each(held)
        ON CONFLICT (id) DO UPDATE SET owner = excluded.owner, amounts = excluded.amounts, places = excluded.places;
    DELETE FROM "$".ledger_held WHERE id = ANY (ended);
END $body$;

-- Rows that somebody uses at this moment are left for the next time: nothing here waits.
CREATE FUNCTION "$".prune(retention float8) RETURNS void LANGUAGE sql AS $body$
    DELETE FROM "$".counters WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM "$".counters WHERE modified_at < "$".epoch() - retention FOR UPDATE SKIP LOCKED));
    DELETE FROM "$".ledger_counters WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM "$".ledger_counters WHERE modified_at < "$".epoch() - retention FOR UPDATE SKIP LOCKED));
$body$;
"""


def making(schema: str) -> str:
    """One statement that makes everything, unless another process has done so while this one waited for its turn."""
    statements = f'{SCHEMA} INSERT INTO "$".about VALUES ({VERSION});'
    guarded = f"""
DO $do$ BEGIN
    PERFORM pg_advisory_xact_lock({LOCK}, 0);
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_tables WHERE schemaname = '{schema}' AND tablename = 'about') THEN
        EXECUTE $all${statements}$all$;
    END IF;
END $do$
"""  # to_regclass would look into a cache that may be older than the lock
    return guarded.replace("{lock}", str(LOCK)).replace('"$"', f'"{schema}"')
