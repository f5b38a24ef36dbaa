# SPDX-License-Identifier: Apache-2.0
"""Remove what was soft-deleted long ago: in batches, and rows before those that they point at.

A batch is one DELETE, which is a transaction of its own, so that a purge that was interrupted,
by whatever, is simply run again. The DELETE itself asks that nothing points at a row, and where
something has begun to in the meantime the foreign keys say so: such a row is kept.

No event is published: the events of these rows were published when they were soft-deleted.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from watcher_objects import exception
from watcher_objects.db import transactions
from watcher_objects.db.purge.selection import TYPES as TYPES
from watcher_objects.db.purge.selection import Selection as Selection
from watcher_objects.db.sql import filters
from watcher_objects.db.sql.filters import Condition
from watcher_objects.db.transactions import retries
from watcher_objects.fields import coercion

#: Rows that one statement looks at, and removes at most.
BATCH = 500
MAX_BATCH = 10_000

#: Gets a table, the id up to which it is done, and its last id.
Progress = Callable[[str, int, int], None]
#: Is asked before each batch whether to go no further.
Stop = Callable[[], bool]


def _ignore(*told: Any) -> None:
    pass


def _never() -> bool:
    return False


class Count(NamedTuple):
    """How many rows of a table were to go, are gone, and are kept since others point at them."""

    table: str
    found: int
    removed: int
    kept: int


class Pace:
    """How fast rows are removed.

    :param batch: how many a transaction removes at most
    :param rate: how many go in a second at most; by default as many as can
    :raises InvalidValue: there is no such pace
    """

    def __init__(self, batch: int = BATCH, rate: float | None = None) -> None:
        size = coercion.to_integer("batch", batch)
        if not 1 <= size <= MAX_BATCH:
            raise coercion.refuse("batch", batch, f"takes a whole number from 1 to {MAX_BATCH}")
        self.rate = math.inf if rate is None else coercion.to_number("rate", rate)
        if self.rate < 1:
            raise coercion.refuse("rate", rate, "takes a number from 1 up")
        # No more at once than in a second.
        self.batch = int(min(size, self.rate))


_AS_FAST_AS_CAN_BE = Pace()


def count(selection: Selection, progress: Progress = _ignore) -> list[Count]:
    """Return what :func:`remove` would if nobody else wrote; nothing is removed."""
    stuck: dict[sa.Table, set[Any]] = {table: set() for table in selection.leading}
    told = []
    for table in selection.leading:
        keys = [key for _, key in filters.relations(table) if filters.target(key) in stuck]
        columns = [_flag(selection.rows(table)), *map(selection.target, keys)]
        found = kept = 0
        for rows in _batches(table, BATCH, columns, progress):
            for ident, is_wanted, *targets in rows:
                found += is_wanted
                if is_wanted and ident not in stuck[table]:
                    continue
                kept += is_wanted
                for key, target in zip(keys, targets, strict=True):
                    stuck[filters.target(key)].add(target)
        if table in selection.tables:
            told.append(Count(table.name, found, found - kept, kept))
    return told


def remove(
    selection: Selection,
    pace: Pace = _AS_FAST_AS_CAN_BE,
    progress: Progress = _ignore,
    stop: Stop = _never,
) -> list[Count]:
    """Remove rows, and return how many of each table.

    :raises DatabaseError: this is inside a transaction, or the database failed; the batches
        before that stay removed
    """
    if transactions.in_transaction():
        raise exception.DatabaseError(reason="nothing is purged inside a transaction")
    told = []
    for table in selection.tables:
        wanted = selection.rows(table)
        found = kept = 0
        for rows in _batches(table, pace.batch, [_flag(wanted)], progress, stop):
            begun = time.monotonic()
            ids = [ident for ident, is_wanted in rows if is_wanted]
            left = _kept(table, wanted, ids)
            found, kept = found + len(ids), kept + left
            time.sleep(max(begun + (len(ids) - left) / pace.rate - time.monotonic(), 0))
        told.append(Count(table.name, found, found - kept, kept))
    return told


def _batches(
    table: sa.Table,
    size: int,
    columns: Sequence[Any],
    progress: Progress,
    stop: Stop = _never,
) -> Iterator[Sequence[Any]]:
    """Yield the ids of all rows with some columns, in batches that cost the same each."""
    last, newest = None, _value(sa.func.max(table.c.id))
    while last != newest and not stop():
        rows = _read(table, last, newest, size, columns)
        yield rows
        last = rows[-1][0] if len(rows) == size else newest
        # Where ids are names there are few rows.
        if isinstance(last, int):
            progress(table.name, last, newest)


@retries.retried
def _value(column: sa.ColumnElement[Any], *conditions: Condition) -> Any:
    return transactions.execute(sa.select(column).where(*conditions)).rows[0][0]


@retries.retried
def _read(
    table: sa.Table, last: Any, newest: Any, size: int, columns: Sequence[Any]
) -> Sequence[Any]:
    """Return the next rows after an id; by the ids themselves, as no index has the times."""
    behind = [] if last is None else [table.c.id > last]
    rows = sa.select(table.c.id, *columns).where(*behind, table.c.id <= newest)
    return transactions.execute(rows.order_by(table.c.id).limit(size)).rows


def _kept(table: sa.Table, wanted: Condition, ids: Sequence[Any]) -> int:
    """Remove rows, and return how many of them are still there."""
    if not ids:
        return 0
    try:
        gone = _delete(table, wanted, ids)
    except exception.MissingReference:
        # Something that was not there, or that is not ours, points at one of them.
        middle = len(ids) // 2
        halves = ids[:middle], ids[middle:]
        return sum(_kept(table, wanted, half) for half in halves) if middle else 1
    if gone == len(ids):
        return 0
    # Fewer are counted, too, where another purge was faster, or a first answer got lost.
    left: int = _value(sa.func.count(table.c.id), table.c.id.in_(ids))
    return left


@retries.retried
def _delete(table: sa.Table, wanted: Condition, ids: Sequence[Any]) -> int:
    free = [_pointing(key).is_(None) for key in filters.referring(table)]
    gone = sa.delete(table).where(table.c.id.in_(ids), wanted, *free)
    return transactions.execute(gone).matched


def _pointing(key: sa.Column[Any]) -> sa.ColumnElement[Any]:
    """Return the key of one of the rows that point at a row, or NULL.

    PostgreSQL would do NOT EXISTS by reading the whole of their table for each batch.
    """
    target = filters.target(key)
    return sa.select(key).where(key == target.c.id).correlate(target).limit(1).scalar_subquery()


def _flag(condition: Condition) -> sa.ColumnElement[int]:
    """Return 1 where a condition holds, else 0, also where it is NULL."""
    return sa.case((condition, 1), else_=0)
