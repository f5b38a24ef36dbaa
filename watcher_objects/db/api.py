# SPDX-License-Identifier: Apache-2.0
"""The DB API: create, get, list, update, soft_delete and destroy, on any table.

Rows come back as the cells of their tables' columns, as the driver gives them. A ``key`` says
which row is meant: a dict of a unique column to its value. Every write is one transaction.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from oslo_utils import timeutils

from watcher_objects import exception
from watcher_objects.db import bulk, paging, queries, rules, transactions, writes
from watcher_objects.db.bulk import Change
from watcher_objects.db.queries import Key, Row
from watcher_objects.db.statements import Cells, named
from watcher_objects.transitions import DELETED


class Update(NamedTuple):
    """A row after an update, and the state that it left; None if it left none.

    ``owned`` are the rows that were soft-deleted with it.
    """

    cells: Cells
    old_state: str | None
    owned: Sequence[Change] = ()


@transactions.retried
def create(table: sa.Table, given: Mapping[str, Any]) -> Cells:
    """Store a row and return it.

    :raises InvalidValue: a column can't hold its value
    :raises DuplicateKey: a unique key is taken
    :raises MissingReference: a relation leads to no row
    """
    return writes.insert(table, rules.insertable(table, given))


@transactions.retried
def get(
    table: sa.Table, key: Key, *, show_deleted: bool = False, eager: Sequence[str] = ()
) -> Cells | None:
    """Return the row, and behind it the rows of the relations named in ``eager``.

    They come in one statement; see :func:`~watcher_objects.db.queries.parted`.
    """
    return queries.first(table, key, show_deleted, eager)


@transactions.retried
def get_pointed_at(table: sa.Table, key: Key) -> Cells | None:
    """Return the row if it is not deleted, or what is not leads to it."""
    return queries.first(table, key, True, or_pointed_at=True)


@transactions.retried
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


@transactions.retried
def update(
    table: sa.Table, key: Key, given: Mapping[str, Any], believed: str | None = None
) -> Update | None:
    """Change a row that is not deleted; None where there is no such row.

    Its table's rules for a new ``state`` are part of the UPDATE. To go to DELETED is to be
    soft-deleted.

    :param believed: the state that the caller takes the row to be in; right or wrong decides
        about the number of statements only
    :raises InvalidStateTransition: the row is in a state that does not lead to the new one
    :raises InvalidState: there is no such state
    :raises InvalidValue, DuplicateKey, MissingReference: as :func:`create` does
    """
    bound = rules.storable(table, given)
    if rules.moves(table) and bound.get("state") == DELETED:
        return _deleted(table, key, bound, believed)
    return _moved(table, key, {"updated_at": timeutils.utcnow(), **bound}, believed)


@transactions.retried
def soft_delete(
    table: sa.Table, key: Key, given: Mapping[str, Any] | None = None, believed: str | None = None
) -> Update | None:
    """Mark a row as deleted, with whatever else is to be written, in one UPDATE as above.

    The rows that it owns go with it, in the same transaction.
    """
    return _deleted(table, key, rules.storable(table, given or {}), believed)


@transactions.retried
def destroy(table: sa.Table, key: Key) -> Sequence[Change] | None:
    """Remove a row, deleted or not, and those that it owns; None where there is none.

    :returns: the rows that were removed with it
    :raises Referenced: other rows refer to it
    """
    if not bulk.owned(table):
        return () if _destroyed(table, key) else None
    with transactions.transaction():
        owned = bulk.destroy_owned(table, key)
        return owned if _destroyed(table, key) else None


def _destroyed(table: sa.Table, key: Key) -> bool:
    try:
        return writes.delete(table, key)
    except exception.MissingReference as error:
        # A driver says only that a foreign key was in the way; of a DELETE it is another's.
        raise exception.Referenced(name=table.name, id=next(iter(key.values()))) from error


def _deleted(table: sa.Table, key: Key, bound: Row, believed: str | None) -> Update | None:
    marked = {**bound, **rules.marks_of_deletion(table)}
    if not bulk.owned(table):
        return _moved(table, key, marked, believed)
    with transactions.transaction():
        owned = bulk.soft_delete_owned(table, key)
        done = _moved(table, key, marked, believed)
        return done and done._replace(owned=owned)


def _moved(table: sa.Table, key: Key, bound: Row, believed: str | None) -> Update | None:
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
            cells = writes.update(table, key, bound, {"state": believed, **condition})
            if cells is not None:
                return Update(cells, None if believed == new else believed)
        current = get(table, key)
        if current is None:
            return None
        row = named(table, current)
        believed = row["state"]
        rules.check_move(table, row, new)
