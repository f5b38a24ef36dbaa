# SPDX-License-Identifier: Apache-2.0
"""Connections to PostgreSQL, and what their sessions need, also through a connection pooler.

A pooler in transaction mode, such as PgBouncer, runs each transaction in any of its server
sessions. What would have to outlive a transaction is lost there, or reaches another client: a
named prepared statement, a setting, a session's lock. Such a connection prepares nothing, and
sets what it needs in each transaction.

This module imports the driver, and is imported where a connection is made.
"""

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import psycopg
from psycopg import waiting
from psycopg.adapt import Transformer
from psycopg.pq import Escaping, TransactionStatus

from watcher_objects import exception
from watcher_objects.db.backend import budget, green

# What a session needs, by the name that it has for a session and for one transaction:
# the exact text of floats, and the isolation level that the guards of writes are made for.
_SETTINGS = {
    "lock_timeout": ("lock_timeout", "{0}s"),
    "default_transaction_isolation": ("transaction_isolation", "read committed"),
    "extra_float_digits": ("extra_float_digits", "3"),
}
_SET = re.compile(r"SET (?:SESSION )?(\w+) (?:=|TO) (.+)", re.IGNORECASE | re.DOTALL)


class Connection(psycopg.Connection[Any]):
    """A connection that waits for its server until the deadline of the current call."""

    #: The pooler's mode as the URL has it; None: to be detected.
    pool_mode: str | None = None
    #: Whether each transaction may run in another session.
    is_pooled = False

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._green_wait = _green_wait(green.patched("select"))

    @classmethod
    def connect(cls, conninfo: str = "", **options: Any) -> Any:
        """Connect in UTF-8, whatever the environment, the role or the database has."""
        pool_mode = options.pop("pool_mode", None)
        options = {"cursor_factory": Cursor, **options, "client_encoding": "utf8"}
        connection = super().connect(conninfo, **options)
        connection.pool_mode = pool_mode
        return connection

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Wait for an answer, and close a connection whose answer came too late."""
        limit = budget.remaining() if timeout is None else timeout
        try:
            if self._green_wait:
                return self._green_wait(gen, self.pgconn.socket, interval, limit)
            return super().wait(gen, interval, limit)
        except BaseException as error:
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                # The answer may come yet, and would be taken for the next one's.
                self.close()
            if isinstance(error.__cause__, TimeoutError):
                # A limit of the caller's, which psycopg takes for an error of select.
                raise error.__cause__ from None
            raise

    def share_sessions(self) -> None:
        """Stop relying on session state that outlives a transaction."""
        self.is_pooled, self.prepare_threshold = True, None
        self.cursor_factory = PooledCursor
        self.local_settings: dict[str, str] = {}

    def set_local(self, name: str, value: str) -> None:
        """Begin each transaction with a setting; ``value`` is SQL."""
        self.local_settings[name] = f"SET LOCAL {name} = {value}; "


@functools.cache
def _green_wait(by: str | None) -> Callable[..., Any] | None:
    """Return how psycopg waits for a server while other green threads run; None without them.

    Its own choice depends on what was imported first, and does not know eventlet.
    """
    if by is None:
        return None
    # eventlet has no poll; select of gevent takes no file numbers above 1023.
    return waiting.wait_select if by == "eventlet" else waiting.wait_poll


class _Reading:
    """The part of a cursor that reads values stored by other programs.

    A time that Python has no name for, like ``infinity``, is returned as text, which the fields of
    objects reject by the name of the row. The driver's error would name no row, and end a list.
    """

    def fetchall(self) -> list[Any]:
        """Return all rows, each value as the driver loads it, or else as text."""
        cursor: Any = super()
        try:
            rows: list[Any] = cursor.fetchall()
        except psycopg.DataError:
            return _loaded(self)
        return rows


def _loaded(cursor: Any) -> list[Any]:
    result, transformer = cursor.pgresult, Transformer(cursor)
    columns = range(result.nfields)
    loaders = [transformer.get_loader(result.ftype(n), result.fformat(n)) for n in columns]

    def load(row: int, column: int) -> Any:
        value = result.get_value(row, column)
        try:
            return value if value is None else loaders[column].load(value)
        except psycopg.DataError:
            return bytes(value).decode(errors="replace")

    return [tuple(load(row, column) for column in columns) for row in range(result.ntuples)]


class Cursor(_Reading, psycopg.Cursor[Any]):
    """A cursor of a connection to the server itself."""


class PooledCursor(_Reading, psycopg.ClientCursor[Any]):
    """A cursor whose statements bring their session's settings with them.

    Outside a transaction the settings and the statement are one message of the simple query
    protocol, which the server runs as one transaction. Such a message takes no parameters:
    their values become literals here.
    """

    def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
        """Execute a statement; a SET outside a transaction holds for this connection."""
        connection: Any = self.connection
        is_idle = connection.pgconn.transaction_status == TransactionStatus.IDLE
        if not (is_idle and connection.autocommit and isinstance(query, str)):
            return super().execute(query, params, **options)
        setting = _SET.fullmatch(query)
        text = f"SET LOCAL {setting[1]} = {setting[2]}" if setting else query
        settings = connection.local_settings.values()
        try:
            super().execute("".join(settings) + text, params, **options)
        except psycopg.errors.ActiveSqlTransaction:
            # Like CREATE INDEX CONCURRENTLY, which must be a message of its own.
            return super().execute(query, params, **options)
        for _ in settings:
            self.nextset()
        if setting:
            connection.set_local(*setting.groups())
        return self


def with_literals(connection: Connection, text: str, values: Sequence[Any]) -> str:
    """Return a text with a literal, quoted by libpq, in place of each ``%s``."""
    quote = Escaping(connection.pgconn).escape_literal
    literals = (
        "NULL" if value is None else quote(str(value).encode()).decode() for value in values
    )
    # Without parameters a percent sign is written as two, too.
    return text % tuple(literal.replace("%", "%%") for literal in literals)


def prepare(connection: Connection, lock_timeout: int) -> None:
    """Detect a pooler, and set what the session of a new connection needs.

    :raises DatabaseError: a setting can't be changed, or the pooler allows no transactions
    """
    values = {name: value.format(lock_timeout) for name, (_, value) in _SETTINGS.items()}
    try:
        is_pooled, role = _set(connection, values)
        if is_pooled:
            connection.share_sessions()
            for name, (local_name, _) in _SETTINGS.items():
                connection.set_local(local_name, f"'{values[name]}'")
            with connection.transaction():
                # Refused in statement mode.
                pass
        if role == "replica":
            _enforce_foreign_keys(connection)
    except BaseException:
        connection.close()
        raise


def _set(connection: Connection, values: Mapping[str, str]) -> tuple[bool, str]:
    """Set a session's settings; return whether it is shared, and its replication role.

    One statement does it all: where the session is shared, its settings end with it.
    """
    is_pooled = "pg_backend_pid() <> %(pid)s"
    if connection.pool_mode is not None:
        is_pooled = str(connection.pool_mode == "transaction")
    columns = [is_pooled, "current_setting('session_replication_role')"]
    columns += [f"set_config('{name}', '{value}', {is_pooled})" for name, value in values.items()]
    # A pooler makes up the process id that it gives to its clients.
    known = {"pid": connection.info.backend_pid}
    found: Any = connection.execute(f"SELECT {', '.join(columns)}", known).fetchone()
    return found[0], found[1]


def _enforce_foreign_keys(connection: Connection) -> None:
    """Turn foreign keys and triggers on again, where the role or the database turns them off."""
    try:
        connection.execute("SET session_replication_role = origin")
    except psycopg.errors.InsufficientPrivilege as error:
        reason = (
            "session_replication_role is replica, so foreign keys are not enforced, and the"
            " account may not change it: reset it for the role or the database"
        )
        raise exception.DatabaseError(reason=reason) from error
