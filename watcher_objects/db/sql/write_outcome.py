# SPDX-License-Identifier: Apache-2.0
"""The result of a write, and how it is found if the database's answer was lost.

A transition is in the journal, with the uuid of the call that made it. Without a journal, and for
all other writes, the time of a row's last write, or of its creation, shows whose that was: it is
exact to the microsecond. Each of these checks takes the error
and the arguments of the write.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from oslo_utils import timeutils

from watcher_objects.db import transactions
from watcher_objects.db.backend import database
from watcher_objects.db.sql import expectations, journal, queries, state_guard
from watcher_objects.db.sql.queries import Key, Row
from watcher_objects.db.statements import Cells, bind_value, cells, column_index, row_to_dict
from watcher_objects.db.transactions import levels
from watcher_objects.db.transactions.retries import Outcome
from watcher_objects.exception import DatabaseUnavailable, OutcomeUnknown, WriteSuppressed


class RowVersion(NamedTuple):
    """The version of a row that a caller has read: its state, and when it was written.

    It may be out of date. A right state saves a statement; the time decides what can be said of
    a write whose answer was lost. ``moves`` is the token of a lease: the row is written only if
    that is the number of its last transition.
    """

    state: str | None = None
    updated_at: Any = None
    moves: int | None = None


class Write(NamedTuple):
    """A change of one row.

    ``rules`` are those of the new state; None where the state is not written, or has none.
    ``entry`` is what the journal is to say of it, ``expected`` what else the row must hold;
    ``computed`` names the columns with expressions.
    """

    table: sa.Table
    key: Key
    bound: Row
    known: RowVersion
    rules: state_guard.Rules
    entry: journal.Entry | None = None
    expected: expectations.Expected = expectations.NOTHING
    computed: Sequence[str] = ()

    @property
    def may_repeat(self) -> bool:
        """Whether it has the same effect if others have written the row since."""
        is_conditional = self.expected.filters and self.known.moves is None
        return not (self.rules or is_conditional or self.computed)


class ChangedRow(NamedTuple):
    """A row of a table as it is now, or was last, and the state that it left if it left one.

    ``written`` is when it had been written before.
    """

    table: sa.Table
    row: Row
    old_state: str | None = None
    written: Any = None


class WriteResult(NamedTuple):
    """A row after an update, and the state that it left; None if it left none.

    ``cells`` are None where the row has been destroyed since. ``owned`` are the rows that were
    soft-deleted with it.
    """

    cells: Cells | None
    old_state: str | None
    owned: Sequence[ChangedRow] = ()


def suppressed(table: sa.Table, ident: Any, observed: str) -> WriteSuppressed:
    """Return the error for a write that the database has silently undone.

    :param ident: what was not written: a key, or words for several rows
    """
    if isinstance(ident, Mapping):
        (ident,) = ident.values()
    reason = f"{observed}; look for row-level security or a trigger on {table.name}"
    return WriteSuppressed(name=table.name, id=ident, reason=reason)


def check(table: sa.Table, key: Key, bound: Row, row: Cells) -> None:
    """Check that a row has the state and the mark of deletion that were written to it.

    A trigger may change other columns: a caller gets them as they are stored.

    :raises WriteSuppressed: it has not
    """
    observed = None
    if "state" in bound and table.info["state_machine"]:
        state, new = row[column_index(table, "state")], bound["state"]
        observed = None if state == new else f"its state is {state} now, not {new}"
    if "deleted" in bound and not row[column_index(table, "deleted")]:
        observed = "it is not deleted now"
    if observed is not None:
        error = suppressed(table, key, f"the UPDATE matched the row, but {observed}")
        if (current := levels.current()) is not None:
            # What else was written must not be committed.
            current.failure = error
        raise error


def inserted(
    lost: DatabaseUnavailable, table: sa.Table, bound: Row, entry: journal.Entry | None
) -> Cells | Outcome:
    """Find out whether the row was stored, even if it has been changed since."""
    if entry is not None:
        created = journal.find(table, entry, {"uuid": bound["uuid"]})
        if created is None:
            return Outcome.NOT_APPLIED
        return _created(table, bound, created["object_id"])
    same = [
        column == bound.get(column.name)
        for column in queries.identity(table)
        if column.name != "deleted"
    ]
    found = sa.select(table.c.id).where(*same, table.c.created_at == bound["created_at"])
    for row in transactions.execute(found).rows:
        return _created(table, bound, row.id)
    return Outcome.NOT_APPLIED


def _created(table: sa.Table, bound: Row, ident: int) -> Cells:
    return cells(table, {**dict.fromkeys(table.columns.keys()), **bound, "id": ident})


def inserted_all(
    lost: DatabaseUnavailable,
    table: sa.Table,
    bound: Sequence[Row],
    entry: journal.Entry | None,
) -> Sequence[Cells] | Outcome:
    """Find out whether the rows were stored, all or none."""
    if inserted(lost, table, bound[0], entry) is Outcome.NOT_APPLIED:
        return Outcome.NOT_APPLIED
    answer: Sequence[Cells] = _answer(lost)
    return answer


def written(lost: DatabaseUnavailable, write: Write) -> WriteResult | Outcome:
    """Find out whether the row was written; a deletion is known by itself, as it stays."""
    table, key, bound, known, _, entry, *_ = write
    row = queries.first(table, key, show_deleted=True)
    if entry is not None:
        recorded = journal.find(table, entry, key)
        return Outcome.NOT_APPLIED if recorded is None else _transition(lost, write, row, recorded)
    if row is None:
        return Outcome.SUPERSEDED
    left, before, _ = lost.expected or RowVersion()
    at = row[column_index(table, "updated_at")]
    if at == _stored(table, bound["updated_at"]):
        check(table, key, bound, row)
        old_state = left if "state" in bound and left != bound["state"] else None
        return _answer(lost) or WriteResult(row, old_state)
    is_live = row[column_index(table, "deleted")] == 0
    if (
        "deleted" in bound
        or at in (None, _stored(table, before or known.updated_at))
        or (is_live and write.may_repeat)
        or (known.moves is not None and row[column_index(table, "moves")] == known.moves)
    ):
        return Outcome.NOT_APPLIED
    return Outcome.SUPERSEDED


def _transition(
    lost: DatabaseUnavailable, write: Write, row: Cells | None, recorded: Mapping[str, Any]
) -> WriteResult:
    """Return the result of a transition in the journal, with the row as it was written."""
    table, bound, old_state = write.table, write.bound, recorded["from_state"]
    if row is not None and row[column_index(table, "moves")] != recorded["seq"]:
        # Others have made transitions since.
        dialect = database.current().dialect
        written = {
            name: bind_value(dialect, table.columns[name], value)
            for name, value in bound.items()
            if not isinstance(value, sa.ColumnElement)
        }
        written["moves"] = recorded["seq"]
        row = [*(row_to_dict(table, row) | written).values()]
    elif row is not None:
        check(table, write.key, bound, row)
    return _answer(lost) or WriteResult(row, None if old_state == bound["state"] else old_state)


def destroyed(
    lost: DatabaseUnavailable, table: sa.Table, key: Key, context: Any = None
) -> Sequence[ChangedRow] | Outcome:
    """Find out whether the row was removed, by any call."""
    if queries.first(table, key, show_deleted=True) is None:
        return _answer(lost) or ()
    return Outcome.NOT_APPLIED


def changed_all(
    lost: DatabaseUnavailable,
    table: sa.Table,
    conditions: Any,
    bound: Row,
    entry: journal.Entry | None,
) -> Sequence[ChangedRow] | Outcome:
    """Find out whether the rows that matched the filters were changed, all or none."""
    changes: Sequence[ChangedRow] = _answer(lost)
    for change in changes:
        if entry is not None:
            recorded = journal.find(table, entry, {"uuid": change.row["uuid"]})
            return Outcome.NOT_APPLIED if recorded is None else changes
        now = sa.select(table.c.updated_at).where(table.c.id == change.row["id"])
        for (at,) in transactions.execute(now).rows:
            if at == bound["updated_at"]:
                return changes
            if at == change.written:
                return Outcome.NOT_APPLIED
    return Outcome.SUPERSEDED if changes else changes


def _answer(lost: DatabaseUnavailable) -> Any:
    return lost.answer if isinstance(lost, OutcomeUnknown) else None


def _stored(table: sa.Table, moment: Any) -> Any:
    """Return a time as the driver gives it."""
    if not hasattr(moment, "tzinfo"):
        return moment
    dialect = database.current().dialect
    return bind_value(dialect, table.c.updated_at, timeutils.normalize_time(moment))
