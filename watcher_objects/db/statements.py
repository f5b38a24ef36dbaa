# SPDX-License-Identifier: Apache-2.0
"""Statements as the driver takes them: each compiled once for all calls of one shape, and run.

Who builds a statement names its values instead of putting them in (``sa.bindparam``), caches
what was built by the shape of the call, and gives the values with each call. To build and to
compile it anew would cost several times what the database needs for it.
"""

import contextlib
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from watcher_objects.db import engine, errors, sessions

#: Shapes of which each builder keeps the statements.
SHAPES = 512

#: Rows up to which what they were fetched with is used again.
FEW = 100

#: The values of a row in the order of its table's columns, as the driver gives them.
Cells = Sequence[Any]


class Statement:
    """A text for the driver, and how the values that it names are bound."""

    #: Whether it is a transaction of its own, which an error leaves open.
    is_transaction = False

    def __init__(self, built: sa.ClauseElement, dialect: sa.Dialect) -> None:
        compiled: Any = built.compile(dialect=dialect)
        self.text: str = compiled.string
        # To ask a driver's cursor for it can take longer than to fetch a row.
        self.returns_rows = isinstance(built, sa.Select) or " RETURNING " in self.text
        names = compiled.positiontup
        self._names: Sequence[str] = tuple(names)
        self._constants = {n: v for n, v in compiled.params.items() if v is not None}
        kinds = {name: compiled.binds[name].type for name in names}
        self._binders = [
            (place, binder)
            for place, name in enumerate(names)
            if (binder := binder_of(kinds[name], dialect))
        ]

    def bound(self, values: Mapping[str, Any]) -> Sequence[Any]:
        """Return the values in their order, as the driver takes them."""
        known = {**self._constants, **values}
        bound = [known[name] for name in self._names]
        for place, binder in self._binders:
            bound[place] = binder(bound[place])
        return bound


class UpdateAndRead(Statement):
    """An UPDATE and, if it matched, the SELECT of its row: a transaction, in one round trip.

    For MariaDB, which has no UPDATE ... RETURNING. There, what matched is counted, too, since
    SQLAlchemy has its drivers say so.
    """

    is_transaction = returns_rows = True

    def __init__(self, update: Statement, read: Statement) -> None:
        self._parts = update, read
        self.text = (
            f"BEGIN NOT ATOMIC START TRANSACTION; {update.text}; "
            f"IF ROW_COUNT() > 0 THEN {read.text}; END IF; COMMIT; END"
        )

    def bound(self, values: Mapping[str, Any]) -> Sequence[Any]:
        """Return the values of both."""
        return [value for part in self._parts for value in part.bound(values)]


@functools.lru_cache(maxsize=SHAPES)
def binder_of(kind: Any, dialect: sa.Dialect) -> Callable[[Any], Any] | None:
    """Return what makes of a value of a type what the driver takes; None: nothing has to."""
    binder: Callable[[Any], Any] | None = kind.dialect_impl(dialect).bind_processor(dialect)
    return binder


def cells(table: sa.Table, row: Mapping[str, Any]) -> Cells:
    """Return a row as the driver would give it."""
    dialect = engine.get_dialect()
    return [cell(dialect, column, row[column.name]) for column in table.columns]


def cell(dialect: sa.Dialect, column: sa.Column[Any], value: Any) -> Any:
    """Return a value of a column as the driver would give it."""
    binder = binder_of(column.type, dialect)
    return binder(value) if binder else value


def named(table: sa.Table, row: Cells) -> dict[str, Any]:
    """Return the cells of a row by the names of their columns."""
    return dict(zip((column.name for column in table.columns), row, strict=True))


@functools.cache
def place(table: sa.Table, name: str) -> int:
    """Return where in the cells of a row a column stands."""
    return [column.name for column in table.columns].index(name)


def run(statement: Statement, values: Mapping[str, Any]) -> tuple[Sequence[Cells], int]:
    """Run a statement in autocommit, and return its rows and how many rows it matched.

    SQLAlchemy's way from a connection to the driver takes longer than a statement itself. It
    is gone where somebody listens to the engine's statements.
    """
    if is_listened_to(engine.get_engine()):
        with engine.connect() as connection:
            return run_on(connection, statement, values)
    lent = engine.lend()
    try:
        return _run(lent, engine.get_engine(), statement, values)
    finally:
        engine.keep(lent)


def run_on(
    connection: sa.Connection, statement: Statement, values: Mapping[str, Any]
) -> tuple[Sequence[Cells], int]:
    """Run a statement on a connection, and return as above."""
    if not is_listened_to(connection.engine):
        return _run(connection.connection, connection.engine, statement, values)
    with errors.translated(connection.engine):
        result = connection.exec_driver_sql(statement.text, tuple(statement.bound(values)))
        return result.fetchall() if statement.returns_rows else (), result.rowcount


def is_listened_to(source: sa.Engine) -> bool:
    """Tell whether somebody listens to what is executed, like what traces statements."""
    return source._has_events


def _run(lent: Any, source: sa.Engine, statement: Statement, values: Mapping[str, Any]) -> Any:
    # A cursor is good for many statements, and a new one of psycopg's costs; but it keeps what
    # it fetched last.
    info, text, bound = lent.info, statement.text, statement.bound(values)
    try:
        cursor = info.pop("cursor", None) or lent.cursor()
        cursor.execute(text, bound)
        rows = cursor.fetchall() if statement.returns_rows else ()
        if statement.is_transaction:
            # What comes of its COMMIT is told last.
            while cursor.nextset():
                pass
        if len(rows) <= FEW:
            info["cursor"] = cursor
        else:
            sessions.forget_rows(lent.dbapi_connection)
        return rows, cursor.rowcount
    except Exception as error:
        told = _told(lent, source, error, text)
        if statement.is_transaction and lent.is_valid:
            _end(lent)
        errors.tell(source, told)
    except BaseException:
        # An interrupt may have left anything; and an open cursor would keep SQLite's lock.
        with contextlib.suppress(Exception):
            cursor.close()
        lent.invalidate()
        raise


def _end(lent: Any) -> None:
    """Roll back, and give up the connection where that can't be done."""
    try:
        lent.dbapi_connection.rollback()
    except Exception as error:
        lent.invalidate(error)


def _told(lent: Any, source: sa.Engine, error: Exception, text: str) -> Exception:
    """Return a driver's error as oslo.db tells it, and give up its connection if that is lost."""
    if not isinstance(error, source.dialect.loaded_dbapi.Error):
        return error
    is_gone = source.dialect.is_disconnect(error, lent.dbapi_connection, None)
    told, is_gone = errors.told(source.dialect, error, text, is_gone)
    if is_gone:
        lent.invalidate(error)
    return told
