# SPDX-License-Identifier: Apache-2.0
"""The statements that write rows and return them as they are stored."""

import functools
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import sqlalchemy as sa

from watcher_objects import exception
from watcher_objects.db import transactions
from watcher_objects.db.backend import database, dialects
from watcher_objects.db.sql import journal, write_outcome
from watcher_objects.db.sql.expectations import NOTHING, Expected
from watcher_objects.db.sql.filters import Filter, filter_conditions, relations, target
from watcher_objects.db.sql.queries import (
    Key,
    Row,
    column,
    identity,
    identity_conditions,
    lookup,
)
from watcher_objects.db.statements import (
    SHAPES,
    Cells,
    Chain,
    Compound,
    Statement,
)
from watcher_objects.db.statements import cells as cells_of


def insert(table: sa.Table, bound: Row, entry: journal.Entry | None = None) -> Cells:
    """Store a row, and return it.

    :param entry: its journal entry
    :raises WriteSuppressed: the database stored none
    """
    write = _insert(database.current().dialect, table, tuple(bound), entry is not None)
    values = {}
    for name, value in bound.items():
        values[f"new_{name}"] = value
    if entry is not None:
        values |= journal.values(entry, None)
        values["uuid"] = bound["uuid"]
    try:
        with _advance_sequence(table, bound["id"]) if "id" in bound else nullcontext():
            row = write_row(write, values)
    except (exception.DuplicateKey, exception.MissingReference) as error:
        raise with_column_names(table, bound, error) from error
    if row is None:
        ident = bound.get("uuid", "a row")
        raise write_outcome.suppressed(table, ident, "the INSERT returned no row")
    return row


def insert_many(table: sa.Table, bound: Sequence[Row], entry: journal.Entry | None) -> list[Cells]:
    """Store rows with the same columns, and return them in their order.

    :raises WriteSuppressed: the database stored others
    """
    statement = sa.insert(table).returning(*table.columns)
    try:
        with _advance_sequence(table, max(row.get("id", 0) for row in bound)):
            rows = transactions.execute(statement, bound).rows
    except (exception.DuplicateKey, exception.MissingReference) as error:
        raise with_column_names(table, bound[0], error) from error
    names = [column.name for column in identity(table)]
    stored = {tuple(row._mapping[n] for n in names): row._mapping for row in rows}
    found = [stored.get(tuple(row[n] for n in names)) for row in bound]
    if missing := found.count(None):
        ident, observed = f"{missing} of {len(bound)} rows", "the INSERT did not return them"
        raise write_outcome.suppressed(table, ident, observed)
    rows = [dict(row) for row in found if row is not None]
    if "id" in bound[0] or database.current().backend.reuses_ids:
        journal.release_many(table, entry, [row["id"] for row in rows])
    journal.record_many(table, entry, [(None, row) for row in rows])
    return [cells_of(table, row) for row in rows]


@functools.lru_cache(maxsize=SHAPES)
def _insert(
    dialect: sa.Dialect, table: sa.Table, names: Sequence[str], is_recorded: bool
) -> Statement:
    write = sa.insert(table).values(new_values(table, names))
    if not is_recorded:
        return Statement(write.returning(*table.columns), dialect)
    # Another row may have had the id: a caller gives it, or the database gives it again.
    is_new = "id" not in names and not dialects.of(dialect).reuses_ids
    return recorded(dialect, table, write, ("uuid",), releases_id=not is_new)


def recorded(
    dialect: sa.Dialect,
    table: sa.Table,
    write: sa.Insert | sa.Update,
    key_names: Sequence[str],
    releases_id: bool = False,
) -> Statement:
    """Return the statement that writes a row, and records the transition.

    :param key_names: the columns of a key of the row
    :param releases_id: whether the row is new, and another one may have had its id
    """
    backend = dialects.of(dialect)
    if backend.writes_in_with and not releases_id:
        rows = write.returning(*table.columns).cte("written")
        both = sa.select(rows).add_cte(journal.record(table, rows).cte("recorded"))
        return Statement(both, dialect, reads_only=False)
    if releases_id:
        release = Statement(journal.release(table, key_names), dialect)
        record = Statement(journal.record_of(table, key_names), dialect)
        return followed(dialect, table, write, key_names, [release, record])
    return followed(dialect, table, write, key_names, [record_changed(dialect, table, key_names)])


def record_changed(dialect: sa.Dialect, table: sa.Table, key_names: Sequence[str]) -> Statement:
    """Return the statement that records the change of a row, which it finds by a key."""
    record = Statement(journal.record_of(table, key_names), dialect)
    backend = dialects.of(dialect)
    if not backend.reuses_ids:
        return record
    # Another program may have stored the row with the id of one that is gone.
    instead = Statement(journal.release_taken(table, key_names), dialect), record
    prefixed = journal.record_of(table, key_names, backend.insert_if_free)
    return Statement(prefixed, dialect, otherwise=instead)


def followed(
    dialect: sa.Dialect,
    table: sa.Table,
    write: sa.Insert | sa.Update,
    key_names: Sequence[str],
    others: Sequence[Statement] = (),
) -> Statement:
    """Return the statement that writes and returns a row, and runs others in between."""
    if dialect.update_returning:
        first = Statement(write.returning(*table.columns), dialect)
        return Chain(first, others, dialect) if others else first
    following = [*others, lookup(dialect, table, key_names, show_deleted=True)]
    return Compound(Statement(write, dialect), following, dialect)


def write_row(write: Statement, values: Row) -> Cells | None:
    """Write a row, and return it; None where nothing was written."""
    rows = transactions.run(write, values).rows
    return rows[0] if rows else None


def new_values(table: sa.Table, names: Sequence[str]) -> dict[str, sa.BindParameter[Any]]:
    """Return the new values of columns: parameters with their names after ``new_``."""
    return {name: sa.bindparam(f"new_{name}", type_=table.c[name].type) for name in names}


def _named(table: sa.Table, name: str) -> sa.BindParameter[Any]:
    return sa.bindparam(f"old_{name}", type_=column(table, name).type)


def update(
    table: sa.Table,
    key: Key,
    bound: Row,
    guard: Key | None = None,
    expected: Expected = NOTHING,
    entry: journal.Entry | None = None,
) -> Cells | None:
    """Change a row that is not deleted; None where there is none that meets the conditions.

    :param bound: the values, or expressions whose values the database computes
    :param guard: what the row's columns must hold
    :param expected: what else they must hold
    :param entry: its journal entry
    """
    conditions, values = [], {**expected.bound, **key}
    for name, value in {**(guard or {}), **key}.items():
        # What is NULL is asked for otherwise.
        conditions.append((name, value is None))
        values[f"old_{name}"] = value
    names, copied = [], []
    for name, value in bound.items():
        if isinstance(value, sa.ColumnElement):
            copied.append((name, value))
        else:
            names.append(name)
            values[f"new_{name}"] = value
    if entry is not None:
        values |= journal.values(entry, (guard or {})["state"])
    shape = tuple(conditions), tuple(names), tuple(copied), expected.filters
    # An expression that is more than a column is another with each call.
    is_kept = not copied or all(isinstance(value, sa.Column) for _, value in copied)
    build = _update if is_kept else _update.__wrapped__
    recording = tuple(key), entry is not None
    try:
        return write_row(build(database.current().dialect, table, *shape, *recording), values)
    except (exception.DuplicateKey, exception.MissingReference) as error:
        raise with_column_names(table, bound, error) from error


@functools.lru_cache(maxsize=SHAPES)
def _update(
    dialect: sa.Dialect,
    table: sa.Table,
    conditions: Sequence[tuple[str, bool]],
    names: Sequence[str],
    copied: Sequence[tuple[str, sa.ColumnElement[Any]]],
    expected: Sequence[Filter],
    key_names: Sequence[str],
    is_recorded: bool,
) -> Statement:
    key = {n: None if is_null else _named(table, n) for n, is_null in conditions}
    # MariaDB assigns from left to right: a copy is computed before its column is changed.
    computed = sorted(copied, key=lambda one: "copy_of" not in table.columns[one[0]].info)
    new = {**new_values(table, names), **journal.counted(table, names)}
    write = (
        sa.update(table)
        .where(*identity_conditions(table, key, False), *filter_conditions(table, expected))
        .ordered_values(*computed, *new.items())
    )
    if not is_recorded:
        return followed(dialect, table, write, key_names)
    return recorded(dialect, table, write, key_names)


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
    changed = {**bound, **journal.counted(table, [*bound])}
    update = sa.update(table).where(*conditions).values(changed)
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
    key = {name: _named(table, name) for name in names}
    return Statement(sa.delete(table).where(*identity_conditions(table, key, True)), dialect)


@contextmanager
def _advance_sequence(table: sa.Table, ident: int) -> Iterator[None]:
    """Advance PostgreSQL's sequence beyond a given id, as other databases do.

    It happens before the row is stored: a skipped number does no harm.
    A lock keeps others from drawing numbers in between.
    """
    statements = database.current().backend.advance_sequence(table, ident) if ident else ()
    if not statements:
        yield
        return
    with transactions.ensure_transaction():
        for statement in statements:
            transactions.execute(statement)
        yield


def with_column_names(table: sa.Table, bound: Row, error: Any) -> exception.WatcherException:
    """Return an error of the database with the names of the columns that it is about."""
    if isinstance(error, exception.DuplicateKey):
        return exception.DuplicateKey(columns=_taken(table, bound, error))
    return _missing_reference(table, bound, error)


def _taken(table: sa.Table, bound: Row, error: exception.DuplicateKey) -> Sequence[str]:
    """Return the columns of the key that is taken; if there are several, SQLite names the last."""
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
    """Return the error with the broken relation, which SQLite does not name."""
    for _, reference in relations(table):
        value = bound.get(reference.name)
        if value is None or error.column not in ("", reference.name):
            continue
        ident = target(reference).c.id
        there = sa.select(ident).where(ident == value)
        if error.column or not transactions.execute(there, although_failed=True).rows:
            return exception.MissingReference(column=reference.name, value=value)
    return error
