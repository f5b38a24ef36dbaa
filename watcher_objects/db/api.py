# SPDX-License-Identifier: Apache-2.0
"""The DB API: create, get, list, update, soft_delete and destroy, on any table.

Rows come back as dicts of column to value, with documents as their JSON text. A ``key`` says
which row is meant: a dict of a unique column to its value. Every write is one transaction.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from oslo_utils import timeutils
from sqlalchemy.dialects.postgresql import REGCLASS

from watcher_objects import exception, fields
from watcher_objects.db import engine, filters, paging, transactions, values
from watcher_objects.db.queries import Key, Query, Record, Row, column, meant
from watcher_objects.states import State, StateTransitionManager


class Update(NamedTuple):
    """A row after an update, and the state that it left; None if the state was not written."""

    row: Row
    old_state: str | None


@transactions.retried
def create(table: sa.Table, given: Mapping[str, Any]) -> Row:
    """Store a row and return it.

    :raises InvalidValue: a column can't hold its value
    :raises DuplicateKey: a unique key is taken
    :raises MissingReference: a relation leads to no row
    """
    bound = {"deleted": 0, **_storable(table, given)}
    bound["created_at"] = bound.get("created_at") or timeutils.utcnow()
    if bound.get("id", 1) < 1:
        raise fields.refuse("id", bound["id"], "takes whole numbers from 1 up")
    for needed in table.columns:
        if not (needed.nullable or needed.primary_key or needed.name in bound):
            values.storable(needed, None)
    if "id" in bound and engine.get_engine().dialect.name == "postgresql":
        _number_on(table, bound["id"])
    key = {"id": bound.get("id", sa.func.last_insert_id())}
    row = _written(table, sa.insert(table).values(bound), key, bound)
    if row is None:
        raise exception.DatabaseError(reason="a row was stored and is not there")
    return row


@transactions.retried
def get(
    table: sa.Table, key: Key, *, show_deleted: bool = False, eager: Sequence[str] = ()
) -> Record | None:
    """Return the row and the rows of the relations named in ``eager``, in one statement."""
    return Query(table, eager).first(meant(table, key, show_deleted))


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
) -> Sequence[Record]:
    """Return rows in one statement; see :mod:`filters` and :mod:`paging` for the arguments.

    :param wanted: the filters
    :param marker: the row to begin after: its id and the value of its sort key
    """
    order = paging.Order(table, sort_key, sort_dir)
    limit = paging.checked_limit(limit)
    conditions = [*filters.where(table, wanted), *meant(table, {}, show_deleted)]
    if marker is not None:
        conditions.append(order.after(marker))
    return () if limit == 0 else Query(table, eager).all(conditions, order, limit)


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
    bound = _storable(table, given)
    if _moves(table) and bound.get("state") == State.DELETED:
        bound |= _marks_of_deletion(table)
    return _moved(table, key, bound, believed)


@transactions.retried
def soft_delete(
    table: sa.Table, key: Key, given: Mapping[str, Any] | None = None, believed: str | None = None
) -> Update | None:
    """Mark a row as deleted, with whatever else is to be written, in one UPDATE as above."""
    bound = _storable(table, given or {}) | _marks_of_deletion(table)
    if _moves(table):
        bound["state"] = State.DELETED
    return _moved(table, key, bound, believed)


@transactions.retried
def destroy(table: sa.Table, key: Key) -> bool:
    """Remove a row, deleted or not, and tell whether there was one.

    :raises Referenced: other rows refer to it
    """
    statement = sa.delete(table).where(*meant(table, key, show_deleted=True))
    try:
        return transactions.execute(statement).matched > 0
    except exception.MissingReference as error:
        # A driver says only that a foreign key was in the way; of a DELETE it is another's.
        raise exception.Referenced(name=table.name, id=next(iter(key.values()))) from error


def _number_on(table: sa.Table, ident: int) -> None:
    """Let PostgreSQL's numbers go on behind an id that is given, as the others' do.

    Before the row is stored: a number that is skipped is no loss, an error after it is one.
    """
    sequence = sa.func.pg_get_serial_sequence(table.name, "id")
    drawn = sa.func.pg_sequence_last_value(sa.cast(sequence, REGCLASS))
    latest = sa.func.greatest(ident, sa.func.coalesce(drawn, 1))
    transactions.execute(sa.select(sa.func.setval(sequence, latest)))


def _moves(table: sa.Table) -> type[StateTransitionManager] | None:
    return table.info["moves"]


def _storable(table: sa.Table, given: Mapping[str, Any]) -> Row:
    bound = {name: values.storable(column(table, name), value) for name, value in given.items()}
    moves = _moves(table)
    if moves and bound.get("state", moves.INITIAL) not in moves.TRANSITIONS:
        raise exception.InvalidState(state=given["state"], allowed=", ".join(moves.TRANSITIONS))
    return bound


def _marks_of_deletion(table: sa.Table) -> Row:
    return {"deleted": table.c.id, "deleted_at": timeutils.utcnow()}


def _moved(table: sa.Table, key: Key, given: Row, believed: str | None) -> Update | None:
    """Write the row, and its state only from a state that leads there.

    The UPDATE asks for the state that is believed, so that its success tells the true old
    one. When it misses, the row says what it is in, and the move is tried from there.
    """
    bound = {"updated_at": timeutils.utcnow(), **given}
    moves = _moves(table)
    if moves is None or "state" not in bound:
        row = _update(table, key, bound, {})
        return None if row is None else Update(row, None)
    while True:
        condition = moves.condition(believed, bound["state"])
        if condition is not None:
            row = _update(table, key, bound, {"state": believed, **condition})
            if row is not None:
                return Update(row, believed)
        current = get(table, key)
        if current is None:
            return None
        believed = current.row["state"]
        _check_move(moves, table, current.row, bound["state"])


def _check_move(moves: type[StateTransitionManager], table: sa.Table, row: Row, new: str) -> None:
    allowed = moves.allowed(row)
    if new not in allowed:
        raise exception.InvalidStateTransition(
            name=table.name, id=row.get("uuid"), initial=row["state"], new=new, allowed=allowed
        )


def _update(table: sa.Table, key: Key, bound: Row, guard: Mapping[str, Any]) -> Row | None:
    conditions = meant(table, {**key, **guard}, show_deleted=False)
    return _written(table, sa.update(table).where(*conditions).values(bound), key, bound)


def _written(
    table: sa.Table, statement: sa.Insert | sa.Update, key: Key, bound: Row
) -> Row | None:
    """Run a write and return the row as it is stored, None where no row was matched."""
    try:
        if engine.get_engine().dialect.update_returning:
            rows = transactions.execute(statement.returning(*table.columns)).rows
            return dict(rows[0]._mapping) if rows else None
        with transactions.joined():
            if not transactions.execute(statement).matched:
                return None
            record = Query(table, ()).first(meant(table, key, show_deleted=True))
            return record.row if record else None
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
