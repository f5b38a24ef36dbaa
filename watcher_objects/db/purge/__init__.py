# SPDX-License-Identifier: Apache-2.0
"""Removal of old soft-deleted rows, in batches, and of rows before those that they refer to.

A batch is one DELETE, with the history of what it removes, in a transaction of its own, so that
a purge that was interrupted, by whatever, is simply run again. The DELETE itself asks that nothing
points at a row, and where something has begun to in the meantime the foreign keys say so: such a
row is kept.

No event is published: the events of these rows were published when they were soft-deleted.
"""

import time
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from watcher_objects import exception
from watcher_objects.db import transactions
from watcher_objects.db.purge.batches import (
    AS_FAST_AS_CAN_BE,
    Progress,
    Stop,
    flag,
    ignore,
    in_batches,
    never,
    refuse_transaction,
    value,
)
from watcher_objects.db.purge.batches import BATCH as BATCH
from watcher_objects.db.purge.batches import Count as Count
from watcher_objects.db.purge.batches import Pace as Pace
from watcher_objects.db.purge.history import History as History
from watcher_objects.db.purge.history import count_history as count_history
from watcher_objects.db.purge.history import remove_history as remove_history
from watcher_objects.db.purge.selection import TYPES as TYPES
from watcher_objects.db.purge.selection import Selection as Selection
from watcher_objects.db.sql import filters, journal
from watcher_objects.db.sql.filters import Condition
from watcher_objects.db.transactions import retries


def count(selection: Selection, progress: Progress = ignore) -> list[Count]:
    """Return the counts of a :func:`remove` without concurrent writes; nothing is removed."""
    stuck: dict[sa.Table, set[Any]] = {table: set() for table in selection.leading}
    counts = []
    for table in selection.leading:
        keys = [key for _, key in filters.relations(table) if filters.target(key) in stuck]
        columns = [flag(selection.rows(table)), *map(selection.target, keys)]
        found = kept = 0
        for rows in in_batches(table, BATCH, columns, progress):
            for ident, is_wanted, *targets in rows:
                found += is_wanted
                if is_wanted and ident not in stuck[table]:
                    continue
                kept += is_wanted
                for key, target in zip(keys, targets, strict=True):
                    stuck[filters.target(key)].add(target)
        if table in selection.tables:
            counts.append(Count(table.name, found, found - kept, kept))
    return counts


def remove(
    selection: Selection,
    pace: Pace = AS_FAST_AS_CAN_BE,
    progress: Progress = ignore,
    stop: Stop = never,
) -> list[Count]:
    """Remove rows, and return the counts of each table.

    :raises DatabaseError: this is inside a transaction, or the database failed; the batches
        before that stay removed
    """
    refuse_transaction()
    counts = []
    for table in selection.tables:
        wanted = selection.rows(table)
        found = kept = 0
        for rows in in_batches(table, pace.batch, [flag(wanted)], progress, stop):
            begun = time.monotonic()
            ids = [ident for ident, is_wanted in rows if is_wanted]
            left = _kept(table, wanted, ids)
            found, kept = found + len(ids), kept + left
            pace.wait(begun, len(ids) - left)
        counts.append(Count(table.name, found, found - kept, kept))
    return counts


def _kept(table: sa.Table, wanted: Condition, ids: Sequence[Any]) -> int:
    """Remove rows, and return the number of those that could not be removed."""
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
    left: int = value(sa.func.count(table.c.id), table.c.id.in_(ids))
    return left


@retries.retried
def _delete(table: sa.Table, wanted: Condition, ids: Sequence[Any]) -> int:
    free = [_pointing(key).is_(None) for key in filters.referring(table)]
    gone = sa.delete(table).where(table.c.id.in_(ids), wanted, *free)
    if table.info["state_machine"] is None:
        return transactions.execute(gone).matched

    def delete() -> int:
        number = transactions.execute(gone).matched
        journal.forget(table, ids)
        return number

    return transactions.atomic(delete)


def _pointing(key: sa.Column[Any]) -> sa.ColumnElement[Any]:
    """Return the id of a row that refers to a row, or NULL.

    PostgreSQL would do NOT EXISTS by reading the whole of their table for each batch.
    """
    target = filters.target(key)
    return sa.select(key).where(key == target.c.id).correlate(target).limit(1).scalar_subquery()
