# SPDX-License-Identifier: Apache-2.0
"""How much work there is, and which workers hold it, by the database's clock."""

import datetime
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from watcher_objects.db import models, transactions
from watcher_objects.db.sql import claimable, times
from watcher_objects.db.sql.claimable import Kind
from watcher_objects.db.sql.filters import filter_conditions, parse_filters
from watcher_objects.db.sql.queries import identity_conditions
from watcher_objects.db.transactions import retries

#: Rows that are looked up at once, and that are returned at most.
MANY, MOST = 1000, 10_000

_workers = models.workers


class Work(NamedTuple):
    """The numbers of a table's rows that workers claim; those that are soft-deleted do not count.

    A row that is between two runs, or that a program runs without a claim, is only in the first
    state: it is neither running nor abandoned.
    """

    #: They wait for their first claim.
    waiting: int
    #: Seconds since the one that has waited longest was last written; None if none waits.
    oldest: float | None
    #: A worker that is alive has claimed them.
    running: int
    #: Their next run is due.
    due: int
    #: Their worker is dead or removed, or has given them back, and nobody has taken them over.
    abandoned: int


class WorkerCount(NamedTuple):
    """The numbers of workers."""

    alive: int
    dead: int


class Holder(NamedTuple):
    """Who has claimed a row."""

    #: The uuid of the worker; None if nobody has the row.
    worker: str | None = None
    #: Whether the worker is alive; None if no worker has claimed the row, or the claim has ended.
    is_alive: bool | None = None
    #: How often workers have claimed it; None if they have not, or it has ended.
    attempts: int | None = None


def tables() -> Sequence[sa.Table]:
    """Return the tables whose rows workers claim."""
    machines = {table: table.info.get("state_machine") for table in models.metadata.sorted_tables}
    return [table for table, machine in machines.items() if machine and machine.RUNNING]


@retries.retried
def now() -> datetime.datetime:
    """Return the time by the database's clock, in UTC without a zone."""
    ((moment,),) = transactions.execute(sa.select(times.now())).rows
    found: datetime.datetime = moment
    return found


@retries.retried
def count(table: sa.Table, filters: Mapping[str, Any] | None = None) -> Work:
    """Return how many rows wait, run, are due or abandoned, in one statement.

    :param filters: those of a list
    :raises InvalidFilter: a filter can't be used
    """
    parsed, bound = parse_filters(table, filters)
    conditions = (
        *identity_conditions(table, {}, show_deleted=False),
        *filter_conditions(table, parsed, bound),
    )
    # Of two states at once, MariaDB would read all rows.
    waiting = sa.select(*_of_waiting(table)).where(*conditions, _is_in(table, "WAITING"))
    running = sa.select(*_of_running(table)).where(*conditions, _is_in(table, "RUNNING"))
    both = waiting.subquery(), running.subquery()
    select = sa.select(times.now(), *both).select_from(both[0].join(both[1], sa.true()))
    ((moment, number, since, *others),) = transactions.execute(select).rows
    # Times of rows are by the clocks of other hosts.
    oldest = None if since is None else max(0.0, (moment - since).total_seconds())
    return Work(number, oldest, *others)


def _is_in(table: sa.Table, state: str) -> sa.ColumnElement[bool]:
    return table.c.state == getattr(table.info["state_machine"], state)


def _of_waiting(table: sa.Table) -> Iterator[sa.ColumnElement[Any]]:
    yield sa.func.count()
    yield sa.func.min(sa.func.coalesce(table.c.updated_at, table.c.created_at))


def _of_running(table: sa.Table) -> Iterator[sa.ColumnElement[Any]]:
    is_continuous = "next_run_time" in table.columns
    yield _number(claimable.is_held(table, times.now()))
    yield _number(*claimable.conditions(table, Kind.DUE) if is_continuous else [sa.false()])
    yield _number(*claimable.conditions(table, Kind.ABANDONED))


def _number(*conditions: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    return sa.func.count(sa.case((sa.and_(*conditions), 1)))


@retries.retried
def count_workers() -> WorkerCount:
    """Return how many workers are alive, and how many are dead and not removed."""
    is_alive = _workers.c.alive_until >= times.now()
    select = sa.select(_number(is_alive), _number(~is_alive))
    ((alive, dead),) = transactions.execute(select.select_from(_workers)).rows
    return WorkerCount(alive, dead)


@retries.retried
def held(table: sa.Table) -> dict[int, int]:
    """Return how many rows each worker has claimed, by the worker's id."""
    is_held = (_is_in(table, "RUNNING"), table.c.worker_id > 0)
    select = sa.select(table.c.worker_id, sa.func.count()).where(*is_held)
    rows = transactions.execute(select.group_by(table.c.worker_id)).rows
    return {row[0]: row[1] for row in rows}


def holders(table: sa.Table, idents: Sequence[int]) -> dict[int, Holder]:
    """Return who has claimed rows, by their ids."""
    found: dict[int, Holder] = {}
    for begin in range(0, len(idents), MANY):
        found |= _holders(table, idents[begin : begin + MANY])
    return found


@retries.retried
def _holders(table: sa.Table, idents: Sequence[int]) -> dict[int, Holder]:
    joined = table.outerjoin(_workers, _workers.c.id == table.c.worker_id)
    is_alive = _workers.c.alive_until >= times.now()
    select = sa.select(
        table.c.id, table.c.worker_id, _workers.c.uuid, is_alive, table.c.attempts
    ).select_from(joined)
    rows = transactions.execute(select.where(table.c.id.in_(idents))).rows
    return {
        ident: Holder(uuid, None if worker is None else bool(alive), attempts)
        for ident, worker, uuid, alive, attempts in rows
    }


@retries.retried
def stuck(table: sa.Table) -> Sequence[int]:
    """Return the ids of the rows that :func:`count` counts as abandoned: the first ``MOST``."""
    conditions = (
        _is_in(table, "RUNNING"),
        *identity_conditions(table, {}, show_deleted=False),
        *claimable.conditions(table, Kind.ABANDONED),
    )
    select = sa.select(table.c.id).where(*conditions).order_by(table.c.id).limit(MOST)
    return [row[0] for row in transactions.execute(select).rows]


@retries.retried
def left(table: sa.Table, seconds: float, limit: int) -> tuple[int, Sequence[int]]:
    """Return how many rows no worker has held for so many seconds, and the first ids."""
    moment = times.later(-seconds)
    conditions = (
        _is_in(table, "RUNNING"),
        *identity_conditions(table, {}, show_deleted=False),
        sa.func.coalesce(table.c.updated_at, table.c.created_at) <= moment,
        *claimable.left_since(table, moment),
    )
    number = sa.select(sa.func.count()).select_from(table).where(*conditions)
    first = sa.select(table.c.id).where(*conditions).order_by(table.c.id).limit(limit)
    ((counted,),) = transactions.execute(number).rows
    return counted, [row[0] for row in transactions.execute(first).rows]
