# SPDX-License-Identifier: Apache-2.0
"""The rows that a worker may claim or has claimed, and the SELECT statements that find them."""

import enum
from collections.abc import Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from watcher_objects.db import models
from watcher_objects.db.backend import dialects
from watcher_objects.db.sql import times
from watcher_objects.db.sql.filters import Filter, filter_conditions
from watcher_objects.db.sql.queries import identity_conditions

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
    filters: Sequence[Filter]
    #: Whether only rows after an id are looked at.
    has_position: bool
    #: How many rows are wanted; None: that is given with each call.
    limit: int | None = None

    def locked(self, dialect: sa.Dialect) -> sa.Select[Any]:
        """Return the SELECT that locks the rows, except those that others have locked."""
        select = select_first(dialect, self, self.table.c.id)
        return select.with_for_update(skip_locked=True)


class LeaseShape(NamedTuple):
    """What the statements of a write through several leases are compiled from."""

    table: sa.Table
    #: How many leases there are.
    number: int

    def locked(self, dialect: sa.Dialect) -> sa.Select[Any]:
        """Return the SELECT that locks the rows whose leases are not lost, by their ids."""
        columns = self.table.c
        uuid, token = columns.uuid.type, columns.moves.type
        is_held = [
            sa.and_(
                columns.uuid == sa.bindparam(f"uuid_{number}", type_=uuid),
                columns.moves == sa.bindparam(f"token_{number}", type_=token),
            )
            for number in range(self.number)
        ]
        conditions = (*in_state(self.table), *identity_conditions(self.table, {}, False))
        select = sa.select(columns.id).where(sa.or_(*is_held), *conditions)
        return select.order_by(columns.id).with_for_update()


def state_of(table: sa.Table, kind: Kind) -> str:
    """Return the state of the rows that may be claimed."""
    machine = table.info["state_machine"]
    state: str = machine.WAITING if kind is Kind.WAITING else machine.RUNNING
    return state


def in_state(table: sa.Table, kind: Kind | None = None) -> Sequence[sa.ColumnElement[bool]]:
    """Return the conditions on rows in a state.

    For rows that wait it is a range of the index of states: PostgreSQL would take them to be
    spread evenly over the ids, and read all rows in the order of their ids.
    """
    state = sa.bindparam("claimable_state", type_=table.c.state.type)
    if kind is not Kind.WAITING:
        return [table.c.state == state]
    return [table.c.state >= state, table.c.state <= state]


def shape_conditions(dialect: sa.Dialect, shape: Shape) -> list[sa.ColumnElement[bool]]:
    """Return all conditions on the rows of a claim."""
    table = shape.table
    found = [
        *in_state(table, shape.kind),
        *identity_conditions(table, {}, show_deleted=False),
        *conditions(table, shape.kind),
        *filter_conditions(table, shape.filters),
    ]
    return [*found, _after(dialect, table)] if shape.has_position else found


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


def select_first(
    dialect: sa.Dialect, shape: Shape, *columns: sa.ColumnElement[Any]
) -> sa.Select[Any]:
    """Return the SELECT of the candidates, in an order that an index has."""
    table = shape.table
    # Rows that wait: by id. Others: by worker, of whom the first has waited longest.
    names = () if shape.kind is Kind.WAITING else ("worker_id", "next_run_time")
    order = [table.c[name] for name in names if "next_run_time" in table.columns]
    limit: Any = sa.bindparam("limit", type_=sa.Integer())
    if shape.limit is not None:
        limit = sa.literal_column(str(shape.limit), sa.Integer())
    select = sa.select(*columns).where(*shape_conditions(dialect, shape))
    return select.order_by(table.c.state, *order, table.c.id).limit(limit)
