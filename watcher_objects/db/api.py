# SPDX-License-Identifier: Apache-2.0
"""The DB API: create, get, list, update, soft_delete and destroy, on any table.

Rows come back as the cells of their tables' columns, as the driver gives them. A ``key`` says
which row is meant: a dict of a unique column to its value. Every write is one transaction.
"""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from oslo_utils import timeutils

from watcher_objects import exception
from watcher_objects.db import bulk, transactions
from watcher_objects.db.sql import (
    dml,
    expectations,
    expressions,
    journal,
    pagination,
    queries,
    state_guard,
    write_outcome,
)
from watcher_objects.db.sql.queries import Key, Row
from watcher_objects.db.sql.write_outcome import ChangedRow, RowVersion, Write, WriteResult
from watcher_objects.db.statements import Cells, row_to_dict
from watcher_objects.db.transactions import retries
from watcher_objects.transitions import DELETED

UNKNOWN = RowVersion()


def create(table: sa.Table, given: Mapping[str, Any], context: Any = None) -> Cells:
    """Store a row and return it.

    :param context: the caller's, for the journal; None is nobody
    :raises InvalidValue: a column can't hold its value
    :raises DuplicateKey: a unique key is taken
    :raises MissingReference: a relation leads to no row
    :raises WriteSuppressed: a trigger or a policy undid the write
    """
    entry = journal.entry(table, context, "create")
    return _inserted(table, state_guard.insertable(table, given), entry)


@retries.retried
def get(
    table: sa.Table, key: Key, *, show_deleted: bool = False, eager: Sequence[str] = ()
) -> Cells | None:
    """Return the row, followed by the rows of the relations named in ``eager``.

    They come in one statement; see ``queries.split_joined_row``.
    """
    return queries.first(table, key, show_deleted, eager)


@retries.retried
def get_pointed_at(table: sa.Table, key: Key) -> Cells | None:
    """Return the row if it is not deleted, or if a row that is not deleted refers to it."""
    return queries.first(table, key, True, or_pointed_at=True)


@retries.retried
def list(
    query: queries.ListQuery, limit: int | None = None, eager: Sequence[str] = ()
) -> queries.RowSet:
    """Return rows with one statement, and one more for each relation in ``eager``.

    :param limit: the maximum number of rows; None for all
    :raises NegativeLimitError, InvalidParameter: the limit is not a number of rows
    """
    return queries.page(query, pagination.checked_limit(limit), eager)


def update(
    table: sa.Table,
    key: Key,
    given: Mapping[str, Any],
    known: RowVersion = UNKNOWN,
    expected: expectations.Expected = expectations.NOTHING,
    context: Any = None,
) -> WriteResult | None:
    """Change a row that is not deleted; None where there is no such row.

    Its table's rules for a new ``state`` are part of the UPDATE. To go to DELETED is to be
    soft-deleted.

    :param known: the version of the row that the caller has read, which may be out of date
    :param expected: what the row must hold, see ``expectations.parse``
    :param context: the caller's, for the journal
    :raises UnexpectedValues: it holds something else
    :raises InvalidStateTransition: the row is in a state that does not lead to the new one
    :raises InvalidState: there is no such state
    :raises WriteSuppressed: the row is there, and a trigger or a policy undid the write
    :raises InvalidValue, DuplicateKey, MissingReference: as :func:`create` does
    """
    return apply(prepare(table, key, given, known, expected, context))


def prepare(
    table: sa.Table,
    key: Key,
    given: Mapping[str, Any],
    known: RowVersion = UNKNOWN,
    expected: expectations.Expected = expectations.NOTHING,
    context: Any = None,
    kind: str = "save",
) -> Write:
    """Return the write that :func:`update` makes, for :func:`apply`.

    :param kind: what the journal calls it if it writes a state
    """
    bound = {"updated_at": timeutils.utcnow(), **state_guard.storable(table, given)}
    if table.info["state_machine"] and "state" in bound:
        bound |= state_guard.ended_claim(table, bound["state"])
        if bound["state"] == DELETED:
            bound |= state_guard.marks_of_deletion(table)
    computed = tuple(n for n, value in given.items() if isinstance(value, sa.ColumnElement))
    write = Write(table, key, bound, known, *_rules_and_entry(table, bound, context, kind))
    return write._replace(expected=expected, computed=computed)


def apply(write: Write) -> WriteResult | None:
    """Execute a prepared write; see :func:`update`."""
    if write.computed:
        return _computed(write)
    return _deleted(write) if "deleted" in write.bound else _moved(write)


def soft_delete(
    table: sa.Table,
    key: Key,
    given: Mapping[str, Any] | None = None,
    known: RowVersion = UNKNOWN,
    context: Any = None,
) -> WriteResult | None:
    """Mark a row as deleted, with whatever else is to be written, in one UPDATE as above.

    The rows that it owns go with it, in the same transaction.
    """
    bound = {**state_guard.storable(table, given or {}), **state_guard.marks_of_deletion(table)}
    rules, entry = _rules_and_entry(table, bound, context, "delete")
    return _deleted(Write(table, key, bound, known, rules, entry))


@retries.retry_write(write_outcome.destroyed)
def destroy(table: sa.Table, key: Key, context: Any = None) -> Sequence[ChangedRow] | None:
    """Remove a row, deleted or not, and those that it owns; None where there is none.

    :param context: the caller's, for the journal
    :returns: the rows that were removed with it
    :raises Referenced: other rows refer to it
    :raises WriteSuppressed: the row is still there
    """
    entry = journal.entry(table, context, "destroy")
    if bulk.owned(table):
        return transactions.atomic(lambda: _destroyed_with_owned(table, key, entry))
    if entry is None:
        return () if _destroyed(table, key) else None
    # Its error is that of the transaction around it, as that of one statement would be.
    with transactions.ensure_transaction():
        return _destroyed_with_owned(table, key, entry)


_inserted = retries.retry_write(write_outcome.inserted)(dml.insert)


def _destroyed_with_owned(
    table: sa.Table, key: Key, entry: journal.Entry | None
) -> Sequence[ChangedRow] | None:
    owned = bulk.destroy_owned(table, key, entry)
    return owned if _destroyed(table, key) else None


def _destroyed(table: sa.Table, key: Key) -> bool:
    try:
        if dml.delete(table, key):
            return True
    except exception.MissingReference as error:
        # A driver says only that a foreign key was in the way; of a DELETE it is another's.
        raise exception.Referenced(name=table.name, id=next(iter(key.values()))) from error
    if queries.first(table, key, show_deleted=True) is not None:
        raise write_outcome.suppressed(
            table, key, "the row is there, but the DELETE matched no row"
        )
    return False


def _rules_and_entry(
    table: sa.Table, bound: Row, context: Any, kind: str
) -> tuple[state_guard.Rules, journal.Entry | None]:
    """Return the rules for a new state, and its journal entry."""
    rules = state_guard.rules_of(table) if "state" in bound else None
    kind = "delete" if "deleted" in bound else kind
    return rules, journal.entry(table, context, kind) if rules else None


@retries.retry_write(write_outcome.written)
def _deleted(write: Write) -> WriteResult | None:
    if not bulk.owned(write.table):
        return _moved(write)
    return transactions.atomic(lambda: _deleted_with_owned(write))


def _deleted_with_owned(write: Write) -> WriteResult | None:
    owned = bulk.soft_delete_owned(write.table, write.key, write.entry)
    done = _moved(write)
    return done and done._replace(owned=owned)


@retries.retry_write(write_outcome.written)
def _computed(write: Write) -> WriteResult | None:
    plain = functools.partial(apply, write._replace(computed=()))
    return transactions.atomic(lambda: expressions.checked(write.table, write.computed, plain))


@retries.retry_write(write_outcome.written)
def _moved(write: Write) -> WriteResult | None:
    """Write the row, and its state only from a state that leads there.

    The UPDATE asks for the state that is known, so that its success reveals the true old
    one. When it misses, the row is read, and the move is tried from there. When that misses,
    too, either others are writing the row or the database suppresses the UPDATE: a lock on the
    row rules out the former.
    """
    if done := _from_state(write, write.known):
        return done
    row = _movable(write)
    if row is None:
        return None
    if done := _from_state(write, _version(row)):
        return done
    return transactions.atomic(lambda: _moved_while_locked(write))


def _moved_while_locked(write: Write) -> WriteResult | None:
    table, key = write.table, write.key
    # A policy may hide the row from this, and not from a SELECT.
    bulk.locked(table, queries.identity_conditions(table, key, show_deleted=False))
    row = _movable(write)
    if row is None:
        return None
    if done := _from_state(write, _version(row)):
        return done
    state = (
        f" in state {row['state']}, which leads to {write.bound['state']}," if write.rules else ""
    )
    observed = f"the row is there{state} but the UPDATE matched no row"
    raise write_outcome.suppressed(table, key, observed)


def _movable(write: Write) -> Row | None:
    """Return the row if it exists, is as expected, and its state leads to the new one."""
    cells = get(write.table, write.key)
    return None if cells is None else check(write, cells)


def check(write: Write, cells: Cells) -> Row:
    """Return a row after checking that it is as expected and may go to the new state.

    :raises UnexpectedValues, InvalidStateTransition: as for :func:`update`
    """
    expectations.check(write.table, cells, write.expected)
    row = row_to_dict(write.table, cells)
    if write.rules:
        state_guard.check_move(write.table, row, write.bound["state"], rules=write.rules)
    return row


def _version(row: Row) -> RowVersion:
    return RowVersion(row.get("state"), row["updated_at"])


def _from_state(write: Write, known: RowVersion) -> WriteResult | None:
    """Write the row if it is in the known state and may go to the new one; else return None."""
    table, key, bound, rules = write.table, write.key, write.bound, write.rules
    guard = Row()
    if rules is not None:
        condition = rules.condition(known.state, bound["state"])
        if condition is None:
            return None
        guard = {"state": known.state, **condition}
    try:
        cells = dml.update(table, key, bound, guard, write.expected, write.entry)
    except exception.DatabaseUnavailable as error:
        error.expected = known
        raise
    if cells is None:
        return None
    write_outcome.check(table, key, bound, cells)
    left = guard.get("state")
    return WriteResult(cells, None if left == bound.get("state") else left)
