# SPDX-License-Identifier: Apache-2.0
"""Removal of old transitions from the journal."""

import datetime
import time
from collections.abc import Sequence
from typing import NamedTuple

import sqlalchemy as sa

from watcher_objects.db import models, transactions
from watcher_objects.db.purge.batches import (
    AS_FAST_AS_CAN_BE,
    BATCH,
    Count,
    Pace,
    Progress,
    Stop,
    flag,
    ignore,
    in_batches,
    never,
    refuse_transaction,
)
from watcher_objects.db.sql.filters import Condition
from watcher_objects.db.transactions import retries
from watcher_objects.fields import coercion


class History(NamedTuple):
    """The transitions to remove from the journal: those that meet both conditions.

    :ivar before: they were made before this time; None: at any time
    :ivar keep: the number of later transitions of the same object that remain, at least
    """

    before: datetime.datetime | None
    keep: int

    @classmethod
    def of(cls, days: float | None = None, keep: int | None = None) -> "History":
        """Return the selection.

        :param days: the minimum number of days since they were made
        :param keep: the number of the newest transitions of each object that remain
        :raises InvalidValue: a number is out of range
        """
        before = None if days is None else coercion.ago("days", days, "days")
        number = 0 if keep is None else coercion.to_integer("keep", keep)
        if number < 0:
            raise coercion.refuse("keep", keep, "takes a whole number from 0 up")
        return cls(before, number)

    def rows(self) -> Condition:
        """Return the condition on the selected transitions."""
        table, later = models.transitions, models.transitions.alias()
        conditions: list[Condition] = [] if self.before is None else [table.c.at <= self.before]
        if self.keep:
            same = [later.c[name] == table.c[name] for name in ("object_uuid", "resource")]
            since = sa.select(later.c.seq).where(*same, later.c.seq > table.c.seq)
            enough = since.order_by(later.c.seq).offset(self.keep - 1).limit(1)
            conditions.append(enough.scalar_subquery().is_not(None))
        return sa.and_(sa.true(), *conditions)


def count_history(history: History, progress: Progress = ignore) -> Count:
    """Return the count of :func:`remove_history` without concurrent writes; remove nothing."""
    found = 0
    for rows in in_batches(models.transitions, BATCH, [flag(history.rows())], progress):
        found += sum(is_wanted for _, is_wanted in rows)
    return Count(models.transitions.name, found, found, 0)


def remove_history(
    history: History,
    pace: Pace = AS_FAST_AS_CAN_BE,
    progress: Progress = ignore,
    stop: Stop = never,
) -> Count:
    """Remove transitions from the journal, and return their count.

    :raises DatabaseError: as for :func:`remove`
    """
    refuse_transaction()
    removed, table = 0, models.transitions
    for rows in in_batches(table, pace.batch, [flag(history.rows())], progress, stop):
        begun = time.monotonic()
        # Nobody changes a transition, and what is enough stays enough.
        ids = [ident for ident, is_wanted in rows if is_wanted]
        if ids:
            _delete_transitions(ids)
        removed += len(ids)
        pace.wait(begun, len(ids))
    return Count(table.name, removed, removed, 0)


@retries.retried
def _delete_transitions(ids: Sequence[int]) -> None:
    table = models.transitions
    transactions.execute(sa.delete(table).where(table.c.id.in_(ids)))
