# SPDX-License-Identifier: Apache-2.0
"""PostgreSQL, also through a connection pooler."""

import re
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import REGCLASS

from watcher_objects.db.backend.dialects.base import Backend, Connector
from watcher_objects.db.backend.dialects.catalog import Catalog, Use
from watcher_objects.db.backend.dialects.error_codes import OLD_SCHEMA, QUOTE, ErrorCodes

# The driver gives no code for an error of connecting: only words, a server's in the language of
# that server.
_NO_ENTRY_WORDS = re.compile(
    r"authentication failed|no password supplied|does not exist|pg_hba\.conf"
    r"|no such (?:database|user)"
)
# What PgBouncer, whose words are always in English, does not allow.
_NO_TRANSACTIONS_WORDS = "not allowed in statement pooling mode"
_NO_PARAMETER_WORDS = re.compile(r"unsupported startup parameter: (\w+)")
_FULL_WORDS = "too many connections for"

_USES = """
SELECT CASE WHEN r.rulename = '_RETURN' THEN pg_describe_object('pg_class'::regclass, ev_class, 0)
            ELSE pg_describe_object(d.classid, d.objid, d.objsubid) END, c.relname, a.attname
FROM pg_depend d
JOIN pg_class c ON c.oid = d.refobjid
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.refobjsubid
LEFT JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
LEFT JOIN pg_constraint k ON d.classid = 'pg_constraint'::regclass AND k.oid = d.objid
WHERE d.refclassid = 'pg_class'::regclass AND d.deptype = 'n' AND pg_table_is_visible(c.oid)
    AND coalesce(k.contype, 'f') = 'f'
"""

# Each table has its own: dropping one locks one table, where writers of several would otherwise
# be in a deadlock.
_RECORD_FOREIGN = """
CREATE OR REPLACE FUNCTION record_foreign_{table}() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE left_state varchar;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        NEW.moves := coalesce(OLD.moves, 0) + 1;
        IF NEW.state = 'SUSPENDED' AND OLD.worker_id > 0 THEN
            NEW.worker_id := 0;
            NEW.attempts := OLD.attempts - 1;
        ELSIF NEW.state NOT IN ('SUSPENDED', 'ONGOING') THEN
            NEW.worker_id := NULL;
            NEW.attempts := NULL;
            NEW.available_at := NULL;
        END IF;
        left_state := OLD.state;
    END IF;
    INSERT INTO transitions
        (resource, object_id, object_uuid, seq, from_state, to_state, at, kind, reason)
    VALUES (TG_ARGV[0], NEW.id, NEW.uuid, coalesce(NEW.moves, 0), left_state, NEW.state,
            clock_timestamp() AT TIME ZONE 'UTC', 'foreign',
            'written by the account ' || session_user);
    RETURN NEW;
END $$"""
_RECORD_INSERTS = """
CREATE OR REPLACE TRIGGER record_foreign_{table}_insert AFTER INSERT ON {table} FOR EACH ROW
WHEN (NEW.moves IS NULL AND NEW.state IS NOT NULL)
EXECUTE FUNCTION record_foreign_{table}('{resource}')"""
_RECORD_UPDATES = """
CREATE OR REPLACE TRIGGER record_foreign_{table}_update BEFORE UPDATE OF state ON {table}
FOR EACH ROW
WHEN (NEW.state IS DISTINCT FROM OLD.state AND NEW.moves IS NOT DISTINCT FROM OLD.moves)
EXECUTE FUNCTION record_foreign_{table}('{resource}')"""


class PostgreSQLErrors(ErrorCodes):
    """PostgreSQL's errors have a SQLSTATE, except those of connecting."""

    read_only = frozenset({"25006"})
    not_prepared = frozenset({"26000", "42P05"})
    # 57014: a statement that was cancelled, as by a time limit of the account while it waited for
    # a lock.
    busy = frozenset({"40001", "40P01", "53300", "55P03", "57014", "57P03"})
    busy |= read_only | not_prepared
    lost = frozenset({"57P01", "57P02"})
    forbidden = frozenset({"42501"})
    duplicate = frozenset({"23505"})
    reference = frozenset({"23503"})
    # A division by zero.
    unmatched = frozenset({"22012"})
    unfit = {
        "22P05": "the database's encoding lacks a character; it should be UTF8",
        "3F000": "no schema of the session's search_path exists; correct the search_path",
        "42703": OLD_SCHEMA,
        "42P01": "a table is not in the session's search_path; correct that, or run db upgrade",
    }
    no_tls_words = re.compile(
        r"certificate verify failed|invalid ssl\w+ value|not support SSL|root certificate file"
        r"|server certificate for"
    )
    # Of the detail: (name, deleted)=(values)
    names_columns = re.compile(r"\(([^()=]+)\)=\(")

    def of(self, origin: Any) -> Set[Any]:
        """Return the SQLSTATE of an error."""
        state = getattr(origin, "sqlstate", None)
        if state == "0A000" and origin.diag.source_function == "RevalidateCachedQuery":
            # A plan that was made before a column changed; the code alone says less.
            return {"26000"}
        return {state} - {None}

    def has_value(self, codes: Set[Any]) -> bool:
        """Return whether an error is of the class of values that do not fit."""
        return any(code.startswith("22") for code in codes)

    def is_lost(self, codes: Set[Any]) -> bool:
        """Return whether an error is of the class of lost connections, or ends the session."""
        return super().is_lost(codes) or any(code.startswith("08") for code in codes)

    def is_refused(self, origin: Any) -> bool:
        """Return whether a server refuses the account or the database, which it names then."""
        words, known = str(origin), getattr(origin, "pgconn", None)
        if _NO_ENTRY_WORDS.search(words):
            return True
        if known is None or _FULL_WORDS in words:
            return False
        names = [name.decode(errors="replace") for name in (known.user, known.db) if name]
        # After the text of libpq, which names the place.
        quoted = rf":  .*{QUOTE}\s*({'|'.join(map(re.escape, names))})\s*{QUOTE}"
        return bool(names) and re.search(quoted, words) is not None

    def obstacle(self, origin: Any) -> str | None:
        """Return what a connection pooler does not allow."""
        if _NO_TRANSACTIONS_WORDS in str(origin):
            return (
                "the connection pooler allows no transactions; its pool_mode should be transaction"
            )
        if found := _NO_PARAMETER_WORDS.search(str(origin)):
            return f"the connection pooler rejects the startup parameter {found[1]}; remove it"
        return None

    def detail(self, origin: Any) -> str:
        """Return the detail of an error."""
        return origin.diag.message_detail or ""


class PostgreSQLCatalog(Catalog):
    """The catalog of PostgreSQL."""

    encoding = sa.select(sa.func.current_setting("server_encoding"))

    def sequence(
        self, table: sa.Table
    ) -> tuple[sa.ColumnElement[Any], sa.ColumnElement[Any]] | None:
        """Return the sequence of a SERIAL, and the last id drawn from it."""
        sequence = sa.func.pg_get_serial_sequence(table.name, "id")
        drawn = sa.func.pg_sequence_last_value(sa.cast(sequence, REGCLASS))
        return sequence, sa.func.coalesce(drawn, 0)

    def is_inexact(self, kind: Any) -> bool:
        """Return whether text has another collation than that of its bytes."""
        return isinstance(kind, sa.String) and kind.collation != "C"

    def uses(
        self, connection: sa.Connection, columns: Mapping[str, Iterable[str]]
    ) -> Iterable[Use]:
        """Return what depends on any column."""
        return [(row[0], row[1], row[2]) for row in connection.exec_driver_sql(_USES)]


class PostgreSQL(Backend):
    """PostgreSQL through psycopg."""

    name = extra = "postgresql"
    errors = PostgreSQLErrors()
    catalog = PostgreSQLCatalog()
    required_arguments = {"autocommit": True}
    loads_booleans = True
    null_is_greatest = True
    plans_by_text = True
    writes_in_with = True
    # Not the volatile clock_timestamp(), by which no index is searched.
    now = "timezone('UTC', statement_timestamp())"
    later = "timezone('UTC', statement_timestamp()) + {0} * interval '1 second'"
    create_foreign_triggers = (_RECORD_FOREIGN, _RECORD_INSERTS, _RECORD_UPDATES)
    # With it go the triggers.
    drop_foreign_triggers = ("DROP FUNCTION IF EXISTS record_foreign_{table}() CASCADE",)
    has_row_security = True
    notify = "NOTIFY watcher_objects, '{0}'"
    begin_with = "BEGIN; {0}"
    commit_with = "WITH done AS ({0} RETURNING 1) SELECT 1 / count(*) FROM done; COMMIT"
    try_migration_lock = "SELECT pg_try_advisory_lock(7747611)::integer"
    # With a pooler only an open transaction keeps a lock. It must not end by a timeout,
    # and needs a level that keeps no snapshot: CREATE INDEX CONCURRENTLY would wait for that.
    begin_locking = (
        "BEGIN ISOLATION LEVEL READ COMMITTED",
        "SELECT set_config(name, '0', true) FROM pg_settings"
        " WHERE name IN ('idle_in_transaction_session_timeout', 'transaction_timeout')",
    )
    try_migration_lock_in_transaction = "SELECT pg_try_advisory_xact_lock(7747611)::integer"

    def connector(self) -> Connector:
        """Return what opens a connection: it takes 0 for unlimited, and one second for two."""
        from watcher_objects.db.backend.dialects.psycopg import Connection

        return Connection.connect

    def socket(self, connection: Any) -> int:
        """Return the number of libpq's socket."""
        number: int = connection.fileno()
        return number

    def prepare_session(self, connection: Any, lock_timeout: int) -> None:
        """Set up a session, which a pooler may share."""
        from watcher_objects.db.backend.dialects import psycopg

        psycopg.prepare(connection, lock_timeout)

    def is_in_transaction(self, connection: Any) -> bool:
        """Return what libpq knows of a connection."""
        status: str = connection.info.transaction_status.name
        return status != "IDLE"

    def bound(
        self, connection: Any, text: str, values: Sequence[Any]
    ) -> tuple[str, Sequence[Any]]:
        """Return a text with literals: a message with several statements takes no parameters."""
        from watcher_objects.db.backend.dialects import psycopg

        return psycopg.with_literals(connection, text, values), ()

    def advance_sequence(self, table: sa.Table, ident: int) -> Sequence[sa.Executable]:
        """Return statements that lock the table, so that nobody else draws a number."""
        sequence = sa.func.pg_get_serial_sequence(table.name, "id")
        drawn = sa.func.pg_sequence_last_value(sa.cast(sequence, REGCLASS))
        latest = sa.func.greatest(ident, sa.func.coalesce(drawn, 1))
        return (
            sa.text(f"LOCK TABLE {table.name} IN SHARE ROW EXCLUSIVE MODE"),
            sa.select(sa.func.setval(sequence, latest)),
        )

    def listen(self, connection: Any) -> bool:
        """Listen, unless a pooler may give the session to others."""
        if not connection.is_pooled:
            connection.execute("LISTEN watcher_objects")
        return not connection.is_pooled

    def was_notified(self, connection: Any, seconds: float) -> bool:
        """Return whether a notification arrived; others that have come with it are the same."""
        return len([*connection.notifies(timeout=seconds, stop_after=1)]) > 0

    def drop_database(self, name: str) -> str:
        """Return a statement that also ends connections."""
        return f"DROP DATABASE {name} WITH (FORCE)"
