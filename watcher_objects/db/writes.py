# SPDX-License-Identifier: Apache-2.0
"""The statements that write rows and return them as they are stored."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import REGCLASS

from watcher_objects import exception
from watcher_objects.db import engine, filters, transactions
from watcher_objects.db.queries import Key, Query, Row, meant


def insert(table: sa.Table, bound: Sequence[Row]) -> list[Row]:
    """Store rows with the same columns, and return them in their order."""
    numbered = max((row.get("id", 0) for row in bound), default=0)
    on_postgresql = engine.get_engine().dialect.name == "postgresql"
    with transactions.joined() if numbered and on_postgresql else nullcontext():
        if numbered and on_postgresql:
            _number_on(table, numbered)
        with _explained(table, bound[0]):
            statement = sa.insert(table).returning(*table.columns)
            rows = transactions.execute(statement, bound).rows
    stored = [dict(row._mapping) for row in rows]
    if len(bound) > 1:
        place = {_identity(table, row): number for number, row in enumerate(bound)}
        stored.sort(key=lambda row: place[_identity(table, row)])
    return stored


def update(
    table: sa.Table, key: Key, bound: Row, state: Sequence[sa.ColumnElement[bool]] = ()
) -> Row | None:
    """Change a row that is not deleted; None where there is none that meets the conditions."""
    conditions = [*meant(table, key, show_deleted=False), *state]
    statement = sa.update(table).where(*conditions).values(bound)
    with _explained(table, bound):
        if engine.get_engine().dialect.update_returning:
            rows = transactions.execute(statement.returning(*table.columns)).rows
            return dict(rows[0]._mapping) if rows else None
        with transactions.joined():
            if not transactions.execute(statement).matched:
                return None
            record = Query(table, ()).first(meant(table, key, show_deleted=True))
            return record.row if record else None


def _identity(table: sa.Table, row: Row) -> tuple[Any, ...]:
    """Return what tells a new row from all others: its uuid, or else its unique key."""
    if "uuid" in row:
        return (row["uuid"],)
    (key,) = (k for k in table.constraints if isinstance(k, sa.UniqueConstraint))
    return tuple(row[column.name] for column in key.columns)


def _number_on(table: sa.Table, ident: int) -> None:
    """Let PostgreSQL's numbers go on behind an id that is given, as the others' do.

    Before the row is stored: a number that is skipped is no loss, an error after it is one.
    The lock keeps others from drawing numbers in between.
    """
    transactions.execute(sa.text(f"LOCK TABLE {table.name} IN SHARE ROW EXCLUSIVE MODE"))
    sequence = sa.func.pg_get_serial_sequence(table.name, "id")
    drawn = sa.func.pg_sequence_last_value(sa.cast(sequence, REGCLASS))
    latest = sa.func.greatest(ident, sa.func.coalesce(drawn, 1))
    transactions.execute(sa.select(sa.func.setval(sequence, latest)))


@contextmanager
def _explained(table: sa.Table, bound: Row) -> Iterator[None]:
    """Say of which columns an error of the database tells."""
    try:
        yield
    except exception.DuplicateKey as error:
        # Of a taken id two of the databases tell no column.
        columns = tuple(name for name in error.columns if name in table.columns)
        raise exception.DuplicateKey(columns=columns or ("id",)) from error
    except exception.MissingReference as error:
        raise _missing_reference(table, bound, error) from error


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
