# SPDX-License-Identifier: Apache-2.0
"""The rows that a worker may claim, and the statements that claim them.

A claim chooses a row and writes it in one transaction, in which it skips the rows that others have
locked. A row that a dead worker has left, and on a cluster any row, is read first,
and then written only if its last transition is still the one that was read: nodes do not share
locks, and PostgreSQL does not look at other tables again when it has waited for a row.
"""

import enum
import functools
import random
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from watcher_objects.db import models, transactions
from watcher_objects.db.backend import database, dialects
from watcher_objects.db.sql import dml, filters, journal, times
from watcher_objects.db.sql.queries import Row, identity_conditions
from watcher_objects.db.statements import (
    SHAPES,
    Cells,
    ChainOfEach,
    Loop,
    Statement,
    column_index,
    is_listened_to,
)

#: Candidates of which one is chosen at random, so that workers seldom choose the same.
CANDIDATES = 64

_workers = models.workers


class Kind(enum.StrEnum):
    """Why a row may be claimed."""

    #: It waits for its first claim.
    WAITING = "waiting"
    #: It runs continuously, and its next run is due.
    DUE = "due"
    #: The worker that had claimed it is dead, or has given it back.
    ABANDONED = "abandoned"


class Shape(NamedTuple):
    """What the statements of a claim are compiled from."""

    table: sa.Table
    kind: Kind
    asked: Sequence[filters.Filter]
    #: Whether only rows after an id are looked at.
    has_place: bool
    #: How many rows are wanted; None: that is given with each call.
    limit: int | None = None


class Candidate(NamedTuple):
    """A row that may be claimed, as it was read."""

    id: int
    moves: int | None
    attempts: int | None


class Wanted:
    """The rows that a worker may claim.

    :param filters: those of a list
    :param after: an id after which to look; 0 for all rows
    :raises InvalidFilter: one of the filters can't be used
    """

    def __init__(
        self, table: sa.Table, kind: Kind, wanted: Mapping[str, Any] | None, after: int = 0
    ) -> None:
        asked, bound = filters.parse_filters(table, wanted)
        self.shape = Shape(table, kind, asked, after > 0)
        self.from_state = _state(table, kind)
        #: The values that the statements name.
        self.values = {**bound, "claimable_state": self.from_state, "after": after}

    def first(self, limit: int) -> Shape:
        """Return the shape of the statements for so many rows.

        PostgreSQL plans a statement anew for each call if it does not know how many rows it is
        for; with filters it should.
        """
        is_fixed = database.current().backend.plans_by_text and not self.shape.asked
        return self.shape._replace(limit=limit) if is_fixed else self.shape


def candidates(wanted: Wanted, limit: int) -> list[Candidate]:
    """Return the first rows that may be claimed, in the order in which they should be."""
    statement = _candidates(database.current().dialect, wanted.first(limit), False)
    rows = transactions.run(statement, {**wanted.values, "limit": limit}).rows
    return [Candidate(*row) for row in rows]


def claim_first(
    wanted: Wanted, limit: int, bound: Row, entry: journal.Entry | None
) -> Sequence[Cells]:
    """Claim the first rows that others have not locked, and return them as they are now.

    :param bound: what is written to them
    :param entry: what the journal is to say of it
    """
    source = database.current()
    values = {**wanted.values, **_values(wanted, bound, entry), "limit": limit}
    shape = wanted.first(limit), tuple(bound), entry is not None
    if source.backend.writes_in_with:
        rows = transactions.run(_claim_in_with(source.dialect, *shape), values).rows
    elif source.backend.skips_locked and not is_listened_to(source.engine):
        in_transaction = transactions.in_transaction()
        rows = transactions.run(
            _claim_in_loop(source.dialect, *shape, in_transaction), values
        ).rows
    elif source.backend.skips_locked:
        rows = _claim_each(wanted, values, bound, entry)
    else:
        rows = _claim_alone(wanted, shape, values)
    ident = column_index(wanted.shape.table, "id")
    return sorted(rows, key=lambda row: row[ident])


def _claim_alone(wanted: Wanted, shape: Any, values: Row) -> Sequence[Cells]:
    """Do the same by a transaction that excludes all other writers."""
    if not candidates(wanted, 1):
        # Without such a transaction.
        return []
    source = database.current()
    statement = _claim_in_chain(source.dialect, *shape)
    if not transactions.in_transaction() and not is_listened_to(source.engine):
        return transactions.run(statement, values).rows
    with transactions.ensure_transaction():
        return statement.run(transactions.run, values)[0]


def _claim_each(
    wanted: Wanted, values: Row, bound: Row, entry: journal.Entry | None
) -> Sequence[Cells]:
    """Do the same by a transaction of several statements."""
    table = wanted.shape.table
    with transactions.ensure_transaction():
        select = _candidates(database.current().dialect, wanted.shape, True)
        idents = [row[0] for row in transactions.run(select, values).rows]
        now = dml.update_many(table, [table.c.id.in_(idents)], bound, idents)
        moved = [(wanted.from_state, row) for row in now.values()]
        journal.record_many(table, entry, moved)
    return [[*row.values()] for row in now.values()]


def claim_candidate(
    wanted: Wanted, candidate: Candidate, bound: Row, entry: journal.Entry | None
) -> Cells | None:
    """Claim a row if it is as it was read, and may still be claimed; else return None."""
    dialect = database.current().dialect
    plan = _claim_candidate(
        dialect, wanted.shape, tuple(bound), entry is not None, candidate.moves is None
    )
    values = {**wanted.values, **_values(wanted, bound, entry)}
    return dml.write_row(plan, {**values, "id": candidate.id, "read_moves": candidate.moves})


def shuffled(found: Sequence[Candidate], limit: int) -> Sequence[Candidate]:
    """Return so many of the candidates, chosen at random, in their order."""
    return sorted(random.sample(found, min(limit, len(found))))


def held(table: sa.Table, worker_id: int) -> Sequence[tuple[str, int]]:
    """Return the uuid and the token of each row that a worker has claimed."""
    statement = _held(database.current().dialect, table)
    values = {"claimable_state": table.info["state_machine"].RUNNING, "worker": worker_id}
    return [(row[0], row[1]) for row in transactions.run(statement, values).rows]


def written(
    table: sa.Table, name: str, value: int, bound: Row, entry: journal.Entry | None
) -> Sequence[Cells]:
    """Return the rows that a claim has written, and that nobody has written since.

    The other parameters are those of the claim.

    :param name: a column by which they are found
    :param value: what it holds
    """
    select = sa.select(table).where(table.c.state == bound["state"], table.c[name] == value)
    if entry is None:
        select = select.where(table.c.updated_at == bound["updated_at"])
    else:
        select = select.where(journal.is_last(table, entry))
    return [[*row] for row in transactions.execute(select).rows]


def _state(table: sa.Table, kind: Kind) -> str:
    """Return the state of the rows that may be claimed."""
    machine = table.info["state_machine"]
    state: str = machine.WAITING if kind is Kind.WAITING else machine.RUNNING
    return state


def _in_state(table: sa.Table, kind: Kind | None = None) -> Sequence[sa.ColumnElement[bool]]:
    """Return the conditions on rows in a state.

    For rows that wait it is a range of the index of states: PostgreSQL would take them to be
    spread evenly over the ids, and read all rows in the order of their ids.
    """
    state = sa.bindparam("claimable_state", type_=table.c.state.type)
    if kind is not Kind.WAITING:
        return [table.c.state == state]
    return [table.c.state >= state, table.c.state <= state]


def _conditions(dialect: sa.Dialect, shape: Shape) -> list[sa.ColumnElement[bool]]:
    table = shape.table
    found = [
        *_in_state(table, shape.kind),
        *identity_conditions(table, {}, show_deleted=False),
        *conditions(table, shape.kind),
        *filters.where(table, shape.asked),
    ]
    return [*found, _after(dialect, table)] if shape.has_place else found


def _after(dialect: sa.Dialect, table: sa.Table) -> sa.ColumnElement[bool]:
    """Return the condition on rows that wait after an id."""
    after = sa.bindparam("after", type_=table.c.id.type)
    if not dialects.of(dialect).plans_by_text:
        return table.c.id > after
    # PostgreSQL would begin with the first entry of the range, which may be of a row long claimed.
    state = sa.bindparam("claimable_state", type_=table.c.state.type)
    return sa.tuple_(table.c.state, table.c.id) > sa.tuple_(state, after)


def conditions(table: sa.Table, kind: Kind) -> Sequence[sa.ColumnElement[bool]]:
    """Return the conditions on rows that may be claimed, except their state."""
    return _OF_KIND[kind](table)


def _of_waiting(table: sa.Table) -> Sequence[sa.ColumnElement[bool]]:
    return []


def _of_due(table: sa.Table) -> Sequence[sa.ColumnElement[bool]]:
    between_runs = (table.c.worker_id.is_(None), table.c.attempts == sa.literal_column("0"))
    return [table.c.next_run_time <= times.now(), *between_runs]


def _of_abandoned(table: sa.Table) -> Sequence[sa.ColumnElement[bool]]:
    return left_since(table, times.now())


def left_since(table: sa.Table, moment: sa.ColumnElement[Any]) -> Sequence[sa.ColumnElement[bool]]:
    """Return the conditions on running rows that have been left by their workers since a time."""
    # Not IS NOT NULL, for which SQLite searches no index.
    is_left = (table.c.worker_id >= sa.literal_column("0"), ~is_held(table, moment))
    is_available = sa.or_(table.c.available_at.is_(None), table.c.available_at <= moment)
    return [*is_left, is_available]


def is_held(table: sa.Table, moment: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
    """Return the condition on rows whose worker has been alive at a time, or is alive."""
    is_alive = (_workers.c.id == table.c.worker_id, _workers.c.alive_until >= moment)
    return sa.exists().where(*is_alive)


_OF_KIND = {
    Kind.WAITING: _of_waiting,
    Kind.DUE: _of_due,
    Kind.ABANDONED: _of_abandoned,
}


def _select(dialect: sa.Dialect, shape: Shape, *columns: sa.ColumnElement[Any]) -> sa.Select[Any]:
    """Return the SELECT of the candidates, in an order that an index has."""
    table = shape.table
    # Rows that wait: by id. Others: by worker, of whom the first has waited longest.
    names = () if shape.kind is Kind.WAITING else ("worker_id", "next_run_time")
    order = [table.c[name] for name in names if "next_run_time" in table.columns]
    limit: Any = sa.bindparam("limit", type_=sa.Integer())
    if shape.limit is not None:
        limit = sa.literal_column(str(shape.limit), sa.Integer())
    select = sa.select(*columns).where(*_conditions(dialect, shape))
    return select.order_by(table.c.state, *order, table.c.id).limit(limit)


@functools.lru_cache(maxsize=SHAPES)
def _candidates(dialect: sa.Dialect, shape: Shape, is_locking: bool) -> Statement:
    table = shape.table
    select = _select(dialect, shape, table.c.id, table.c.moves, table.c.attempts)
    if is_locking:
        select = select.with_for_update(skip_locked=True)
    return Statement(select, dialect)


@functools.lru_cache(maxsize=SHAPES)
def _held(dialect: sa.Dialect, table: sa.Table) -> Statement:
    worker = sa.bindparam("worker", type_=table.c.worker_id.type)
    conditions = (*_in_state(table), table.c.worker_id == worker)
    return Statement(sa.select(table.c.uuid, table.c.moves).where(*conditions), dialect)


def _new(table: sa.Table, names: Sequence[str]) -> dict[str, Any]:
    return {**dml.new_values(table, names), **journal.counted(table, names)}


def _values(wanted: Wanted, bound: Row, entry: journal.Entry | None) -> dict[str, Any]:
    new = {f"new_{name}": value for name, value in bound.items()}
    return new if entry is None else {**new, **journal.values(entry, wanted.from_state)}


@functools.lru_cache(maxsize=SHAPES)
def _claim_in_with(
    dialect: sa.Dialect, shape: Shape, names: Sequence[str], is_recorded: bool
) -> Statement:
    table = shape.table
    select = _select(dialect, shape, table.c.id).with_for_update(skip_locked=True)
    # The array makes it a subquery that runs once.
    idents = sa.func.array(select.scalar_subquery())
    write = sa.update(table).where(table.c.id == sa.func.any(idents)).values(_new(table, names))
    if is_recorded:
        return dml.recorded(dialect, table, write, ()).write
    return Statement(write.returning(*table.columns), dialect)


@functools.lru_cache(maxsize=SHAPES)
def _claim_in_loop(
    dialect: sa.Dialect,
    shape: Shape,
    names: Sequence[str],
    is_recorded: bool,
    in_transaction: bool,
) -> Statement:
    table = shape.table
    select = _select(dialect, shape, table.c.id).with_for_update(skip_locked=True)
    is_picked = table.c.id == sa.literal_column("picked.id")
    others: list[Any] = [sa.update(table).where(is_picked).values(_new(table, names))]
    if is_recorded:
        others.append(journal.record(table, table, [is_picked]))
    others.append(sa.select(table).where(is_picked))
    each = [Statement(other, dialect) for other in others]
    return Loop(Statement(select, dialect), each, dialect, not in_transaction)


@functools.lru_cache(maxsize=SHAPES)
def _claim_in_chain(
    dialect: sa.Dialect, shape: Shape, names: Sequence[str], is_recorded: bool
) -> ChainOfEach:
    table = shape.table
    idents = _select(dialect, shape, table.c.id).scalar_subquery()
    write = sa.update(table).where(table.c.id.in_(idents)).values(_new(table, names))
    first = Statement(write.returning(*table.columns), dialect)
    others = [dml.record_changed(dialect, table, ("id",))] if is_recorded else []
    return ChainOfEach(first, others, dialect, ("id", column_index(table, "id")))


@functools.lru_cache(maxsize=SHAPES)
def _claim_candidate(
    dialect: sa.Dialect,
    shape: Shape,
    names: Sequence[str],
    is_recorded: bool,
    is_first: bool,
) -> dml.Plan:
    table = shape.table
    ident = sa.bindparam("id", type_=table.c.id.type)
    moves = None if is_first else sa.bindparam("read_moves", type_=table.c.moves.type)
    is_same = (table.c.id == ident, table.c.moves == moves)
    new = _new(table, names)
    write = sa.update(table).where(*is_same, *_conditions(dialect, shape)).values(new)
    make = dml.recorded if is_recorded else dml.followed
    return make(dialect, table, write, ("id",))
