# SPDX-License-Identifier: Apache-2.0
"""The DB API: create, get, list, update, soft_delete and destroy, on any table.

Rows come back as the cells of their tables' columns, as the driver gives them. A ``key`` says
which row is meant: a dict of a unique column to its value. Every write is one transaction.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from oslo_utils import timeutils

from watcher_objects import exception
from watcher_objects.db import bulk, changes, paging, queries, retries, rules, transactions, writes
from watcher_objects.db.changes import Change, Update
from watcher_objects.db.queries import Key, Row
from watcher_objects.db.statements import Cells, named
from watcher_objects.transitions import DELETED


def create(table: sa.Table, given: Mapping[str, Any]) -> Cells:
    """Store a row and return it.

    :raises InvalidValue: a column can't hold its value
    :raises DuplicateKey: a unique key is taken
    :raises MissingReference: a relation leads to no row
    """
    return _inserted(table, rules.insertable(table, given))


@retries.retried
def get(
    table: sa.Table, key: Key, *, show_deleted: bool = False, eager: Sequence[str] = ()
) -> Cells | None:
    """Return the row, and behind it the rows of the relations named in ``eager``.

    They come in one statement; see ``queries.parted``.
    """
    return queries.first(table, key, show_deleted, eager)


@retries.retried
def get_pointed_at(table: sa.Table, key: Key) -> Cells | None:
    """Return the row if it is not deleted, or what is not leads to it."""
    return queries.first(table, key, True, or_pointed_at=True)


@retries.retried
def list(
    table: sa.Table,
    *,
    show_deleted: bool = False,
    eager: Sequence[str] = (),
    wanted: Mapping[str, Any] | None = None,
    limit: int | None = None,
    marker: Mapping[str, Any] | None = None,
    sort_key: str | None = None,
    sort_dir: str | None = None,
) -> queries.Found:
    """Return rows in one statement, and those of each relation in ``eager`` in one more.

    See :mod:`filters` and :mod:`paging` for the other arguments.

    :param wanted: the filters
    :param marker: the row to begin after: its id and the value of its sort key
    """
    order = paging.Order(table, sort_key, sort_dir)
    limit = paging.checked_limit(limit)
    return queries.page(
        table,
        show_deleted=show_deleted,
        eager=eager,
        wanted=wanted,
        order=order,
        limit=limit,
        marker=marker,
    )


def update(
    table: sa.Table,
    key: Key,
    given: Mapping[str, Any],
    believed: str | None = None,
    seen: Any = None,
) -> Update | None:
    """Change a row that is not deleted; None where there is no such row.

    Its table's rules for a new ``state`` are part of the UPDATE. To go to DELETED is to be
    soft-deleted.

    :param believed: the state that the caller takes the row to be in; right or wrong decides
        about the number of statements only
    :param seen: when the row was written last, as far as the caller knows; right or wrong decides
        only about what can be known where the database's answer gets lost
    :raises InvalidStateTransition: the row is in a state that does not lead to the new one
    :raises InvalidState: there is no such state
    :raises InvalidValue, DuplicateKey, MissingReference: as :func:`create` does
    """
    bound = rules.storable(table, given)
    if rules.moves(table) and bound.get("state") == DELETED:
        return _deleted(table, key, {**bound, **rules.marks_of_deletion(table)}, believed, seen)
    return _moved(table, key, {"updated_at": timeutils.utcnow(), **bound}, believed, seen)


def soft_delete(
    table: sa.Table,
    key: Key,
    given: Mapping[str, Any] | None = None,
    believed: str | None = None,
    seen: Any = None,
) -> Update | None:
    """Mark a row as deleted, with whatever else is to be written, in one UPDATE as above.

    The rows that it owns go with it, in the same transaction.
    """
    bound = {**rules.storable(table, given or {}), **rules.marks_of_deletion(table)}
    return _deleted(table, key, bound, believed, seen)


@retries.looking(changes.destroyed)
def destroy(table: sa.Table, key: Key) -> Sequence[Change] | None:
    """Remove a row, deleted or not, and those that it owns; None where there is none.

    :returns: the rows that were removed with it
    :raises Referenced: other rows refer to it
    """
    if not bulk.owned(table):
        return () if _destroyed(table, key) else None
    return transactions.whole(lambda: _destroyed_with_owned(table, key))


_inserted = retries.looking(changes.inserted)(writes.insert)


def _destroyed_with_owned(table: sa.Table, key: Key) -> Sequence[Change] | None:
    owned = bulk.destroy_owned(table, key)
    return owned if _destroyed(table, key) else None


def _destroyed(table: sa.Table, key: Key) -> bool:
    try:
        return writes.delete(table, key)
    except exception.MissingReference as error:
        # A driver says only that a foreign key was in the way; of a DELETE it is another's.
        raise exception.Referenced(name=table.name, id=next(iter(key.values()))) from error


@retries.looking(changes.written)
def _deleted(
    table: sa.Table, key: Key, marked: Row, believed: str | None, seen: Any
) -> Update | None:
    if not bulk.owned(table):
        return _moved(table, key, marked, believed, seen)
    return transactions.whole(lambda: _deleted_with_owned(table, key, marked, believed, seen))


def _deleted_with_owned(
    table: sa.Table, key: Key, marked: Row, believed: str | None, seen: Any
) -> Update | None:
    owned = bulk.soft_delete_owned(table, key)
    done = _moved(table, key, marked, believed, seen)
    return done and done._replace(owned=owned)


@retries.looking(changes.written)
def _moved(
    table: sa.Table, key: Key, bound: Row, believed: str | None, seen: Any
) -> Update | None:
    """Write the row, and its state only from a state that leads there.

    The UPDATE asks for the state that is believed, so that its success tells the true old
    one. When it misses, the row says what it is in, and the move is tried from there.
    """
    moves = rules.moves(table)
    if moves is None or "state" not in bound:
        cells = writes.update(table, key, bound)
        return None if cells is None else Update(cells, None)
    new = bound["state"]
    while True:
        condition = moves.condition(believed, new)
        if condition is not None:
            cells = _left(table, key, bound, {"state": believed, **condition}, seen)
            if cells is not None:
                return Update(cells, None if believed == new else believed)
        current = get(table, key)
        if current is None:
            return None
        row = named(table, current)
        believed, seen = row["state"], row["updated_at"]
        rules.check_move(table, row, new)


def _left(table: sa.Table, key: Key, bound: Row, guard: Row, seen: Any) -> Cells | None:
    try:
        return writes.update(table, key, bound, guard)
    except exception.DatabaseUnavailable as error:
        error.believed = guard["state"], seen
        raise
