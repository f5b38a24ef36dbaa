# SPDX-License-Identifier: Apache-2.0
"""Batches of rows, their pace, and the counts of a purge."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from watcher_objects import exception
from watcher_objects.db import transactions
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


def ignore(*progress: Any) -> None:
    """Ignore the progress."""


def never() -> bool:
    """Return False: the purge is never stopped."""
    return False


class Count(NamedTuple):
    """The numbers of rows of a table that were selected, removed, and kept for references."""

    table: str
    found: int
    removed: int
    kept: int


class Pace:
    """How fast rows are removed.

    :param batch: the maximum number of rows per transaction
    :param rate: the maximum number of rows per second; unlimited by default
    :raises InvalidValue: a number is out of range
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

    def wait(self, begun: float, removed: int) -> None:
        """Wait until the rate allows that many rows since a time of ``time.monotonic``."""
        time.sleep(max(begun + removed / self.rate - time.monotonic(), 0))


AS_FAST_AS_CAN_BE = Pace()


def refuse_transaction() -> None:
    """Reject a purge inside a transaction.

    :raises DatabaseError: there is a transaction
    """
    if transactions.in_transaction():
        raise exception.DatabaseError(reason="nothing is purged inside a transaction")


def in_batches(
    table: sa.Table,
    size: int,
    columns: Sequence[Any],
    progress: Progress,
    stop: Stop = never,
) -> Iterator[Sequence[Any]]:
    """Yield the ids of all rows with some columns, in batches that cost the same each."""
    last, newest = None, value(sa.func.max(table.c.id))
    while last != newest and not stop():
        rows = _read(table, last, newest, size, columns)
        yield rows
        last = rows[-1][0] if len(rows) == size else newest
        # Where ids are names there are few rows.
        if isinstance(last, int):
            progress(table.name, last, newest)


@retries.retried
def value(column: sa.ColumnElement[Any], *conditions: Condition) -> Any:
    """Return a value of the rows that meet conditions."""
    return transactions.execute(sa.select(column).where(*conditions)).rows[0][0]


@retries.retried
def _read(
    table: sa.Table, last: Any, newest: Any, size: int, columns: Sequence[Any]
) -> Sequence[Any]:
    """Return the next rows after an id, in the order of ids, as no index contains the times."""
    behind = [] if last is None else [table.c.id > last]
    rows = sa.select(table.c.id, *columns).where(*behind, table.c.id <= newest)
    return transactions.execute(rows.order_by(table.c.id).limit(size)).rows


def flag(condition: Condition) -> sa.ColumnElement[int]:
    """Return 1 where a condition holds, else 0, also where it is NULL."""
    return sa.case((condition, 1), else_=0)
