# SPDX-License-Identifier: Apache-2.0
"""Errors of the database at chosen statements: the driver's own, raised by its own cursors."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pymysql


class Injector:
    """Counts statements, and makes some of them fail.

    :ivar at: the first statement that fails, from 1 on; None: none does
    :ivar error: makes the error of the driver for its connection
    :ivar for_ever: all statements after it fail as well
    :ivar done: the database executes the statement, and only the answer is lost
    """

    def __init__(self) -> None:
        self.at: int | None = None
        self.error: Callable[[Any], Exception] = Exception
        self.for_ever = self.done = False
        self.count = self.raised = 0

    @contextmanager
    def failing(
        self,
        error: Callable[[Any], Exception],
        at: int,
        for_ever: bool = False,
        done: bool = False,
    ) -> Iterator["Injector"]:
        """Make statements fail inside, counted from here."""
        self.error, self.for_ever, self.done = error, for_ever, done
        self.at, self.count, self.raised = at, 0, 0
        try:
            yield self
        finally:
            self.at = None

    def run(self, connection: Any, execute: Callable[[], Any]) -> Any:
        """Run a statement, or fail."""
        if self.at is None:
            return execute()
        self.count += 1
        if self.count < self.at or (self.raised and not self.for_ever):
            return execute()
        self.raised += 1
        if self.done:
            execute()
        raise self.error(connection)


INJECTOR = Injector()


class _SqliteCursor(sqlite3.Cursor):
    def execute(self, *args):
        return INJECTOR.run(self.connection, lambda: super(_SqliteCursor, self).execute(*args))


class _SqliteConnection(sqlite3.Connection):
    def cursor(self, factory=_SqliteCursor):
        return super().cursor(factory)


class _PostgresqlCursor(psycopg.Cursor):
    def execute(self, *args, **kwargs):
        execute = super().execute
        return INJECTOR.run(self.connection, lambda: execute(*args, **kwargs))


class _MariadbCursor(pymysql.cursors.Cursor):
    def execute(self, *args):
        return INJECTOR.run(self.connection, lambda: super(_MariadbCursor, self).execute(*args))


#: What makes a driver use the cursors above: arguments for its ``connect``.
ARGUMENTS: dict[str, dict[str, Any]] = {
    "sqlite": {"factory": _SqliteConnection},
    "postgresql": {"cursor_factory": _PostgresqlCursor},
    "mysql": {"cursorclass": _MariadbCursor},
}


def _of_sqlite(name: str) -> Callable[[Any], Exception]:
    def made(connection: Any) -> Exception:
        error = sqlite3.OperationalError("database is locked")
        error.sqlite_errorname = name
        error.sqlite_errorcode = getattr(sqlite3, name)
        return error

    return made


def _of_postgresql(sqlstate: str, closes: bool = False) -> Callable[[Any], Exception]:
    def made(connection: Any) -> Exception:
        if closes:
            connection.close()
        return psycopg.errors.lookup(sqlstate)(f"injected {sqlstate}")

    return made


def _hang_up_of_postgresql(connection: Any) -> Exception:
    connection.close()
    return psycopg.OperationalError("server closed the connection unexpectedly")


def _of_mariadb(code: int, closes: bool = False) -> Callable[[Any], Exception]:
    def made(connection: Any) -> Exception:
        if closes:
            connection.close()
        return pymysql.err.OperationalError(code, f"injected {code}")

    return made


#: Errors after which nothing was done, and those that leave that open, by database.
NOTHING_DONE = {
    "sqlite": {n: _of_sqlite(n) for n in ("SQLITE_BUSY", "SQLITE_BUSY_SNAPSHOT")},
    "postgresql": {code: _of_postgresql(code) for code in ("40001", "40P01", "55P03")},
    "mysql": {str(code): _of_mariadb(code) for code in (1020, 1047, 1205, 1213)},
}
LEFT_OPEN = {
    "sqlite": {},
    "postgresql": {"57P01": _of_postgresql("57P01", True), "hang-up": _hang_up_of_postgresql},
    "mysql": {
        "1180": _of_mariadb(1180),
        **{str(code): _of_mariadb(code, True) for code in (2006, 2013)},
    },
}
