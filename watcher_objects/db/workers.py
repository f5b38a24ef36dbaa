# SPDX-License-Identifier: Apache-2.0
"""Workers: rows that are kept alive by heartbeats, on the clock of the database."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from watcher_objects import exception
from watcher_objects.db import api, models, transactions
from watcher_objects.db.sql import claims, state_guard, times
from watcher_objects.db.statements import Cells
from watcher_objects.db.transactions import retries
from watcher_objects.db.transactions.retries import Outcome

#: Seconds after which the row of a dead worker is removed.
FORGOTTEN = 7 * 86400

_workers = models.workers


def register(given: Mapping[str, Any]) -> Cells:
    """Store a worker, which is alive for the seconds in ``ttl`` from now on, and return its row.

    :raises InvalidValue: a column can't hold its value
    """
    bound = {"program": None, **state_guard.storable(_workers, given)}
    row: Cells = _registered(bound)
    return row


def _found_worker(lost: exception.DatabaseUnavailable, bound: Mapping[str, Any]) -> Any:
    found = api.get(_workers, {"uuid": bound["uuid"]})
    return Outcome.NOT_APPLIED if found is None else found


@retries.retry_write(_found_worker)
def _registered(bound: Mapping[str, Any]) -> Any:
    moments = {"started_at": times.now(), "alive_until": times.later(bound["ttl"])}
    insert = sa.insert(_workers).values(**bound, **moments)
    with transactions.ensure_transaction():
        transactions.execute(insert)
        return api.get(_workers, {"uuid": bound["uuid"]})


@retries.retried
def beat(uuid: str, ttl: int) -> bool:
    """Keep a worker alive for so many seconds from now; return False if its row is gone."""
    update = sa.update(_workers).where(_workers.c.uuid == uuid)
    return transactions.execute(update.values(alive_until=times.later(ttl))).matched > 0


@retries.retried
def held(table: sa.Table, worker_id: int) -> Sequence[tuple[str, int]]:
    """Return the uuid and the token of each row that a worker has claimed."""
    return claims.held(table, worker_id)


@retries.retried
def unregister(uuid: str) -> None:
    """Remove a worker: what it has still claimed, others may take over at once."""
    transactions.execute(sa.delete(_workers).where(_workers.c.uuid == uuid))


@retries.retried
def forget_dead() -> None:
    """Remove the workers that have been dead for long."""
    is_forgotten = _workers.c.alive_until < times.later(-FORGOTTEN)
    transactions.execute(sa.delete(_workers).where(is_forgotten))
