# SPDX-License-Identifier: Apache-2.0
"""The statements that write rows and return them as they are stored."""

import functools
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import sqlalchemy as sa

from watcher_objects import exception
from watcher_objects.db import transactions
from watcher_objects.db.backend import database
from watcher_objects.db.sql import expressions, filters, write_outcome
from watcher_objects.db.sql.expectations import NOTHING, Expected
from watcher_objects.db.sql.queries import (
    Key,
    Row,
    column,
    first,
    identity,
    identity_conditions,
    lookup,
)
from watcher_objects.db.statements import (
    SHAPES,
    Cells,
    Statement,
    UpdateAndRead,
    is_listened_to,
)
from watcher_objects.db.statements import cells as cells_of


def insert(table: sa.Table, bound: Row) -> Cells:
    """Store a row, and return it.

    :raises WriteSuppressed: the database stored none
    """
    statement = _insert(database.current().dialect, table, tuple(bound))
    values = {}
    for name, value in bound.items():
        values[f"new_{name}"] = value
    try:
        with _numbered(table, bound["id"]) if "id" in bound else nullcontext():
            rows = transactions.run(statement, values).rows
    except (exception.DuplicateKey, exception.MissingReference) as error:
        raise _explained(table, bound, error) from error
    if not rows:
        ident = bound.get("uuid", "a row")
        raise write_outcome.suppressed(table, ident, "the INSERT returned no row")
    return rows[0]


def insert_many(table: sa.Table, bound: Sequence[Row]) -> list[Cells]:
    """Store rows with the same columns, and return them in their order.

    :raises WriteSuppressed: the database stored others
    """
    statement = sa.insert(table).returning(*table.columns)
    try:
        with _numbered(table, max(row.get("id", 0) for row in bound)):
            rows = transactions.execute(statement, bound).rows
    except (exception.DuplicateKey, exception.MissingReference) as error:
        raise _explained(table, bound[0], error) from error
    names = [column.name for column in identity(table)]
    stored = {tuple(row._mapping[n] for n in names): row._mapping for row in rows}
    found = [stored.get(tuple(row[n] for n in names)) for row in bound]
    if missing := found.count(None):
        ident, observed = f"{missing} of {len(bound)} rows", "the INSERT did not return them"
        raise write_outcome.suppressed(table, ident, observed)
    return [cells_of(table, row) for row in found if row is not None]


@functools.lru_cache(maxsize=SHAPES)
def _insert(dialect: sa.Dialect, table: sa.Table, names: Sequence[str]) -> Statement:
    new = {name: _named(table, "new", name) for name in names}
    return Statement(sa.insert(table).values(new).returning(*table.columns), dialect)


def _named(table: sa.Table, what: str, name: str) -> sa.BindParameter[Any]:
    return sa.bindparam(f"{what}_{name}", type_=column(table, name).type)


def update(
    table: sa.Table,
    key: Key,
    bound: Row,
    guard: Key | None = None,
    expected: Expected = NOTHING,
) -> Cells | None:
    """Change a row that is not deleted; None where there is none that meets the conditions.

    :param bound: the values, or expressions whose values the database computes
    :param guard: what the row's columns must hold
    :param expected: what else they must hold
    """
    conditions, values = [], {**expected.bound}
    for name, value in {**(guard or {}), **key}.items():
        # What is NULL is asked for otherwise.
        conditions.append((name, value is None))
        values[f"old_{name}"] = value
    names, copied = [], []
    for name, value in bound.items():
        if expressions.is_expression(value):
            copied.append((name, value))
        else:
            names.append(name)
            values[f"new_{name}"] = value
    dialect = database.current().dialect
    shape = tuple(conditions), tuple(names), tuple(copied), expected.asked
    # An expression that is more than a column is another with each call.
    is_kept = all(isinstance(value, sa.Column) for _, value in copied)
    statement = (_update if is_kept else _update.__wrapped__)(dialect, table, *shape)
    try:
        return _update_and_read(statement, dialect, table, key, values)
    except (exception.DuplicateKey, exception.MissingReference) as error:
        raise _explained(table, bound, error) from error


def _update_and_read(
    update: Statement, dialect: sa.Dialect, table: sa.Table, key: Key, values: Row
) -> Cells | None:
    if dialect.update_returning:
        rows = transactions.run(update, values).rows
        return rows[0] if rows else None
    if not (transactions.in_transaction() or is_listened_to(database.get_engine())):
        both = _joined(update, dialect, table, tuple(key))
        rows = transactions.run(both, {**values, **key}).rows
        return rows[0] if rows else None
    with transactions.ensure_transaction():
        if not transactions.run(update, values).matched:
            return None
        return first(table, key, show_deleted=True)


@functools.lru_cache(maxsize=SHAPES)
def _joined(
    update: Statement, dialect: sa.Dialect, table: sa.Table, names: Sequence[str]
) -> Statement:
    return UpdateAndRead(update, lookup(dialect, table, names, show_deleted=True), dialect)


@functools.lru_cache(maxsize=SHAPES)
def _update(
    dialect: sa.Dialect,
    table: sa.Table,
    conditions: Sequence[tuple[str, bool]],
    names: Sequence[str],
    copied: Sequence[tuple[str, sa.ColumnElement[Any]]],
    expected: Sequence[filters.Filter] = (),
) -> Statement:
    key = {n: None if is_null else _named(table, "old", n) for n, is_null in conditions}
    new = [(name, _named(table, "new", name)) for name in names]
    # MariaDB assigns from left to right: a copy is computed before its column is changed.
    computed = sorted(copied, key=lambda one: "copy_of" not in column(table, one[0]).info)
    statement = (
        sa.update(table)
        .where(*identity_conditions(table, key, False), *filters.where(table, expected))
        .ordered_values(*computed, *new)
    )
    if dialect.update_returning:
        statement = statement.returning(*table.columns)
    return Statement(statement, dialect)


def update_many(
    table: sa.Table, conditions: Sequence[Any], bound: Row, idents: Collection[Any]
) -> dict[Any, Row]:
    """Change the rows that meet the conditions, and return them by their ids.

    :param idents: the ids of the rows, which are locked
    :raises DatabaseUnavailable: others meet the conditions, too
    :raises WriteSuppressed: some were not changed
    """
    if not idents:
        return {}
    update = sa.update(table).where(*conditions).values(bound)
    if database.current().dialect.update_returning:
        rows = transactions.execute(update.returning(*table.columns)).rows
        matched = len(rows)
    else:
        matched = transactions.execute(update).matched
        rows = transactions.execute(sa.select(table).where(table.c.id.in_(idents))).rows
    _check_number(table, "UPDATE", matched, len(idents))
    found = {row.id: dict(row._mapping) for row in rows}
    _check_number(table, "UPDATE", len(found.keys() & {*idents}), len(idents))
    return found


def _check_number(table: sa.Table, verb: str, matched: int, locked: int) -> None:
    if matched > locked:
        reason = f"rows were added to {table.name} at the same time"
        raise exception.DatabaseUnavailable(reason=reason, may_retry=True)
    if matched < locked:
        ident = f"{locked - matched} of {locked} rows"
        raise write_outcome.suppressed(table, ident, f"the {verb} did not match them")


def delete(table: sa.Table, key: Key) -> bool:
    """Remove a row, deleted or not, and return whether there was one."""
    statement = _delete(database.current().dialect, table, tuple(key))
    return transactions.run(statement, {f"old_{n}": v for n, v in key.items()}).matched > 0


def delete_many(table: sa.Table, conditions: Sequence[Any], locked: int) -> None:
    """Remove the rows that meet the conditions; all of them are locked.

    :raises DatabaseUnavailable, WriteSuppressed: as for :func:`update_many`
    """
    matched = transactions.execute(sa.delete(table).where(*conditions)).matched
    _check_number(table, "DELETE", matched, locked)


@functools.lru_cache(maxsize=SHAPES)
def _delete(dialect: sa.Dialect, table: sa.Table, names: Sequence[str]) -> Statement:
    key = {name: _named(table, "old", name) for name in names}
    return Statement(sa.delete(table).where(*identity_conditions(table, key, True)), dialect)


@contextmanager
def _numbered(table: sa.Table, ident: int) -> Iterator[None]:
    """Make PostgreSQL's sequence go on after an id that is given, as other databases do.

    Before the row is stored: a skipped number does no harm, an error afterwards would.
    The lock keeps others from drawing numbers in between.
    """
    statements = database.current().backend.advance_sequence(table, ident) if ident else ()
    if not statements:
        yield
        return
    with transactions.ensure_transaction():
        for statement in statements:
            transactions.execute(statement)
        yield


def _explained(table: sa.Table, bound: Row, error: Any) -> exception.WatcherException:
    """Return an error of the database with the names of the columns that it is about."""
    if isinstance(error, exception.DuplicateKey):
        return exception.DuplicateKey(columns=_taken(table, bound, error))
    return _missing_reference(table, bound, error)


def _taken(table: sa.Table, bound: Row, error: exception.DuplicateKey) -> Sequence[str]:
    """Return the columns of the key that is taken; of several SQLite names the last."""
    if bound.get("uuid") and database.current().backend.reports_last_key:
        there = sa.select(table.c.id).where(table.c.uuid == bound["uuid"])
        if transactions.execute(there, although_failed=True).rows:
            return ("uuid",)
    if names := tuple(name for name in error.columns if name in table.columns):
        return names
    # For a taken id two of the databases name no column; a key of others may have any name.
    return ("id",) if "id" in bound else tuple(error.columns)


def _missing_reference(
    table: sa.Table, bound: Row, error: exception.MissingReference
) -> exception.MissingReference:
    """Return the error that names the relation that leads nowhere; SQLite does not."""
    for _, reference in filters.relations(table):
        value = bound.get(reference.name)
        if value is None or error.column not in ("", reference.name):
            continue
        ident = filters.target(reference).c.id
        there = sa.select(ident).where(ident == value)
        if error.column or not transactions.execute(there, although_failed=True).rows:
            return exception.MissingReference(column=reference.name, value=value)
    return error
