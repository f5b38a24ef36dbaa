# SPDX-License-Identifier: Apache-2.0
"""The statements that write rows and return them as they are stored."""

import functools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import REGCLASS

from watcher_objects import exception
from watcher_objects.db import engine, filters, transactions
from watcher_objects.db.queries import Key, Row, column, first, identity, lookup, meant
from watcher_objects.db.statements import SHAPES, Cells, Statement, UpdateAndRead, is_listened_to
from watcher_objects.db.statements import cells as cells_of


def insert(table: sa.Table, bound: Row) -> Cells:
    """Store a row, and return it."""
    statement = _insert(engine.get_dialect(), table, tuple(bound))
    with _numbered(table, bound.get("id", 0)), _explained(table, bound):
        (cells,) = transactions.run(statement, {f"new_{n}": v for n, v in bound.items()}).rows
    return cells


def insert_many(table: sa.Table, bound: Sequence[Row]) -> list[Cells]:
    """Store rows with the same columns, and return them in their order."""
    with _numbered(table, max(row.get("id", 0) for row in bound)), _explained(table, bound[0]):
        statement = sa.insert(table).returning(*table.columns)
        rows = transactions.execute(statement, bound).rows
    names = [column.name for column in identity(table)]
    number = {tuple(row[n] for n in names): number for number, row in enumerate(bound)}
    rows = sorted((r._mapping for r in rows), key=lambda row: number[tuple(row[n] for n in names)])
    return [cells_of(table, row) for row in rows]


@functools.lru_cache(maxsize=SHAPES)
def _insert(dialect: sa.Dialect, table: sa.Table, names: Sequence[str]) -> Statement:
    new = {name: _named(table, "new", name) for name in names}
    return Statement(sa.insert(table).values(new).returning(*table.columns), dialect)


def _named(table: sa.Table, what: str, name: str) -> sa.BindParameter[Any]:
    return sa.bindparam(f"{what}_{name}", type_=column(table, name).type)


def update(table: sa.Table, key: Key, bound: Row, guard: Key | None = None) -> Cells | None:
    """Change a row that is not deleted; None where there is none that meets the conditions.

    :param bound: the values, or columns whose values are to be copied
    :param guard: what the row's columns must hold
    """
    asked = {**(guard or {}), **key}
    given = {f"new_{n}": v for n, v in bound.items() if not isinstance(v, sa.Column)}
    copied = tuple((n, v) for n, v in bound.items() if isinstance(v, sa.Column))
    # What is NULL is asked for otherwise.
    conditions = tuple((name, value is None) for name, value in asked.items())
    names = tuple(n for n in bound if f"new_{n}" in given)
    dialect = engine.get_dialect()
    statement = _update(dialect, table, conditions, names, copied)
    values = given | {f"old_{name}": value for name, value in asked.items()}
    with _explained(table, bound):
        if dialect.update_returning:
            rows = transactions.run(statement, values).rows
            return rows[0] if rows else None
        if not (transactions.in_transaction() or is_listened_to(engine.get_engine())):
            both = _update_and_read(statement, dialect, table, tuple(key))
            rows = transactions.run(both, {**values, **key}).rows
            return rows[0] if rows else None
        with transactions.joined():
            if not transactions.run(statement, values).matched:
                return None
            return first(table, key, show_deleted=True)


@functools.lru_cache(maxsize=SHAPES)
def _update_and_read(
    update: Statement, dialect: sa.Dialect, table: sa.Table, names: Sequence[str]
) -> Statement:
    return UpdateAndRead(update, lookup(dialect, table, names, show_deleted=True))


@functools.lru_cache(maxsize=SHAPES)
def _update(
    dialect: sa.Dialect,
    table: sa.Table,
    conditions: Sequence[tuple[str, bool]],
    names: Sequence[str],
    copied: Sequence[tuple[str, sa.Column[Any]]],
) -> Statement:
    key = {n: None if is_null else _named(table, "old", n) for n, is_null in conditions}
    new = {name: _named(table, "new", name) for name in names}
    statement = sa.update(table).where(*meant(table, key, False)).values({**new, **dict(copied)})
    if dialect.update_returning:
        statement = statement.returning(*table.columns)
    return Statement(statement, dialect)


def delete(table: sa.Table, key: Key) -> bool:
    """Remove a row, deleted or not, and tell whether there was one."""
    statement = _delete(engine.get_dialect(), table, tuple(key))
    return transactions.run(statement, {f"old_{n}": v for n, v in key.items()}).matched > 0


@functools.lru_cache(maxsize=SHAPES)
def _delete(dialect: sa.Dialect, table: sa.Table, names: Sequence[str]) -> Statement:
    key = {name: _named(table, "old", name) for name in names}
    return Statement(sa.delete(table).where(*meant(table, key, True)), dialect)


@contextmanager
def _numbered(table: sa.Table, ident: int) -> Iterator[None]:
    """Let PostgreSQL's numbers go on behind an id that is given, as the others' do.

    Before the row is stored: a number that is skipped is no loss, an error after it is one.
    The lock keeps others from drawing numbers in between.
    """
    if not ident or engine.get_dialect().name != "postgresql":
        yield
        return
    with transactions.joined():
        transactions.execute(sa.text(f"LOCK TABLE {table.name} IN SHARE ROW EXCLUSIVE MODE"))
        sequence = sa.func.pg_get_serial_sequence(table.name, "id")
        drawn = sa.func.pg_sequence_last_value(sa.cast(sequence, REGCLASS))
        latest = sa.func.greatest(ident, sa.func.coalesce(drawn, 1))
        transactions.execute(sa.select(sa.func.setval(sequence, latest)))
        yield


@contextmanager
def _explained(table: sa.Table, bound: Row) -> Iterator[None]:
    """Say of which columns an error of the database tells."""
    try:
        yield
    except exception.DuplicateKey as error:
        raise exception.DuplicateKey(columns=_taken(table, bound, error)) from error
    except exception.MissingReference as error:
        raise _missing_reference(table, bound, error) from error


def _taken(table: sa.Table, bound: Row, error: exception.DuplicateKey) -> Sequence[str]:
    """Return the columns of the key that is taken; of several SQLite tells the last."""
    if bound.get("uuid") and engine.get_dialect().name == "sqlite":
        there = sa.select(table.c.id).where(table.c.uuid == bound["uuid"])
        if transactions.execute(there, although_failed=True).rows:
            return ("uuid",)
    # Of a taken id two of the databases tell no column.
    return tuple(name for name in error.columns if name in table.columns) or ("id",)


def _missing_reference(
    table: sa.Table, bound: Row, error: exception.MissingReference
) -> exception.MissingReference:
    """Return the error that tells which relation leads nowhere; SQLite does not say."""
    for _, reference in filters.relations(table):
        value = bound.get(reference.name)
        if value is None or error.column not in ("", reference.name):
            continue
        ident = filters.target(reference).c.id
        there = sa.select(ident).where(ident == value)
        if error.column or not transactions.execute(there, although_failed=True).rows:
            return exception.MissingReference(column=reference.name, value=value)
    return error
