# SPDX-License-Identifier: Apache-2.0
"""SQLite: a file or memory, one writer at a time, and text for times."""

import re
import sys
from collections.abc import Callable, Iterator, Set
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import sqlalchemy as sa

from watcher_objects import exception
from watcher_objects.db.backend.dialects.base import Backend, Connector
from watcher_objects.db.backend.dialects.catalog import Catalog
from watcher_objects.db.backend.dialects.error_codes import OLD_SCHEMA, ErrorCodes

#: Statements before a table is rewritten: it is dropped for a moment, although others and views
#: use it.
REWRITING = ("PRAGMA foreign_keys = OFF", "PRAGMA legacy_alter_table = ON")

_MISSING = re.compile(r"no such (?:table|column): |table \w+ has no column named ")


class SQLiteErrors(ErrorCodes):
    """SQLite names its errors."""

    busy = frozenset(
        {"SQLITE_BUSY", "SQLITE_BUSY_RECOVERY", "SQLITE_BUSY_SNAPSHOT", "SQLITE_CANTOPEN"}
    )
    lasting = frozenset({"SQLITE_CANTOPEN"})
    forbidden = frozenset(
        {"SQLITE_READONLY", "SQLITE_READONLY_CANTINIT", "SQLITE_READONLY_DIRECTORY"}
    )
    no_session = frozenset({"SQLITE_NOTADB"})
    duplicate = frozenset(
        {
            "SQLITE_CONSTRAINT_PRIMARYKEY",
            "SQLITE_CONSTRAINT_ROWID",
            "SQLITE_CONSTRAINT_UNIQUE",
        }
    )
    reference = frozenset({"SQLITE_CONSTRAINT_FOREIGNKEY"})
    # UNIQUE constraint failed: table.column, table.column
    names_columns = re.compile(r": (\w+\.\w+(?:, \w+\.\w+)*)$")

    def of(self, origin: Any) -> Set[Any]:
        """Return the name of an error."""
        return {getattr(origin, "sqlite_errorname", None)} - {None}

    def obstacle(self, origin: Any) -> str | None:
        """Return what is wrong with the schema, of which there is no code."""
        return OLD_SCHEMA if _MISSING.match(str(origin)) else None


# A new row may have the id of one that is gone, also one from before there was the trigger.
_RECORD_INSERTS = """
CREATE TRIGGER record_foreign_{table}_insert AFTER INSERT ON {table}
WHEN NEW.moves IS NULL AND NEW.state IS NOT NULL
BEGIN
    UPDATE transitions SET object_id = NULL WHERE resource = '{resource}' AND object_id = NEW.id;
    INSERT INTO transitions (resource, object_id, object_uuid, seq, to_state, at, kind)
    VALUES ('{resource}', NEW.id, NEW.uuid, 0, NEW.state,
            strftime('%Y-%m-%d %H:%M:%f000', 'now'), 'foreign');
END"""
_RECORD_UPDATES = """
CREATE TRIGGER record_foreign_{table}_update AFTER UPDATE OF state ON {table}
WHEN NEW.state IS NOT OLD.state AND NEW.moves IS OLD.moves
BEGIN
    UPDATE {table} SET moves = coalesce(OLD.moves, 0) + 1 WHERE id = NEW.id;
    UPDATE {table} SET worker_id = 0, attempts = OLD.attempts - 1
    WHERE id = NEW.id AND NEW.state = 'SUSPENDED' AND OLD.worker_id > 0;
    UPDATE {table} SET worker_id = NULL, attempts = NULL, available_at = NULL
    WHERE id = NEW.id AND NEW.state NOT IN ('SUSPENDED', 'ONGOING');
    UPDATE transitions SET object_id = NULL
    WHERE resource = '{resource}' AND object_uuid IS NOT NEW.uuid AND object_id = (
        SELECT object_id FROM transitions WHERE resource = '{resource}' AND object_id = NEW.id
        AND seq = coalesce(OLD.moves, 0) + 1);
    INSERT INTO transitions (resource, object_id, object_uuid, seq, from_state, to_state, at, kind)
    VALUES ('{resource}', NEW.id, NEW.uuid, coalesce(OLD.moves, 0) + 1, OLD.state, NEW.state,
            strftime('%Y-%m-%d %H:%M:%f000', 'now'), 'foreign');
END"""


class SQLiteCatalog(Catalog):
    """The schema table of SQLite."""

    foreign_triggers = """SELECT count(*) FROM sqlite_master
        WHERE type = 'trigger' AND name LIKE 'record_foreign_%'"""


class SQLite(Backend):
    """SQLite through the driver of the standard library."""

    name = "sqlite"
    errors = SQLiteErrors()
    catalog = SQLiteCatalog()
    is_server = False
    session_attributes = {"row_factory": None, "text_factory": str}
    session_statements = (
        "PRAGMA journal_mode = WAL",
        "PRAGMA synchronous = FULL",
        "PRAGMA foreign_keys = ON",
        # What is not committed stays in memory, so that a forked child can discard its copy.
        "PRAGMA cache_spill = OFF",
    )
    session_requirements = {
        "(SELECT foreign_keys FROM pragma_foreign_keys)": "SQLite must enforce foreign keys",
        "(SELECT encoding = 'UTF-8' FROM pragma_encoding)": (
            "the encoding of the file must be UTF-8: dump it, and load it into a new one"
        ),
    }
    required_arguments = {"check_same_thread": False, "detect_types": 0, "isolation_level": None}
    if sys.version_info >= (3, 12):
        # That is sqlite3.LEGACY_TRANSACTION_CONTROL; a client of RPC needs no driver.
        required_arguments["autocommit"] = -1
    begin = "BEGIN IMMEDIATE"
    has_single_writer = True
    skips_locked = False
    survives_interrupts = True
    times_are_text = True
    reports_last_key = True
    reuses_ids = True
    insert_if_free = "OR IGNORE"
    now = "strftime('%Y-%m-%d %H:%M:%f000', 'now')"
    later = "strftime('%Y-%m-%d %H:%M:%f000', 'now', {0} || ' seconds')"
    create_foreign_triggers = (
        *Backend.drop_foreign_triggers,
        _RECORD_INSERTS,
        _RECORD_UPDATES,
    )
    records_migrations = True

    def engine_options(self, url: sa.URL) -> dict[str, Any]:
        """Return a pool of one connection for a database in memory, of which each is another."""
        return {} if self.file(url) else {"pool_size": 1, "max_overflow": 0}

    def connect_arguments(self, url: sa.URL, lock_timeout: int) -> dict[str, Any]:
        """Return the time to wait for a lock."""
        return {"timeout": lock_timeout}

    def file(self, url: sa.URL) -> str | None:
        """Return the path of the database, unless it is in memory."""
        return url.database if url.database and url.database != ":memory:" else None

    def connect(self, dialect: Any, record: Any, args: Any, options: dict[str, Any]) -> Any:
        """Connect by a connection that waits for locks in Python."""
        return self.connector()(dialect, args, options)

    def connector(self) -> Connector:
        """Return what opens a connection."""
        from watcher_objects.db.backend.dialects import pysqlite

        return pysqlite.connect

    def is_in_transaction(self, connection: Any) -> bool:
        """Return whether a connection is in a transaction."""
        return bool(connection.in_transaction)

    def longest_time(self, text: str) -> str:
        """Return a time with six digits for the fraction of its second."""
        return f"({text} || substr('.000000', length({text}) - 18))"

    def shortest_time(self, text: str) -> str:
        """Return a time without the zeros at its end."""
        return f"rtrim(rtrim({text}, '0'), '.')"

    def migration_transaction(
        self, connection: sa.Connection
    ) -> AbstractContextManager[None] | None:
        """Return the transaction of a migration."""
        return _migration_transaction(connection)

    def record_migration(
        self, connection: sa.Connection, migrate: Callable[[sa.Connection], None]
    ) -> str:
        """Return what a migration says to a copy of the database."""
        import sqlite3

        written = [*REWRITING, "BEGIN IMMEDIATE"]

        def note(statement: str) -> None:
            if statement.split(maxsplit=1)[0] not in ("SELECT", "PRAGMA"):
                written.append(statement.strip())

        # Without a name it is in a file, which goes when it is closed.
        copy = sa.create_engine(
            "sqlite://", creator=lambda: sqlite3.connect("", isolation_level=None)
        )
        with copy.connect() as other:
            driver: Any = other.connection.driver_connection
            original: Any = connection.connection.driver_connection
            original.backup(driver)
            other.exec_driver_sql(REWRITING[1])
            driver.set_trace_callback(note)
            migrate(other)
            driver.set_trace_callback(None)
        copy.dispose()
        return ";\n\n".join([*written, "COMMIT", "PRAGMA foreign_keys = ON", ""])


@contextmanager
def _migration_transaction(connection: sa.Connection) -> Iterator[None]:
    run = connection.exec_driver_sql
    for statement in REWRITING:
        run(statement)
    # It may change more than fits into memory.
    run("PRAGMA cache_spill = ON")
    run("BEGIN IMMEDIATE")
    orphans = _orphans(connection)
    try:
        yield
        for table, row, target in _orphans(connection) - orphans:
            reason = f"row {row} of {table} refers to what is not in {target}"
            raise exception.DatabaseError(reason=reason)
        run("COMMIT")
    except BaseException:
        run("ROLLBACK")
        raise
    finally:
        run("PRAGMA legacy_alter_table = OFF")
        run("PRAGMA foreign_keys = ON")
        run("PRAGMA cache_spill = OFF")


def _orphans(connection: sa.Connection) -> set[tuple[Any, ...]]:
    """Return the rows that refer to rows that are gone: table, row and the table referred to."""
    return {tuple(row)[:3] for row in connection.exec_driver_sql("PRAGMA foreign_key_check")}
