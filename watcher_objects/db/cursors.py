# SPDX-License-Identifier: Apache-2.0
"""The execution of compiled statements at the driver's cursor.

SQLAlchemy's path from a connection to the driver takes longer than many statements do. It is used
only if the engine has event listeners for statements.
"""

import functools
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import sqlalchemy as sa

from watcher_objects.db.backend import database, dialects, errors, sessions
from watcher_objects.db.statements import Cells, Statement, Steps

#: The number of rows up to which a cursor is reused.
FEW = 100


def run(statement: Statement, values: Mapping[str, Any]) -> tuple[Sequence[Cells], int]:
    """Run a statement in autocommit, and return its rows and how many rows it matched."""
    source = database.current()
    if is_listened_to(source.engine):
        with source.checkout() as connection:
            return run_on(connection, statement, values)
    acquired = source.acquire()
    try:
        return _run(acquired, source.engine, statement, values)
    finally:
        source.release(acquired)


def run_on(
    connection: sa.Connection, statement: Statement, values: Mapping[str, Any]
) -> tuple[Sequence[Cells], int]:
    """Run a statement on a connection, in a transaction if it has begun one; return as above."""
    is_silent = not is_listened_to(connection.engine)
    if isinstance(statement, Steps):
        if statement.part is None or not is_silent:
            return statement.run_each(functools.partial(run_on, connection), values)
        statement = statement.part
    if is_silent:
        return _run(connection.connection, connection.engine, statement, values)
    with errors.translated(connection.engine), sessions.used(connection):
        result = connection.exec_driver_sql(statement.text, tuple(statement.bound(values)))
        return result.fetchall() if statement.returns_rows else (), result.rowcount


def is_listened_to(source: sa.Engine) -> bool:
    """Return whether the engine has listeners for statements, such as a tracer."""
    return source._has_events


def _run(
    connection: Any, source: sa.Engine, statement: Statement, values: Mapping[str, Any]
) -> tuple[Sequence[Cells], int]:
    """Run a statement at the driver's cursor.

    A cursor is good for many statements, and a new one of psycopg's costs. It stays in the
    connection's ``info``, where whatever closes the connection finds it.
    """
    info = connection.info
    info[sessions.USED] = True
    try:
        cursor = info.get("cursor")
        if cursor is None:
            cursor = info["cursor"] = connection.cursor()
        rows, matched = statement.execute(cursor, values)
        if len(rows) > FEW:
            # It would keep the rows.
            sessions.close(info.pop("cursor"))
            dialects.of(source).clear_result(connection.dbapi_connection)
    except BaseException as error:
        _failed(connection, source, error, statement)
        raise
    info[sessions.USED] = False
    return rows, matched


def _failed(connection: Any, source: sa.Engine, error: Any, statement: Statement) -> None:
    """Clean up after a statement that failed or was interrupted, and translate the error."""
    # Open, it would keep SQLite's lock; collected in another thread, it would wait for one.
    sessions.close(connection.info.pop("cursor", None))
    if isinstance(error, source.dialect.loaded_dbapi.Error):
        _refused(connection, source, error, statement)
    if dialects.of(source).survives_interrupts:
        if statement.is_transaction:
            _end(connection)
        # Without a cursor nothing is left of the statement; in memory it is the database.
        connection.info[sessions.USED] = False
    else:
        connection.invalidate()
    if isinstance(error, Exception):
        errors.raise_translated(source, error)


def _refused(connection: Any, source: sa.Engine, error: Any, statement: Statement) -> NoReturn:
    """Translate a driver's error, and close the connection unless it can be used again."""
    is_gone = source.dialect.is_disconnect(error, connection.dbapi_connection, None)
    wrapped, is_gone = errors.wrap_dbapi(source.dialect, error, statement.text, is_gone)
    if is_gone:
        connection.invalidate(error)
    elif statement.is_transaction:
        _end(connection)
    if connection.is_valid:
        connection.info[sessions.USED] = False
    errors.raise_translated(source, wrapped)


def _end(connection: Any) -> None:
    """Roll back, and invalidate the connection if that fails."""
    try:
        connection.dbapi_connection.rollback()
    except Exception as error:
        connection.invalidate(error)
