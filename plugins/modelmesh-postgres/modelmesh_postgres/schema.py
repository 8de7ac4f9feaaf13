"""The tables, and the function that applies a batch of the ledger. ``$`` stands for the schema's name."""

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
    PRIMARY KEY (key, period, name));
CREATE TABLE "$".leases (name text PRIMARY KEY, owner text NOT NULL, expires_at float8 NOT NULL);
CREATE TABLE "$".ledger_counters (
    key text, slot bigint,
    used_requests bigint NOT NULL, used_tokens bigint NOT NULL, used_nanos bigint NOT NULL,
    held_requests bigint NOT NULL, held_tokens bigint NOT NULL, held_nanos bigint NOT NULL,
    modified_at float8 NOT NULL,
    PRIMARY KEY (key, slot)) WITH (fillfactor = 50);
CREATE TABLE "$".ledger_held (
    id text PRIMARY KEY, owner text NOT NULL, amounts bigint[] NOT NULL,
    keys text[] NOT NULL, slots bigint[] NOT NULL, passing boolean[] NOT NULL);
CREATE INDEX ledger_held_by_owner ON "$".ledger_held (owner);
CREATE TABLE "$".ledger_owners (
    owner text PRIMARY KEY, until float8 NOT NULL, sequence bigint NOT NULL) WITH (fillfactor = 50);
CREATE TABLE "$".about (version integer NOT NULL);

CREATE FUNCTION "$".epoch() RETURNS float8 LANGUAGE sql AS
    'SELECT extract(epoch FROM clock_timestamp())::float8';

-- Slot, used and held of one line, seven numbers.
CREATE FUNCTION "$".ledger_totals(line_key text, line_slot bigint, since bigint, horizon bigint)
RETURNS bigint[] LANGUAGE plpgsql AS $body$
DECLARE
    top bigint;
    totals bigint[];
BEGIN
    SELECT greatest(max(slot), line_slot) INTO top FROM "$".ledger_counters WHERE key = line_key AND slot <= horizon;
    SELECT ARRAY[top,
            coalesce(sum(used_requests), 0), coalesce(sum(used_tokens), 0), coalesce(sum(used_nanos), 0),
            coalesce(sum(held_requests), 0), coalesce(sum(held_tokens), 0), coalesce(sum(held_nanos), 0)]::bigint[]
        INTO totals
        FROM "$".ledger_counters WHERE key = line_key AND slot BETWEEN since + top - line_slot AND top;
    RETURN totals;
END $body$;

CREATE FUNCTION "$".ledger_add(
    line_key text, at_slot bigint, used bigint[], held bigint[], sign integer, oldest bigint)
RETURNS void LANGUAGE plpgsql AS $body$
BEGIN
    INSERT INTO "$".ledger_counters AS c VALUES (line_key, at_slot,
        sign * used[1], sign * used[2], sign * used[3], sign * held[1], sign * held[2], sign * held[3], "$".epoch())
    ON CONFLICT (key, slot) DO UPDATE SET
        used_requests = c.used_requests + excluded.used_requests,
        used_tokens = c.used_tokens + excluded.used_tokens,
        used_nanos = c.used_nanos + excluded.used_nanos,
        held_requests = c.held_requests + excluded.held_requests,
        held_tokens = c.held_tokens + excluded.held_tokens,
        held_nanos = c.held_nanos + excluded.held_nanos,
        modified_at = excluded.modified_at;
    DELETE FROM "$".ledger_counters WHERE key = line_key AND slot < oldest
        AND held_requests = 0 AND held_tokens = 0 AND held_nanos = 0;
END $body$;

-- End a reservation: what stood in which windows; no row if there is none.
CREATE FUNCTION "$".ledger_end(name text) RETURNS SETOF "$".ledger_held LANGUAGE plpgsql AS $body$
DECLARE
    ended "$".ledger_held;
BEGIN
    DELETE FROM "$".ledger_held WHERE id = name RETURNING * INTO ended;
    IF NOT FOUND THEN RETURN; END IF;
    FOR place IN 1 .. cardinality(ended.keys) LOOP
        PERFORM "$".ledger_add(ended.keys[place], ended.slots[place], '{0,0,0}', ended.amounts, -1, 0);
    END LOOP;
    RETURN NEXT ended;
END $body$;

CREATE FUNCTION "$".ledger_reserve(batch_owner text, name text, amounts bigint[], lines jsonb)
RETURNS bigint[] LANGUAGE plpgsql AS $body$
DECLARE
    line record;
    totals bigint[];
    keys text[] := '{}';
    slots bigint[] := '{}';
    oldest bigint[] := '{}';
    passing boolean[] := '{}';
BEGIN
    FOR line IN SELECT * FROM jsonb_to_recordset(lines) AS l (
        key text, slot bigint, since bigint, horizon bigint, oldest bigint, passing boolean,
        limits bigint[])
    LOOP
        totals := "$".ledger_totals(line.key, line.slot, line.since, line.horizon);
        FOR measure IN 1 .. 3 LOOP
            IF line.limits[measure] IS NOT NULL AND (amounts[measure] <> 0 OR measure = 2)
                AND totals[1 + measure] + totals[4 + measure] + amounts[measure] > line.limits[measure] THEN
                RETURN ARRAY[cardinality(keys), measure];
            END IF;
        END LOOP;
        keys := keys || line.key;
        slots := slots || totals[1];
        oldest := oldest || line.oldest;
        passing := passing || line.passing;
    END LOOP;
    FOR place IN 1 .. cardinality(keys) LOOP
        PERFORM "$".ledger_add(keys[place], slots[place], '{0,0,0}', amounts, 1, oldest[place]);
    END LOOP;
    INSERT INTO "$".ledger_held VALUES (name, batch_owner, amounts, keys, slots, passing)
        ON CONFLICT (id) DO UPDATE SET owner = excluded.owner, amounts = excluded.amounts,
            keys = excluded.keys, slots = excluded.slots, passing = excluded.passing;
    RETURN '{-1,0}';
END $body$;

CREATE FUNCTION "$".ledger_settle(name text, amounts bigint[], lines jsonb)
RETURNS void LANGUAGE plpgsql AS $body$
DECLARE
    ended "$".ledger_held;
    line record;
    totals bigint[];
BEGIN
    SELECT * INTO ended FROM "$".ledger_end(name);
    IF FOUND THEN
        FOR place IN 1 .. cardinality(ended.keys) LOOP
            IF NOT ended.passing[place] THEN
                PERFORM "$".ledger_add(ended.keys[place], ended.slots[place], amounts, '{0,0,0}', 1, 0);
            END IF;
        END LOOP;
        RETURN;
    END IF;
    FOR line IN SELECT * FROM jsonb_to_recordset(lines) AS l (
        key text, slot bigint, since bigint, horizon bigint, oldest bigint, passing boolean)
    LOOP
        IF NOT line.passing THEN
            totals := "$".ledger_totals(line.key, line.slot, line.since, line.horizon);
            PERFORM "$".ledger_add(line.key, totals[1], amounts, '{0,0,0}', 1, line.oldest);
        END IF;
    END LOOP;
END $body$;

CREATE FUNCTION "$".ledger_correct(amounts bigint[], lines jsonb)
RETURNS void LANGUAGE plpgsql AS $body$
DECLARE
    line record;
    totals bigint[];
    missing bigint[];
BEGIN
    SELECT * INTO line FROM jsonb_to_recordset(lines) AS l (
        key text, slot bigint, since bigint, horizon bigint, oldest bigint);
    totals := "$".ledger_totals(line.key, line.slot, line.since, line.horizon);
    FOR measure IN 1 .. 3 LOOP
        missing[measure] := greatest(0, amounts[measure] - totals[1 + measure]);
    END LOOP;
    PERFORM "$".ledger_add(line.key, totals[1], missing, '{0,0,0}', 1, line.oldest);
END $body$;

-- What LedgerBook.apply does. For each operation: the line that refused it or -1, the measure, and seven numbers a line.
CREATE FUNCTION "$".ledger_apply(
    batch_owner text, batch_sequence bigint, hold float8, operations jsonb)
RETURNS bigint[] LANGUAGE plpgsql AS $body$
DECLARE
    now float8;
    last bigint;
    operation record;
    line record;
    outcome bigint[];
    answers bigint[] := '{}';
BEGIN
    PERFORM pg_advisory_xact_lock({lock}, '"$".ledger_owners'::regclass::oid::integer);
    now := "$".epoch();
    SELECT sequence INTO last FROM "$".ledger_owners WHERE owner = batch_owner;
    INSERT INTO "$".ledger_owners AS o VALUES (batch_owner, now + hold, batch_sequence)
        ON CONFLICT (owner) DO UPDATE SET until = excluded.until, sequence = greatest(o.sequence, excluded.sequence);
    FOR operation IN SELECT * FROM jsonb_to_recordset(operations) AS o (
        kind text, id text, amounts bigint[], lines jsonb)
    LOOP
        outcome := '{-1,0}';
        IF batch_sequence <= last THEN
            IF operation.kind = 'reserve'
                AND NOT EXISTS (SELECT FROM "$".ledger_held AS h WHERE h.id = operation.id) THEN
                outcome := '{0,1}';
            END IF;
        ELSIF operation.kind = 'reserve' THEN
            outcome := "$".ledger_reserve(batch_owner, operation.id, operation.amounts, operation.lines);
        ELSIF operation.kind = 'settle' THEN
            PERFORM "$".ledger_settle(operation.id, operation.amounts, operation.lines);
        ELSIF operation.kind = 'correct' THEN
            PERFORM "$".ledger_correct(operation.amounts, operation.lines);
        END IF;
        answers := answers || outcome;
        FOR line IN SELECT * FROM jsonb_to_recordset(operation.lines) AS l (
            key text, slot bigint, since bigint, horizon bigint)
        LOOP
            answers := answers || "$".ledger_totals(line.key, line.slot, line.since, line.horizon);
        END LOOP;
    END LOOP;
    IF batch_sequence > coalesce(last, 0) THEN
        PERFORM "$".ledger_end(h.id) FROM "$".ledger_held AS h JOIN "$".ledger_owners AS o USING (owner)
            WHERE o.until <= now;
        DELETE FROM "$".ledger_owners WHERE until <= now;
    END IF;
    RETURN answers;
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
    PERFORM pg_advisory_xact_lock({LOCK});
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_tables WHERE schemaname = '{schema}' AND tablename = 'about') THEN
        EXECUTE $all${statements}$all$;
    END IF;
END $do$
"""  # to_regclass would look into a cache that may be older than the lock
    return guarded.replace("{lock}", str(LOCK)).replace('"$"', f'"{schema}"')
