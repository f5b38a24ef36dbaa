# SPDX-License-Identifier: Apache-2.0
"""Writes of many rows at once: each is one transaction, of a constant number of statements."""

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from oslo_utils import timeutils

from watcher_objects import exception
from watcher_objects.db import changes, filters, retries, rules, transactions, values, writes
from watcher_objects.db.changes import Change
from watcher_objects.db.queries import Key, Row, meant
from watcher_objects.db.statements import Cells


def create(table: sa.Table, given: Sequence[Mapping[str, Any]]) -> list[Cells]:
    """Store rows, all or none, and return them in their order.

    :raises InvalidValue, DuplicateKey, MissingReference: as for a single row; the error's
        ``index`` tells for which of them
    """
    bound: list[Row] = []
    for index, one in enumerate(given):
        with exception.at(index):
            bound.append(rules.insertable(table, one))
    return _inserted(table, bound) if bound else []


@retries.looking(changes.inserted_all)
def _inserted(table: sa.Table, bound: Sequence[Row]) -> list[Cells]:
    try:
        return transactions.whole(lambda: _inserted_in_batches(table, bound))
    except (exception.DuplicateKey, exception.MissingReference):
        # The database does not say which row it was, but of one.
        return transactions.whole(
            lambda: [_created_at(index, table, one) for index, one in enumerate(bound)]
        )


def _inserted_in_batches(table: sa.Table, bound: Sequence[Row]) -> list[Cells]:
    stored: dict[int, Cells] = {}
    for batch in _batches(bound):
        rows = writes.insert_many(table, [*batch.values()])
        stored |= dict(zip(batch, rows, strict=True))
    return [stored[index] for index in range(len(bound))]


def _created_at(index: int, table: sa.Table, bound: Row) -> Cells:
    with exception.at(index):
        return writes.insert(table, bound)


def _batches(bound: Sequence[Row]) -> Iterator[dict[int, Row]]:
    """Yield rows, by their places, that one INSERT takes.

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


def update(table: sa.Table, wanted: Mapping[str, Any], given: Mapping[str, Any]) -> list[Change]:
    """Change all rows that are not deleted and meet the filters ``wanted``, in one UPDATE.

    :raises InvalidStateTransition: one of them may not go to the new state; then none does
    """
    bound = {"updated_at": timeutils.utcnow(), **rules.storable(table, given)}
    asked, values_of = filters.judged(table, wanted)
    conditions = [
        *filters.where(table, asked, values_of),
        *meant(table, {}, show_deleted=False),
    ]
    return _updated(table, conditions, bound)


@retries.looking(changes.changed_all)
def _updated(table: sa.Table, conditions: Any, bound: Row) -> list[Change]:
    return transactions.whole(lambda: _change(table, conditions, bound))


@functools.cache
def owned(table: sa.Table) -> Sequence[tuple[sa.Table, sa.Column[Any]]]:
    """Return the tables whose rows go with a row of this one, and the keys that say with which."""
    keys = filters.referring(table)
    return tuple((key.table, key) for key in keys if key.info.get("owned"))


def soft_delete_owned(table: sa.Table, key: Key) -> list[Change]:
    """Soft-delete what goes with a row; the transaction around this keeps that row locked.

    :raises InvalidStateTransition: the state of one of them does not allow it
    """
    ident = _locked(table, meant(table, key, show_deleted=False))
    changed: list[Change] = []
    for other, column in owned(table) if ident else ():
        conditions = [column == ident, *meant(other, {}, show_deleted=False)]
        changed += _change(other, conditions, rules.marks_of_deletion(other), with_owner=True)
    return changed


def destroy_owned(table: sa.Table, key: Key) -> list[Change]:
    """Remove what goes with a row, deleted or not; it is locked as above."""
    ident = _locked(table, meant(table, key, show_deleted=True))
    changed: list[Change] = []
    for other, column in owned(table) if ident else ():
        rows = _rows(other, [column == ident])
        if rows:
            transactions.execute(sa.delete(other).where(column == ident))
        changed += [Change(other, row) for row in rows]
    return changed


def _rows(table: sa.Table, conditions: Sequence[sa.ColumnElement[bool]]) -> list[Row]:
    """Return rows, in the order of their ids, and let nobody else change them."""
    statement = sa.select(table).where(*conditions).order_by(table.c.id).with_for_update()
    return [dict(row._mapping) for row in transactions.execute(statement).rows]


def _locked(table: sa.Table, conditions: Sequence[sa.ColumnElement[bool]]) -> int | None:
    """Let nobody else change a row, or refer to it, until the transaction ends."""
    statement = sa.select(table.c.id).where(*conditions).with_for_update()
    rows = transactions.execute(statement).rows
    return rows[0].id if rows else None


def _change(
    table: sa.Table,
    conditions: Sequence[sa.ColumnElement[bool]],
    bound: Row,
    with_owner: bool = False,
) -> list[Change]:
    rows = _rows(table, conditions)
    if "state" in bound:
        for row in rows:
            rules.check_move(table, row, bound["state"], with_owner)
    if rows:
        done = transactions.execute(sa.update(table).where(*conditions).values(bound))
        if done.matched != len(rows):
            reason = f"rows of {table.name} were added meanwhile"
            raise exception.DatabaseUnavailable(reason=reason, may_retry=True)
    return [_changed(table, row, bound) for row in rows]


def _changed(table: sa.Table, row: Row, bound: Row) -> Change:
    # The mark of deletion is an expression: the row's id.
    now = {**row, **bound} | ({"deleted": row["id"]} if "deleted" in bound else {})
    left = row["state"] if "state" in bound and row["state"] != bound["state"] else None
    return Change(table, now, left, row["updated_at"])
