# SPDX-License-Identifier: Apache-2.0
"""The interface of a database and its driver."""

import contextlib
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import sqlalchemy as sa

from watcher_objects import exception
from watcher_objects.db.backend import budget, urls
from watcher_objects.db.backend.dialects.catalog import Catalog
from watcher_objects.db.backend.dialects.error_codes import ErrorCodes

#: Opens a connection, called as the driver's own function.
Connector = Callable[..., Any]


class Backend:
    """The differences between databases and between their drivers.

    A subclass overrides what its database or driver does otherwise; no other code asks which
    database it is. The defaults are those of a server with standard SQL. The object has no state:
    one serves all engines (``dialects.of``). What SQLAlchemy's own
    dialect knows (types, quoting, RETURNING) is asked there.
    """

    #: What SQLAlchemy calls the database.
    name = ""
    #: The extra of this library that installs the driver.
    extra = ""
    #: What the driver's errors mean.
    errors: ErrorCodes = ErrorCodes()
    #: What the database's own tables say about a schema.
    catalog: Catalog = Catalog()

    # Connections.

    #: Whether connections lead to a server, which may hang up on them.
    is_server = True
    #: Arguments of the driver that a caller can't choose, as the library depends on them.
    required_arguments: Mapping[str, Any] = {}

    def engine_options(self, url: sa.URL) -> dict[str, Any]:
        """Return arguments for ``create_engine``, which a caller may replace."""
        # Values without names, which SQLAlchemy would put into a dict and psycopg take out.
        return {"pool_recycle": 3600, "paramstyle": "format"}

    def connect_arguments(self, url: sa.URL, lock_timeout: int) -> dict[str, Any]:
        """Return arguments for the driver, which a caller may replace."""
        return urls.secrets(url)

    def file(self, url: sa.URL) -> str | None:
        """Return the path of the database file; None if the database is not a file."""
        return None

    def connect(self, dialect: Any, record: Any, args: Any, options: dict[str, Any]) -> Any:
        """Connect as SQLAlchemy does, with a connection that respects the deadline of a call.

        Without that a server that is frozen, or that a network has lost, would not be noticed.
        While one waits, other green threads run, and signals are handled.

        :raises DatabaseError: connections can't be used in this process
        """
        limit = budget.shorter(options.get("connect_timeout"), budget.remaining())
        if limit is not None:
            options = {**options, "connect_timeout": self.connect_timeout(limit)}
        return self.connector()(*args, **options)

    def connector(self) -> Connector:
        """Return the function that opens a connection; it imports the driver."""
        raise NotImplementedError

    def connect_timeout(self, seconds: float) -> float:
        """Return the time limit for connecting, as the driver expects it."""
        return max(math.floor(seconds), 1)

    def socket(self, connection: Any) -> int:
        """Return the file descriptor of a connection to a server; -1 if it is closed.

        It shows that a server has hung up. A forked child closes its copy.
        """
        raise NotImplementedError

    # Sessions.

    #: Attributes of a driver's connection that its arguments or its factory may have changed.
    session_attributes: Mapping[str, Any] = {}
    #: The statements that set up a new session; ``{0}`` is the lock timeout in seconds.
    session_statements: Sequence[str] = ()
    #: What must hold in a session that can't set it for itself, as conditions in SQL; and what
    #: to do.
    session_requirements: Mapping[str, str] = {}

    def prepare_session(self, connection: Any, lock_timeout: int) -> None:
        """Set up the session of a new connection, whatever the defaults of account and server.

        :param lock_timeout: the maximum number of seconds to wait for a lock
        :raises DatabaseError: the session lacks what it can't set for itself
        """
        for name, value in self.session_attributes.items():
            setattr(connection, name, value)
        if self.is_in_transaction(connection):
            connection.rollback()
        with contextlib.closing(connection.cursor()) as cursor:
            for statement in self.session_statements:
                cursor.execute(statement.format(lock_timeout))
            if not self.session_requirements:
                return
            cursor.execute(f"SELECT {', '.join(self.session_requirements)}")
            found = zip(cursor.fetchone(), self.session_requirements.values(), strict=True)
            for holds, reason in found:
                if not holds:
                    raise exception.DatabaseError(reason=reason)

    def is_in_transaction(self, connection: Any) -> bool:
        """Return whether a driver's connection is in a transaction."""
        raise NotImplementedError

    def clear_result(self, connection: Any) -> None:
        """Release the rows of the last statement that a driver's connection keeps."""

    # Transactions.

    #: Begins a transaction that will write.
    begin = "BEGIN"
    #: Whether a transaction excludes all other writers.
    has_single_writer = False
    #: Whether nothing is left of an interrupted statement once its cursor is closed.
    survives_interrupts = False

    def write_and_read(self, write: str, others: Sequence[str], is_transaction: bool) -> str:
        """Return one statement that runs a write and, if it matched, others; the last one reads.

        Only databases without UPDATE ... RETURNING need it.

        :param is_transaction: whether it is a transaction, or a part of one
        """
        raise NotImplementedError

    #: Whether rows that others have locked can be skipped, by SELECT ... SKIP LOCKED.
    skips_locked = True

    def for_each(self, select: str, others: Sequence[str], is_transaction: bool) -> str:
        """Return one statement that runs others for each row of a SELECT, ``picked``.

        Only databases without UPDATE ... RETURNING need it.

        :param is_transaction: whether it is a transaction, or a part of one
        """
        raise NotImplementedError

    #: SQL that begins a transaction with a statement, ``{0}``, in one round trip; empty if a round
    #: trip costs nothing.
    begin_with = ""
    #: SQL that commits after a statement, and fails with ``errors.unmatched`` if no row matched.
    commit_with = ""

    def bound(
        self, connection: Any, text: str, values: Sequence[Any]
    ) -> tuple[str, Sequence[Any]]:
        """Return a text of several statements and its values, as the driver accepts them."""
        return text, values

    # Statements.

    #: Whether the driver returns a bool for a boolean, not a number.
    loads_booleans = False
    #: Whether times are texts: for the driver, and where they are compared.
    times_are_text = False
    #: Whether NULL is greater than any value in ORDER BY and in an index; else it is the least.
    null_is_greatest = False
    #: Whether a statement is planned by its text, so that it should show how many rows are asked
    #: for; and whether values are taken to be spread evenly, so that a page by id should name the
    #: index that leads straight to its rows.
    plans_by_text = False
    #: Whether ranges of an index that are joined by OR are read one after the other.
    reads_ranges_in_order = False
    #: Whether WITH may contain statements that write.
    writes_in_with = False
    #: Whether the id of a row that was removed may be given to another.
    reuses_ids = False
    #: What makes INSERT store nothing, without an error, where a unique key is taken; only
    #: databases that reuse ids need it.
    insert_if_free = ""
    #: SQL for the time in UTC by the database's clock, and for a time ``{0}`` seconds later.
    now = ""
    later = ""
    #: Whether an error names the last of several unique keys that are taken.
    reports_last_key = False
    #: Whether a policy may hide rows from SELECT ... FOR UPDATE.
    has_row_security = False

    def longest_time(self, text: str) -> str:
        """Return SQL for a stored time in the format in which times are bound."""
        return text

    def shortest_time(self, text: str) -> str:
        """Return SQL for a bound time in the format that sorts first."""
        return text

    def advance_sequence(self, table: sa.Table, ident: int) -> Sequence[sa.Executable]:
        """Return statements after which the next generated id is greater than ``ident``.

        They run before the row with this id is stored, in the same transaction.
        """
        return ()

    def drop_database(self, name: str) -> str:
        """Return the statement that drops a database, even with open connections."""
        return f"DROP DATABASE {name}"

    # Notifications.

    #: SQL that notifies all who :meth:`listen` of work in a table, ``{0}``; empty if the database
    #: sends no notifications.
    notify = ""

    def listen(self, connection: Any) -> bool:
        """Make a driver's connection receive notifications; return False if it can't."""
        return False

    def was_notified(self, connection: Any, seconds: float) -> bool:
        """Wait for a notification, and return whether one arrived within the time limit."""
        raise NotImplementedError

    # Migrations.

    #: Make the database record a state in a row of ``{table}`` whose ``moves`` were not counted:
    #: the write of another program. They may be run again.
    create_foreign_triggers: Sequence[str] = ()
    #: Undo that, if it was done.
    drop_foreign_triggers: Sequence[str] = (
        "DROP TRIGGER IF EXISTS record_foreign_{table}_insert",
        "DROP TRIGGER IF EXISTS record_foreign_{table}_update",
    )
    #: Tries to get the migration lock for a session; 1: it has it.
    try_migration_lock = ""
    #: The same for a transaction, with what begins it: for sessions that a pooler shares.
    begin_locking: Sequence[str] = ()
    try_migration_lock_in_transaction = ""

    def migration_transaction(
        self, connection: sa.Connection
    ) -> AbstractContextManager[None] | None:
        """Return the transaction of a whole migration; None if a lock is taken instead."""
        return None

    def is_cluster_node(self, connection: sa.Connection) -> bool:
        """Return whether a server is a node of a cluster, whose locks are those of one node."""
        return False

    #: Whether the SQL of a migration is recorded; else alembic writes it offline.
    records_migrations = False

    def record_migration(
        self, connection: sa.Connection, migrate: Callable[[sa.Connection], None]
    ) -> str:
        """Return the statements of a migration, run on a copy of the database."""
        raise NotImplementedError
