# SPDX-License-Identifier: Apache-2.0
"""Writes of many rows at once: each is one transaction, of a constant number of statements."""

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from oslo_utils import timeutils

from watcher_objects import exception
from watcher_objects.db import transactions
from watcher_objects.db.backend import database
from watcher_objects.db.sql import dml, journal, state_guard, values, write_outcome
from watcher_objects.db.sql.filters import filter_conditions, parse_filters, referring
from watcher_objects.db.sql.queries import Key, Row, identity_conditions
from watcher_objects.db.sql.write_outcome import ChangedRow
from watcher_objects.db.statements import Cells
from watcher_objects.db.transactions import retries


def create(
    table: sa.Table, given: Sequence[Mapping[str, Any]], context: Any = None
) -> list[Cells]:
    """Store rows, all or none, and return them in their order.

    :param context: the caller's, for the journal
    :raises InvalidValue, DuplicateKey, MissingReference: as for a single row; the error's
        ``index`` is the position of the row
    """
    bound: list[Row] = []
    for index, one in enumerate(given):
        with exception.annotate_index(index):
            bound.append(state_guard.insertable(table, one))
    return _inserted(table, bound, journal.entry(table, context, "create")) if bound else []


@retries.retry_write(write_outcome.inserted_all)
def _inserted(table: sa.Table, bound: Sequence[Row], entry: journal.Entry | None) -> list[Cells]:
    try:
        return transactions.atomic(lambda: _inserted_in_batches(table, bound, entry))
    except (exception.DuplicateKey, exception.MissingReference):
        # The database does not say which row it was, but of one.
        return transactions.atomic(
            lambda: [_created_at(index, table, one, entry) for index, one in enumerate(bound)]
        )


def _inserted_in_batches(
    table: sa.Table, bound: Sequence[Row], entry: journal.Entry | None
) -> list[Cells]:
    stored: dict[int, Cells] = {}
    for batch in _batches(bound):
        rows = dml.insert_many(table, [*batch.values()], entry)
        stored |= dict(zip(batch, rows, strict=True))
    return [stored[index] for index in range(len(bound))]


def _created_at(index: int, table: sa.Table, bound: Row, entry: journal.Entry | None) -> Cells:
    with exception.annotate_index(index):
        return dml.insert(table, bound, entry)


def _batches(bound: Sequence[Row]) -> Iterator[dict[int, Row]]:
    """Yield the rows of each INSERT, by their indexes.

    They have the same columns, and are together no longer than a long document.
    """
    names = {name for row in bound for name in row} - {"id"}
    for has_id in (True, False):
        batch: dict[int, Row] = {}
        room = values.MAX_DOCUMENT
        for index, row in enumerate(bound):
            if ("id" in row) is not has_id:
                continue
            size = sum(len(value) for value in row.values() if isinstance(value, str))
            if batch and size > room:
                yield batch
                batch, room = {}, values.MAX_DOCUMENT
            batch[index] = {**dict.fromkeys(names), **row}
            room -= size
        if batch:
            yield batch


def update(
    table: sa.Table, filters: Mapping[str, Any], given: Mapping[str, Any], context: Any = None
) -> list[ChangedRow]:
    """Change all rows that are not deleted and match the filters, in one UPDATE.

    :param context: the caller's, for the journal
    :raises InvalidStateTransition: one of them may not go to the new state; then none does
    :raises WriteSuppressed: one of them can't be changed; then none is
    """
    bound = {"updated_at": timeutils.utcnow(), **state_guard.storable(table, given)}
    if "state" in bound:
        bound |= state_guard.ended_claim(table, bound["state"])
    parsed, values_of = parse_filters(table, filters)
    conditions = [
        *filter_conditions(table, parsed, values_of),
        *identity_conditions(table, {}, show_deleted=False),
    ]
    entry = journal.entry(table, context, "save") if "state" in bound else None
    return _updated(table, conditions, bound, entry)


@retries.retry_write(write_outcome.changed_all)
def _updated(
    table: sa.Table, conditions: Any, bound: Row, entry: journal.Entry | None
) -> list[ChangedRow]:
    return transactions.atomic(lambda: _change(table, conditions, bound, entry))


@functools.cache
def owned(table: sa.Table) -> Sequence[tuple[sa.Table, sa.Column[Any]]]:
    """Return the tables with rows that rows of this one own, and their foreign keys."""
    keys = referring(table)
    return tuple((key.table, key) for key in keys if key.info.get("owned"))


def soft_delete_owned(table: sa.Table, key: Key, entry: journal.Entry | None) -> list[ChangedRow]:
    """Soft-delete the rows that a row owns; the transaction around this has locked that row.

    :raises InvalidStateTransition: the state of one of them does not allow it
    """
    ident = locked(table, identity_conditions(table, key, show_deleted=False))
    changed: list[ChangedRow] = []
    for other, column in owned(table) if ident else ():
        conditions = [column == ident, *identity_conditions(other, {}, show_deleted=False)]
        changed += _change(
            other, conditions, state_guard.marks_of_deletion(other), entry, with_owner=True
        )
    return changed


def destroy_owned(table: sa.Table, key: Key, entry: journal.Entry | None) -> list[ChangedRow]:
    """Remove the rows that a row owns, deleted or not; that row is locked as above.

    The removal of the row itself is recorded, too.
    """
    changed: list[ChangedRow] = []
    for owner in _rows(table, identity_conditions(table, key, show_deleted=True)):
        for other, column in owned(table):
            rows = _rows(other, [column == owner["id"]])
            if rows:
                dml.delete_many(other, [column == owner["id"]], len(rows))
            _record_destroyed(other, rows, entry)
            changed += [ChangedRow(other, row) for row in rows]
        _record_destroyed(table, [owner], entry)
    return changed


def _record_destroyed(table: sa.Table, rows: Sequence[Row], entry: journal.Entry | None) -> None:
    if table.info["state_machine"] is not None:
        now = {"state": None, "updated_at": timeutils.utcnow()}
        gone = [(row["state"], {**row, **now, "moves": (row["moves"] or 0) + 1}) for row in rows]
        journal.record_many(table, entry, gone)


def _rows(table: sa.Table, conditions: Sequence[sa.ColumnElement[bool]]) -> list[Row]:
    """Lock rows, and return them in the order of their ids.

    :raises WriteSuppressed: a policy hides some of them from SELECT ... FOR UPDATE
    """
    statement = sa.select(table).where(*conditions).order_by(table.c.id).with_for_update()
    for _ in range(2):
        rows = [dict(row._mapping) for row in transactions.execute(statement).rows]
        # The first time, others may have been added in between.
        if (hidden := _number(table, conditions, len(rows)) - len(rows)) <= 0:
            return rows
    raise write_outcome.suppressed(table, f"{hidden} rows", "they can be read, but not locked")


def _number(table: sa.Table, conditions: Sequence[sa.ColumnElement[bool]], locked: int) -> int:
    """Return how many rows can be read; without row-level security, what can be locked."""
    if not database.current().backend.has_row_security:
        return locked
    count = sa.select(sa.func.count()).select_from(table).where(*conditions)
    number: int = transactions.execute(count).rows[0][0]
    return number


def locked(table: sa.Table, conditions: Sequence[sa.ColumnElement[bool]]) -> int | None:
    """Lock a row against changes and new references until the transaction ends; return its id."""
    statement = sa.select(table.c.id).where(*conditions).with_for_update()
    rows = transactions.execute(statement).rows
    return rows[0].id if rows else None


def _change(
    table: sa.Table,
    conditions: Sequence[sa.ColumnElement[bool]],
    bound: Row,
    entry: journal.Entry | None,
    with_owner: bool = False,
) -> list[ChangedRow]:
    rows = _rows(table, conditions)
    if "state" in bound:
        for row in rows:
            state_guard.check_move(table, row, bound["state"], with_owner)
    now = dml.update_many(table, conditions, bound, [row["id"] for row in rows])
    if "state" in bound:
        journal.record_many(table, entry, [(row["state"], now[row["id"]]) for row in rows])
    return [_changed(table, row, now[row["id"]], bound) for row in rows]


def _changed(table: sa.Table, row: Row, now: Row, bound: Row) -> ChangedRow:
    name = "uuid" if "uuid" in row else "id"
    write_outcome.check(table, {name: row[name]}, bound, [*now.values()])
    left = row["state"] if "state" in bound and row["state"] != bound["state"] else None
    return ChangedRow(table, now, left, row["updated_at"])
